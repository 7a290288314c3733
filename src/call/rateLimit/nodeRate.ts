/**
 * A rate limit of each node.
 *
 * A node without tokens is passed over. When all are, the call waits for the one that will have some first, and the tokens
 * that come are held for it while it is picked for again; should it then go elsewhere, they are given back.
 */

import type { Node } from '../../core/node.js';
import type { Outcome } from '../../core/nodeStats.js';
import type { CallInfo } from '../call.js';
import type { Barred, Entrant, NodeGate, PolicyPorts, RunningPolicy } from '../policy.js';
import type { RateLane, RateWaiter } from './rateLane.js';
import { RateLanes, type RateReport } from './rateLanes.js';
import type { RateRules } from './rateRules.js';

export class NodeRate implements NodeGate, RunningPolicy {
  readonly nodeGate: NodeGate = this;
  private readonly rules: RateRules;
  private readonly lanes: RateLanes;
  private readonly barred: Barred;
  /** The one whose tokens are held while it is picked for. */
  private holder: RateWaiter | undefined = undefined;
  /** The call that was last barred, and of the nodes that barred it the one where it would wait the least. */
  private lastBarred: CallInfo | undefined = undefined;
  private nearest: RateLane | undefined = undefined;
  private nearestMs = Infinity;

  constructor(rules: RateRules, ports: PolicyPorts) {
    this.rules = rules;
    this.lanes = new RateLanes(rules, ports, (waiter) => this.letIn(waiter));
    this.barred = {
      code: 'RATE_LIMITED',
      obstacle: 'limited',
      reason: `its rate limit of ${rules.perSecond} ${rules.unit} a second is used up`,
    };
  }

  enter({ id }: Node, call: CallInfo): Barred | undefined {
    const lane = this.lanes.of(id);
    if (this.holds(lane, call)) {
      this.holder = undefined;
      return undefined;
    }
    const cost = this.rules.costOf(call);
    return lane.take(call, cost) ? undefined : this.isEmpty(lane, call, lane.waitOf(call, cost));
  }

  peek(id: string, call: CallInfo): Barred | undefined {
    const lane = this.lanes.of(id);
    if (this.holds(lane, call)) return undefined;
    const waitMs = lane.waitOf(call, this.rules.costOf(call));
    return waitMs === 0 ? undefined : this.isEmpty(lane, call, waitMs);
  }

  wait(entrant: Entrant): boolean {
    const { call } = entrant;
    const { nearest, lastBarred } = this;
    this.lastBarred = undefined;
    this.nearest = undefined;
    if (nearest === undefined || lastBarred !== call) return false;
    nearest.join(entrant, this.rules.costOf(call));
    return true;
  }

  withdraw(entrant: Entrant): void {
    this.lanes.withdraw(entrant);
  }

  undo({ id }: Node, call: CallInfo): void {
    this.lanes.of(id).giveBack(this.rules.costOf(call));
  }

  leave({ id }: Node, call: CallInfo, { status, code }: Outcome): void {
    if (call === this.lastBarred) this.lastBarred = undefined;
    if (this.rules.settle === undefined) return;
    const ended = status === 'ok' ? 'OK' : status === 'cancelled' ? 'CANCELLED' : (code ?? 'UNKNOWN');
    this.lanes.settle(this.lanes.of(id), call, ended);
  }

  forget(id: string): void {
    this.lanes.forget(id);
  }

  report(): RateReport {
    return this.lanes.report();
  }

  close(): void {
    this.lanes.close();
  }

  private holds(lane: RateLane, call: CallInfo): boolean {
    const { holder } = this;
    return holder !== undefined && holder.lane === lane && holder.call === call;
  }

  /** Notes it where it is the nearest to have tokens again, since it is there that the call may have to wait. */
  private isEmpty(lane: RateLane, call: CallInfo, waitMs: number): Barred {
    if (call !== this.lastBarred || waitMs < this.nearestMs) {
      this.lastBarred = call;
      this.nearest = lane;
      this.nearestMs = waitMs;
    }
    return this.barred;
  }

  private letIn(waiter: RateWaiter): boolean {
    const before = this.holder;
    this.lanes.meter.letIn(waiter.call, waiter.lane.key, waiter.since);
    this.holder = waiter;
    waiter.entrant.admit();
    const used = this.holder !== waiter;
    this.holder = before;
    return used;
  }
}
