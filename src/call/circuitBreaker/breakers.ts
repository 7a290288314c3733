/** The breakers of one client: one a node, or one a method on each. */

import { deadlineWheel, type DeadlineWheel, type Expiring } from '../../core/deadlineWheel.js';
import { FleetError } from '../../core/fleetError.js';
import { isRoutable } from '../../core/isRoutable.js';
import type { Node } from '../../core/node.js';
import type { Outcome } from '../../core/nodeStats.js';
import type { CallInfo } from '../call.js';
import type { Barred, Entrant, NodeGate, PolicyPorts, RunningPolicy } from '../policy.js';
import type { BreakerFigures, BreakerReport } from './breakerFigures.js';
import type { BreakerRules } from './breakerOptions.js';
import { BreakerSeat, type SeatPorts } from './breakerSeat.js';

/** How the breakers of a policy judge. */
export interface Judgement {
  readonly rules: BreakerRules;
  readonly perMethod: boolean;
  /** Whether a failed attempt is a failure of its node. */
  readonly countsAsFailure: (outcome: Outcome) => boolean;
}

/** Who wants to hear of them. */
export interface BreakersWatcher {
  /** One of them changed its state. */
  readonly changed: () => void;
  /** Their client is gone. */
  readonly ended: () => void;
}

export class Breakers implements RunningPolicy, NodeGate {
  readonly nodeGate: NodeGate = this;
  private readonly perMethod: boolean;
  private readonly ports: SeatPorts;
  private readonly watcher: BreakersWatcher;
  private readonly nodes: PolicyPorts['nodes'];
  /** By node, then by method. */
  private readonly seats = new Map<string, Map<string, BreakerSeat>>();
  private readonly waiting = new Set<Entrant>();
  private isEnded = false;
  /** Names of methods come from callers: past this many, the rest share a breaker. */
  private static readonly most = 1_000;

  constructor(
    { rules, perMethod, countsAsFailure }: Judgement,
    { by, scheduler, clock, random, events, nodes, eject, readmit }: PolicyPorts,
    watcher: BreakersWatcher,
  ) {
    this.perMethod = perMethod;
    this.watcher = watcher;
    this.nodes = nodes;
    const placeFreed = () => this.admitWaiting();
    this.ports = {
      ...{ by, rules, perMethod, countsAsFailure, clock, random, events, eject, readmit, placeFreed },
      wheel: this.wheelUntilTheEnd(deadlineWheel(scheduler, clock)),
      now: () => scheduler.now(),
      cameBack: (seat) => this.cameBack(seat),
      changed: () => {
        watcher.changed();
        placeFreed();
      },
    };
  }

  enter(node: Node, call: CallInfo): Barred | undefined {
    return this.seat(node, call).enter(node, call);
  }

  answered(node: Node, call: CallInfo, latencyMs: number): void {
    this.seat(node, call).answered(call, latencyMs);
  }

  leave(node: Node, call: CallInfo, outcome: Outcome): void {
    const seat = this.seat(node, call);
    seat.leave(call, outcome, cameLate(call, outcome, this.ports.now()));
    if (seat.isOver) this.dropIfOver(node.id);
  }

  undo(node: Node, call: CallInfo): void {
    const seat = this.seat(node, call);
    seat.undo(call);
    if (seat.isOver) this.dropIfOver(node.id);
  }

  /** Those who would rather wait for a node than fail wait for a place as well. */
  wait(call: Entrant): boolean {
    if (call.call.options.waitForReady !== true) return false;
    this.waiting.add(call);
    return true;
  }

  withdraw(call: Entrant): void {
    this.waiting.delete(call);
  }

  forget(id: string): void {
    const seats = [...(this.seats.get(id)?.values() ?? [])];
    const allClosed = seats.every(({ state }) => state === 'closed');
    for (const seat of seats) seat.forget();
    this.dropIfOver(id);
    if (!allClosed) this.ports.changed();
  }

  figures(): BreakerFigures[] {
    return this.all()
      .filter(({ state }) => state !== 'closed')
      .map(({ figures }) => figures);
  }

  report(): BreakerReport {
    const breakers = this.figures();
    const open = breakers.filter(({ state }) => state === 'open').length;
    const halfOpen = breakers.length - open;
    return { closed: this.all().length - breakers.length, open, halfOpen, breakers };
  }

  close(): void {
    this.isEnded = true;
    for (const seat of this.all()) seat.close();
    this.watcher.ended();
    for (const call of this.waiting) {
      this.waiting.delete(call);
      call.refuse(new FleetError('CLOSED', `${call.call.name}: the client was closed`, { sent: false }));
    }
  }

  private seat({ id }: Node, call: CallInfo): BreakerSeat {
    const method = this.perMethod ? call.name : '';
    return this.seats.get(id)?.get(method) ?? this.makeSeat(id, method);
  }

  private makeSeat(id: string, method: string): BreakerSeat {
    let ofNode = this.seats.get(id);
    if (!ofNode) this.seats.set(id, (ofNode = new Map()));
    const known = ofNode.size < Breakers.most ? method : '…';
    let seat = ofNode.get(known);
    if (!seat) ofNode.set(known, (seat = new BreakerSeat(id, known, this.ports)));
    return seat;
  }

  /** Kept as long as an attempt runs, which would else take its leave of another than it came to. */
  private dropIfOver(id: string): void {
    for (const { isOver } of this.seats.get(id)?.values() ?? []) if (!isOver) return;
    this.seats.delete(id);
  }

  private all(): BreakerSeat[] {
    return [...this.seats.values()].flatMap((ofNode) => [...ofNode.values()]);
  }

  /**
   * The first that lets calls in again while nobody else does gets the calls of all, which may be too many for it: then it would
   * be shut again before the others are seen to, and so on. But when it is well, whatever ailed all of them may be over.
   */
  private cameBack(seat: BreakerSeat): void {
    const { method, node: id } = seat;
    const stateAt = (node: Node) => this.seats.get(node.id)?.get(method ?? '')?.state ?? 'closed';
    for (const node of this.nodes().nodes) {
      if (node.id !== id && isRoutable(node) && stateAt(node) === 'closed') return;
    }
    for (const other of this.all()) {
      if (other !== seat && other.method === method) other.hasten('all were shut, and another is back');
    }
  }

  private admitWaiting(): void {
    // Who finds no place waits again; who has given up meanwhile is no longer there.
    for (const call of [...this.waiting]) if (this.waiting.delete(call)) call.admit();
  }

  /** The attempts that are cut off at the end must not arm a timer that outlives the client. */
  private wheelUntilTheEnd(wheel: DeadlineWheel): DeadlineWheel {
    return {
      add: (at: number, entry: Expiring) => {
        if (!this.isEnded) wheel.add(at, entry);
      },
      delete: (at: number, entry: Expiring) => wheel.delete(at, entry),
    };
  }
}

/**
 * True for an attempt that ran out of the time of its call, of which it had less than half when it began. The rest was spent
 * before, in a queue or on other nodes: that it was late says nothing of its node.
 */
function cameLate({ startedAt, deadline }: CallInfo, { code, latencyMs }: Outcome, now: number): boolean {
  return code === 'DEADLINE_EXCEEDED' && 2 * (deadline - now + latencyMs) < deadline - startedAt;
}
