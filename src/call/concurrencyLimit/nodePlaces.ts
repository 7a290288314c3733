/**
 * A concurrency limit of each node.
 *
 * A node at its limit is passed over. When all are that could take a call, it waits in one queue for all of them, and a place
 * that comes free is held for the first who may use it while it is picked for again. Which nodes those are is learned from the
 * picks in vain: calls with equal requirements have the same, and stand in one line.
 */

import { deadlineWheel } from '../../core/deadlineWheel.js';
import type { Node } from '../../core/node.js';
import type { NodeChanges } from '../../core/nodeSet.js';
import type { Outcome } from '../../core/nodeStats.js';
import type { CallInfo } from '../call.js';
import { KeyedLanes } from '../keyedLanes.js';
import { LimitMeter } from '../limitMeter.js';
import type { Barred, Entrant, NodeGate, PolicyPorts, RunningPolicy } from '../policy.js';
import { Kind } from './kind.js';
import { isOverload, Permits } from './permits.js';
import { placeReport, type PlaceReport } from './placeReport.js';
import type { PlaceRules } from './placeRules.js';
import type { Line, PlaceWaiter } from './placeWaiter.js';
import { WaitingRoom } from './waitingRoom.js';

/** More requirements than this share lines. */
const mostKinds = 256;

export class NodePlaces implements NodeGate, RunningPolicy {
  readonly nodeGate: NodeGate = this;
  private readonly rules: PlaceRules;
  private readonly ports: PolicyPorts;
  private readonly meter: LimitMeter;
  private readonly nodes = new Map<string, Permits>();
  /** Nodes that are no more, while attempts on them still run. */
  private readonly gone = new Set<string>();
  private readonly kinds: KeyedLanes<Kind>;
  /** That of calls that require nothing. */
  private readonly plain: Kind;
  private readonly room: WaitingRoom;
  private readonly waiters = new Map<Entrant, PlaceWaiter>();
  /** The nodes that were full for the call that was picked for last. */
  private readonly full: Permits[] = [];
  private fullFor: CallInfo | undefined = undefined;
  /** Who is picked for again now, and the place that is held for it meanwhile. */
  private asked: PlaceWaiter | undefined = undefined;
  private held: Permits | undefined = undefined;
  private cameBack = false;
  private told = false;
  /** What the loop that lets calls in has yet to do. */
  private readonly freed: Permits[] = [];
  private askAll = false;
  private filling = false;

  constructor(rules: PlaceRules, ports: PolicyPorts) {
    const { scheduler, clock } = ports;
    this.rules = rules;
    this.ports = ports;
    this.meter = new LimitMeter(ports);
    const { meter, waiters } = this;
    const { queueSize: size, maxWaitMs } = rules;
    const wheel = deadlineWheel(scheduler);
    this.room = new WaitingRoom({ meter, wheel, now: () => scheduler.now(), clock, waiters, size, maxWaitMs });
    this.kinds = new KeyedLanes(
      (key) => this.newKind(key),
      () => false,
      mostKinds,
    );
    this.plain = this.newKind('');
  }

  enter(node: Node, call: CallInfo): Barred | undefined {
    const permits = this.permitsOf(node);
    const { asked } = this;
    if (this.held === permits && asked!.call === call) this.held = undefined;
    else if (permits.free) permits.inFlight++;
    else return this.isFull(permits, call);
    if (asked !== undefined && asked.call === call) this.tell(asked, permits);
    return undefined;
  }

  peek(id: string, call: CallInfo): Barred | undefined {
    const permits = this.nodes.get(id);
    if (permits === undefined || permits.free || (this.held === permits && this.asked!.call === call)) return undefined;
    return this.isFull(permits, call);
  }

  wait(entrant: Entrant): boolean {
    const { call } = entrant;
    const kind = this.kindOf(call);
    if (this.fullFor === call) for (const permits of this.full) kind.nodes.add(permits);
    this.full.length = 0;
    this.fullFor = undefined;
    if (this.asked?.entrant === entrant) {
      this.cameBack = true;
      this.room.put(this.asked);
    } else this.room.join(entrant, kind);
    return true;
  }

  withdraw(entrant: Entrant): void {
    const waiter = this.waiters.get(entrant);
    waiter?.room.remove(waiter);
  }

  /** The place was free before: nobody waits for it. */
  undo({ id }: Node): void {
    this.release(this.nodes.get(id));
  }

  leave({ id }: Node, call: CallInfo, outcome: Outcome): void {
    if (call === this.fullFor) this.fullFor = undefined;
    const permits = this.nodes.get(id);
    if (permits === undefined) return;
    this.learn(permits, call, outcome);
    this.release(permits);
    if (this.room.size === 0) return;
    this.freed.push(permits);
    this.fill();
  }

