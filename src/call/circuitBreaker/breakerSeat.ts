/** The breaker of one node, or of one method on it, in its client. */

import type { DeadlineWheel } from '../../core/deadlineWheel.js';
import type { Node } from '../../core/node.js';
import type { Outcome } from '../../core/nodeStats.js';
import type { CallInfo } from '../call.js';
import type { BreakerState } from '../callEvent.js';
import type { Barred, PolicyPorts } from '../policy.js';
import { Alarm } from './alarm.js';
import { Breaker, type BreakerWatcher } from './breaker.js';
import type { BreakerFigures } from './breakerFigures.js';
import type { BreakerRules } from './breakerOptions.js';

/** What a breaker needs of the client around it. */
export interface SeatPorts extends Pick<PolicyPorts, 'by' | 'clock' | 'random' | 'events' | 'eject' | 'readmit'> {
  readonly rules: BreakerRules;
  /** Each method has a breaker of its own, so that none speaks for the whole node. */
  readonly perMethod: boolean;
  readonly countsAsFailure: (outcome: Outcome) => boolean;
  /** By the stopwatch, so that a time of day that is set back prolongs nothing. */
  readonly wheel: DeadlineWheel;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** A breaker changed its state. */
  readonly changed: () => void;
  /** An attempt that was refused may find a place now. */
  readonly placeFreed: () => void;
  /** After it was shut, a breaker lets all calls in again. */
  readonly cameBack: (seat: BreakerSeat) => void;
}

/** Of an attempt that was let through although the breaker is open: it bears no pass that counts. */
const overruled = -1;

export class BreakerSeat implements BreakerWatcher {
  readonly node: string;
  readonly method: string | undefined;
  private readonly ports: SeatPorts;
  private readonly breaker: Breaker;
  private readonly alarm: Alarm;
  private barred: Barred = halfOpen;
  private reason = '';
  private since = 0;
  private retryAt: number | undefined = undefined;
  private isOut = false;
  private isGone = false;
  /** Attempts that were let in and have not ended. */
  private inside = 0;
  /** The pass that they bear, but for those that are listed by the number of their call. */
  private usual = 1;
  private passes: Map<number, number> | undefined = undefined;

  constructor(node: string, method: string, ports: SeatPorts) {
    this.node = node;
    this.method = ports.perMethod ? method : undefined;
    this.ports = ports;
    this.breaker = new Breaker(ports.rules, ports.random, ports.clock(), this);
    this.alarm = new Alarm(ports.wheel, () => this.ring());
  }

  get state(): BreakerState {
    return this.breaker.state;
  }

  /** True when its node has gone, and the last attempt on it has ended. */
  get isOver(): boolean {
    return this.isGone && this.inside === 0;
  }

  get figures(): BreakerFigures {
    const { node, method, state, reason, since, retryAt } = this;
    return { node, method, state, reason, since, retryAt };
  }

  enter(node: Node, call: CallInfo): Barred | undefined {
    const { breaker } = this;
    const pass = breaker.state === 'closed' ? breaker.pass : this.ask(node);
    if (pass === 0) return this.barred;
    this.isGone = false;
    if (pass !== this.usual) this.note(call, pass);
    this.inside++;
    return undefined;
  }

  /** It began to answer: a probe need not wait for the end of a stream. */
  answered(call: CallInfo, latencyMs: number): void {
    const { breaker, ports } = this;
    if (breaker.state !== 'halfOpen') return;
    const pass = this.passes?.get(call.id) ?? this.usual;
    const now = ports.clock();
    breaker.answered(pass, latencyMs, now);
    this.settle(now);
  }

  /** @param late that it failed says nothing of the node, since it came with too little time. */
  leave(call: CallInfo, outcome: Outcome, late: boolean): void {
    const { breaker, ports } = this;
    const pass = this.take(call);
    const now = outcome.at ?? ports.clock();
    if (isAnswered(outcome)) breaker.answered(pass, outcome.firstMessageMs ?? outcome.latencyMs, now);
    else if (!late && isFailure(outcome, ports)) breaker.failed(pass, now, outcome.code ?? 'UNKNOWN');
    else breaker.undone(pass, now);
    if (breaker.state !== 'closed') this.settle(now);
  }

