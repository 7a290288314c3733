/** What a limiter did to calls: counted always, told when somebody looks. */

import { LatencyWindow } from '../core/latencyWindow.js';
import type { CallInfo } from './call.js';
import type { PolicyPorts } from './policy.js';

/** Milliseconds that the given share of those who waited in the last minute or two did not exceed; within 6 %. */
export interface WaitQuantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** What all limiters tell of themselves. */
export interface LimitFigures {
  /** Calls that wait now. */
  readonly waiting: number;
  /** Calls that were let in after a wait. */
  readonly waited: number;
  /** Calls that were sent away, at once or while they waited. */
  readonly refused: number;
  /** How long they waited; undefined while nobody has. */
  readonly waitedMs: WaitQuantiles | undefined;
}

export class LimitMeter {
  waiting = 0;
  waited = 0;
  refused = 0;
  private waits: LatencyWindow | undefined = undefined;
  private readonly ports: PolicyPorts;

  constructor(ports: PolicyPorts) {
    this.ports = ports;
  }

  /** @param since on the stopwatch. */
  letIn(call: CallInfo, key: string, since: number): void {
    const at = this.ports.clock();
    this.waited++;
    (this.waits ??= new LatencyWindow(at)).record(at - since, at);
    this.tell(call, key, 'waited', at - since);
  }

  /** @param since on the stopwatch; undefined for one who did not wait at all. */
  sentAway(call: CallInfo, key: string, since: number | undefined): void {
    this.refused++;
    this.tell(call, key, 'refused', since === undefined ? 0 : this.ports.clock() - since);
  }

  figures(): LimitFigures {
    const { waiting, waited, refused, waits } = this;
    const [p50, p95, p99] = waits?.quantiles([0.5, 0.95, 0.99], this.ports.clock()) ?? [];
    return { waiting, waited, refused, waitedMs: p50 === undefined ? undefined : { p50, p95: p95!, p99: p99! } };
  }

  private tell(call: CallInfo, key: string, result: 'waited' | 'refused', waitedMs: number): void {
    const { events, scheduler, by } = this.ports;
    if (!events.observed) return;
    events.next({ type: 'limited', at: scheduler.now(), call, by, key, result, waitedMs });
  }
}