  forget(id: string): void {
    const permits = this.nodes.get(id);
    if (permits === undefined) return;
    for (const [, { nodes }] of this.kinds) nodes.delete(permits);
    this.plain.nodes.delete(permits);
    if (permits.inFlight === 0) this.nodes.delete(id);
    else this.gone.add(id);
  }

  changed({ updated }: NodeChanges): void {
    if (this.room.size === 0) return;
    for (const node of updated) this.look(node);
    this.askAll = true;
    this.fill();
  }

  report(): PlaceReport {
    return placeReport(this.meter, this.nodes.values());
  }

  close(): void {
    this.room.close();
  }

  /** Notes it, since it is where the call may have to wait. */
  private isFull(permits: Permits, call: CallInfo): Barred {
    if (call !== this.fullFor) this.full.length = 0;
    this.fullFor = call;
    this.full.push(permits);
    return permits;
  }

  private permitsOf(node: Node): Permits {
    const { maxOf } = this.rules;
    let permits = this.nodes.get(node.id);
    if (permits === undefined) {
      permits = new Permits(node.id, this.rules.algorithm?.(this.ports), this.rules);
      this.nodes.set(node.id, permits);
    } else if (this.gone.size > 0) this.gone.delete(node.id);
    if (maxOf !== undefined) {
      const most = maxOf(node);
      // A node that does not say has no limit.
      permits.most = most !== undefined && most >= 1 ? Math.floor(most) : Infinity;
    }
    return permits;
  }

  /** It may say something else of itself now. */
  private look(node: Node): void {
    if (this.rules.maxOf === undefined || !this.nodes.has(node.id)) return;
    try {
      this.permitsOf(node);
    } catch {
      // The next pick of it finds out, and fails by it.
    }
  }

  private kindOf({ options: { requires } }: CallInfo): Kind {
    return requires === undefined ? this.plain : this.kinds.of(requires.name);
  }

  private newKind(key: string): Kind {
    const kind = new Kind(key);
    this.room.add(kind);
    return kind;
  }

  private release(permits: Permits | undefined): void {
    if (permits === undefined) return;
    permits.inFlight--;
    if (this.gone.size > 0 && permits.inFlight === 0 && this.gone.delete(permits.key)) this.nodes.delete(permits.key);
  }

  /** Lets in who waits, as long as there are places. What comes free while it does so is seen by the loop that runs. */
  private fill(): void {
    if (this.filling) return;
    this.filling = true;
    try {
      for (;;) {
        const permits = this.freed.pop();
        if (permits !== undefined) this.give(permits);
        else if (this.askAll) this.askEverybody();
        else return;
      }
    } finally {
      this.filling = false;
    }
  }

  /** Gives the free places of a node to those who wait for it. */
  private give(permits: Permits): void {
    const inVain = new Set<Line>();
    while (permits.free) {
      const waiter = this.room.next(this.linesFor(permits, inVain));
      if (waiter === undefined) return;
      permits.inFlight++;
      this.held = permits;
      const cameBack = this.ask(waiter);
      if (cameBack) inVain.add(waiter.queue);
      if (this.held === undefined) continue;
      this.held = undefined;
      permits.inFlight--;
      // It was not even asked for, so it is none of those that such calls can go to.
      if (cameBack) this.kindOf(waiter.call).nodes.delete(permits);
    }
  }

  /** The nodes have changed: the first of each line is picked for again, and the next, until one comes back. */
  private askEverybody(): void {
    this.askAll = false;
    for (const kind of this.allKinds()) {
      for (let waiter = this.room.next([kind]); waiter !== undefined; waiter = this.room.next([kind])) {
        if (this.ask(waiter)) break;
      }
    }
  }

  /** Picks for one who waited. True: it is back where it stood. */
  private ask(waiter: PlaceWaiter): boolean {
    this.asked = waiter;
    this.cameBack = false;
    this.told = false;
    waiter.entrant.admit();
    this.asked = undefined;
    return this.cameBack;
  }

  private tell({ call, since }: PlaceWaiter, { key }: Permits): void {
    if (this.told) return;
    this.told = true;
    this.meter.letIn(call, key, since);
  }

  private linesFor(permits: Permits, except: ReadonlySet<Line>): Line[] {
    return this.allKinds().filter((kind) => kind.line.size > 0 && kind.nodes.has(permits) && !except.has(kind));
  }

  private allKinds(): Kind[] {
    return [this.plain, ...[...this.kinds].map(([, kind]) => kind)];
  }

  private learn(permits: Permits, call: CallInfo, outcome: Outcome): void {
    const { status, code, latencyMs, at } = outcome;
    const ok = status === 'ok';
    const overload = status === 'failed' && isOverload(code, call, latencyMs);
    if (ok || (overload && code === 'DEADLINE_EXCEEDED')) this.kindOf(call).service.record(latencyMs);
    if (permits.learns) permits.learn(outcome, ok, overload, at ?? this.ports.clock());
  }
}