  /** The place was free before: nobody waits for it. */
  undo(call: CallInfo): void {
    const pass = this.take(call);
    if (this.breaker.state === 'closed') return;
    const now = this.ports.clock();
    this.breaker.undone(pass, now);
    this.arm(now);
  }

  /** Its node has gone: whoever comes back under this id finds it closed, and what still runs counts for nothing. */
  forget(): void {
    this.breaker.reset();
    this.alarm.set(Infinity);
    this.isGone = true;
    // It may be on its way back while it is not yet taken out.
    if (!this.ports.perMethod) this.takeOutOrIn();
  }

  /** Its cooldown is cut short, as far as it is not over. */
  hasten(reason: string): void {
    const now = this.ports.clock();
    this.breaker.hasten(reason, now);
    this.settle(now);
  }

  /** Nothing happens by itself any more. */
  close(): void {
    this.alarm.set(Infinity);
  }

  changed(from: BreakerState, to: BreakerState, reason: string, now: number): void {
    const { node, method, ports, breaker } = this;
    const at = ports.now();
    this.since = at;
    this.reason = reason;
    this.retryAt = to === 'open' ? at + breaker.dueIn(now) : undefined;
    this.barred = to === 'open' ? barredBy(`circuit open: ${reason}`) : halfOpen;
    this.arm(now);
    if (ports.events.observed) {
      const { retryAt } = this;
      ports.events.next({ type: 'breakerChanged', at, by: ports.by, node, method, from, to, reason, retryAt });
    }
    if (!ports.perMethod) this.takeOutOrIn();
    ports.changed();
    if (to === 'closed' && this.breaker.state === 'closed') ports.cameBack(this);
  }

  private ring(): void {
    const now = this.ports.clock();
    this.breaker.advance(now);
    this.settle(now);
  }

  /** A pass for an attempt where it is not simply closed; 0 when it may not begin. */
  private ask(node: Node): number {
    const { breaker, ports } = this;
    // Until the alarm rings, no clock need be looked at.
    if (breaker.state === 'open') return this.isOverruled(node) ? overruled : 0;
    const now = ports.clock();
    const pass = breaker.enter(now);
    if (pass !== 0) this.arm(now);
    return pass;
  }

  /** In a panic the nodes that were taken out are shown as if they were not, since a bad node is better than none. */
  private isOverruled({ ejections }: Node): boolean {
    return this.isOut && ejections.some(({ by }) => by === this.ports.by);
  }

  /** As it stands now: a listener may have brought it further already. */
  private takeOutOrIn(): void {
    const { node, ports, reason, retryAt: until } = this;
    if (this.breaker.state === 'open') {
      this.isOut = true;
      ports.eject(node, { by: ports.by, obstacle: 'circuitOpen', reason, until });
    } else if (this.isOut) {
      this.isOut = false;
      ports.readmit(node, ports.by);
    }
  }

  private settle(now: number): void {
    this.arm(now);
    this.ports.placeFreed();
  }

  private arm(now: number): void {
    this.alarm.set(now + Math.max(0, this.breaker.dueIn(now)));
  }

  private note(call: CallInfo, pass: number): void {
    if (this.inside === 0) this.usual = pass;
    else (this.passes ??= new Map()).set(call.id, pass);
  }

  private take(call: CallInfo): number {
    this.inside--;
    const { passes } = this;
    if (passes === undefined || passes.size === 0) return this.usual;
    const pass = passes.get(call.id);
    if (pass === undefined) return this.usual;
    passes.delete(call.id);
    return pass;
  }
}

/** Who leaves amid the answers was answered. */
function isAnswered({ status, firstMessageMs }: Outcome): boolean {
  return status === 'ok' || (status === 'cancelled' && firstMessageMs !== undefined);
}

function isFailure(outcome: Outcome, { countsAsFailure }: SeatPorts): boolean {
  return outcome.status === 'failed' && countsAsFailure(outcome);
}

const halfOpen = barredBy('circuit half-open: its probes are under way');

function barredBy(reason: string): Barred {
  return { code: 'CIRCUIT_OPEN', obstacle: 'circuitOpen', reason };
}
