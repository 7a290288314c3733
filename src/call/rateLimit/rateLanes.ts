/** The buckets of one rate limit, by their keys, and all who wait for them. */

import { deadlineWheel } from '../../core/deadlineWheel.js';
import type { CallInfo } from '../call.js';
import { KeyedLanes } from '../keyedLanes.js';
import { LimitMeter, type LimitFigures } from '../limitMeter.js';
import type { Entrant, GateEnd, PolicyPorts } from '../policy.js';
import { RateLane, type LanePorts, type RateWaiter } from './rateLane.js';
import type { RateRules } from './rateRules.js';

/** What a rate limit stands at. */
export interface RateReport extends LimitFigures {
  readonly perSecond: number;
  readonly burst: number;
  /** How many buckets are kept: one, or one for each key or node. */
  readonly buckets: number;
  /** Those that are not full, by their keys, the first hundred; `''` is the one for all. */
  readonly used: Readonly<Record<string, BucketFigures>>;
}

export interface BucketFigures {
  /** Tokens in it; below 0 when calls have cost more than was known. */
  readonly available: number;
  readonly waiting: number;
}

/** More lines than this nobody reads. */
const mostReported = 100;

export class RateLanes {
  readonly meter: LimitMeter;
  private readonly rules: RateRules;
  private readonly lanes: KeyedLanes<RateLane>;
  private readonly waiters = new Map<Entrant, RateWaiter>();
  /** Keys that are no more, but whose buckets are not full yet. */
  private readonly gone = new Set<string>();
  private readonly ports: PolicyPorts;

  constructor(rules: RateRules, ports: PolicyPorts, letIn: LanePorts['letIn']) {
    const { scheduler, clock } = ports;
    const meter = new LimitMeter(ports);
    const { waiters } = this;
    const wheel = deadlineWheel(scheduler);
    const lanePorts: LanePorts = { rules, meter, wheel, now: () => scheduler.now(), clock, waiters, letIn };
    this.rules = rules;
    this.ports = ports;
    this.meter = meter;
    this.lanes = new KeyedLanes(
      (key) => new RateLane(key, lanePorts),
      ({ idle }) => idle,
      rules.maxKeys,
    );
  }

  of(key: string): RateLane {
    return this.lanes.of(key);
  }

  withdraw(entrant: Entrant): void {
    const waiter = this.waiters.get(entrant);
    waiter?.lane.leave(waiter);
  }

  /** A call is over: what it has cost beyond what it paid is taken, or given back. */
  settle(lane: RateLane, call: CallInfo, code: GateEnd['code']): void {
    const { settle } = this.rules;
    if (settle === undefined) return;
    let more: number;
    try {
      more = settle(call, code);
      if (!Number.isFinite(more)) throw new TypeError(`rateLimit.settle must say a number, not ${more}`);
    } catch (thrown) {
      // The call is over, so it is not its error; as with a listener that throws, whoever watches the process is told.
      this.ports.scheduler.schedule(() => {
        throw thrown;
      });
      return;
    }
    if (more !== 0) lane.giveBack(-more);
  }

  /** A node is no more: who waits for it is asked again. Its bucket is kept until it is full, lest it come back before. */
  forget(key: string): void {
    const { lanes, gone } = this;
    lanes.get(key)?.dissolve();
    gone.add(key);
    for (const each of gone) {
      if (lanes.get(each)?.idle === false) continue;
      lanes.delete(each);
      gone.delete(each);
    }
  }

  report(): RateReport {
    const { perSecond, burst } = this.rules;
    const used: Record<string, BucketFigures> = {};
    let left = mostReported;
    for (const [key, lane] of this.lanes) {
      if (lane.idle) continue;
      if (left-- === 0) break;
      used[key] = { available: lane.bucket.available(this.ports.clock()), waiting: lane.waiting };
    }
    return { perSecond, burst, buckets: this.lanes.size, used, ...this.meter.figures() };
  }

  close(): void {
    for (const [, lane] of this.lanes) lane.close();
  }
}
