/** A rate limit of calls: one bucket for all, or one for each key. */

import type { CallInfo } from '../call.js';
import type { Entrant, Gate, GateEnd, PolicyPorts, RunningPolicy } from '../policy.js';
import type { RateLane, RateWaiter } from './rateLane.js';
import { RateLanes, type RateReport } from './rateLanes.js';
import type { RateRules } from './rateRules.js';

export class CallRate implements Gate, RunningPolicy {
  readonly gate: Gate = this;
  private readonly rules: RateRules;
  private readonly lanes: RateLanes;
  /** That of all calls, where there are no keys. */
  private readonly only: RateLane | undefined;

  constructor(rules: RateRules, ports: PolicyPorts) {
    this.rules = rules;
    this.lanes = new RateLanes(rules, ports, (waiter) => this.letIn(waiter));
    this.only = rules.keyOf === undefined ? this.lanes.of('') : undefined;
  }

  enter(entrant: Entrant): boolean {
    const { call } = entrant;
    const cost = this.rules.costOf(call);
    const lane = this.laneOf(call);
    if (lane.take(call, cost)) return true;
    lane.join(entrant, cost);
    return false;
  }

  withdraw(entrant: Entrant): void {
    this.lanes.withdraw(entrant);
  }

  leave({ call }: Entrant, { code }: GateEnd): void {
    if (this.rules.settle !== undefined) this.lanes.settle(this.laneOf(call), call, code);
  }

  report(): RateReport {
    return this.lanes.report();
  }

  close(): void {
    this.lanes.close();
  }

  private letIn({ entrant, call, lane, since }: RateWaiter): true {
    this.lanes.meter.letIn(call, lane.key, since);
    entrant.admit();
    return true;
  }

  private laneOf(call: CallInfo): RateLane {
    return this.only ?? this.lanes.of(this.rules.keyOf!(call) ?? '');
  }
}
