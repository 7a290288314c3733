/**
 * Where calls wait for a place: bounded, in order, and with an eye on the time that each has left.
 *
 * A queue that is full of calls that nobody will wait for to the end keeps nodes busy and helps no one. So calls are let in by
 * their priority and then by their deadline, the earliest first (EDF, as `edf-ordering-policy` of llm-d's flow control; of
 * equal deadlines the first come, so that calls with the same `deadlineMs` go as they came). EDF alone would serve under
 * overload those who are just about to be too late; hence nobody stays who cannot be in time.
 */

import type { DeadlineWheel } from '../../core/deadlineWheel.js';
import { FleetError } from '../../core/fleetError.js';
import type { CallInfo } from '../call.js';
import type { LimitMeter } from '../limitMeter.js';
import type { Entrant } from '../policy.js';
import { before } from '../waitingLine.js';
import { isWeaker, paceOf, PlaceWaiter, slackOf, type Line, type Room } from './placeWaiter.js';

export interface RoomPorts {
  readonly meter: LimitMeter;
  readonly wheel: DeadlineWheel;
  /** Milliseconds since the epoch, by the clock of the wheel. */
  readonly now: () => number;
  readonly clock: () => number;
  /** Those who wait, in whatever room. */
  readonly waiters: Map<Entrant, PlaceWaiter>;
  /** How many may wait; 0 for nobody. */
  readonly size: number;
  readonly maxWaitMs: number;
}

export class WaitingRoom implements Room {
  private readonly ports: RoomPorts;
  private readonly lines: Line[] = [];
  private count = 0;
  /** Who would have to go first, as it was found at this time; -1 since somebody has come: it is full only when one has. */
  private scannedAt = -1;
  private last: PlaceWaiter | undefined = undefined;
  private lastSlack = 0;

  constructor(ports: RoomPorts) {
    this.ports = ports;
  }

  get size(): number {
    return this.count;
  }

  add(line: Line): void {
    this.lines.push(line);
  }

  /**
   * Makes a call wait.
   *
   * @throws FleetError `CONCURRENCY_LIMITED` when it would not be in time, or there is no place to wait.
   */
  join(entrant: Entrant, queue: Line): void {
    const { ports } = this;
    const { call } = entrant;
    if (ports.size === 0) {
      throw this.sendAway(call, queue, 'nobody may wait', 'call less at once, or raise the limit or give it a queue');
    }
    const now = ports.now();
    const waiter = new PlaceWaiter(this, queue, entrant, ports.clock(), now + ports.maxWaitMs);
    const place = queue.line.placeOf(waiter);
    const slack = slackOf(waiter.due, place, now, paceOf(queue), queue.service.quickMs);
    if (slack < 0) {
      throw this.sendAway(call, queue, lateText(waiter, now), 'call less at once, or give it a later deadline');
    }
    const victim = this.count < ports.size ? undefined : this.weakest(waiter, slack, now);
    if (victim === waiter) {
      const why = `no more than ${ports.size} may wait`;
      throw this.sendAway(call, queue, why, 'call less at once, or raise the limit or queue.size');
    }
    if (victim !== undefined) this.remove(victim);
    this.put(waiter);
    if (victim !== undefined) this.refuseFor(victim, 'it gave its place in the queue to another', 'raise queue.size');
  }

  /** Back to where it stood, after it was let go in vain. */
  put(waiter: PlaceWaiter): void {
    const { ports } = this;
    waiter.queue.line.join(waiter);
    this.count++;
    this.scannedAt = -1;
    ports.meter.waiting++;
    ports.waiters.set(waiter.entrant, waiter);
    this.watch(waiter);
  }

  /** It gave up waiting, or is let in. */
  remove(waiter: PlaceWaiter): void {
    const { ports } = this;
    if (!waiter.queue.line.leave(waiter)) return;
    this.count--;
    ports.meter.waiting--;
    ports.waiters.delete(waiter.entrant);
    if (waiter.lookAt > 0) ports.wheel.delete(waiter.lookAt, waiter);
    waiter.lookAt = 0;
  }

  /** Takes out who is next of these lines and can still be in time; who cannot is sent away. */
  next(lines: Iterable<Line>): PlaceWaiter | undefined {
    for (;;) {
      let next: PlaceWaiter | undefined;
      for (const { line } of lines) {
        const { first } = line;
        if (first !== undefined && (next === undefined || before(first, next))) next = first;
      }
      if (next === undefined) return undefined;
      this.remove(next);
      const now = this.ports.now();
      if (now + next.queue.service.quickMs <= next.due) return next;
      this.refuseLate(next, now);
    }
  }

  /** Called by the deadline wheel: it has waited as long as it may, or has become hopeless, or things have changed. */
  look(waiter: PlaceWaiter): void {
    const { ports } = this;
    const now = ports.now();
    if (now >= waiter.latest || now + waiter.queue.service.quickMs > waiter.due) {
      this.remove(waiter);
      this.refuseLate(waiter, now);
    } else this.watch(waiter);
  }

  close(): void {
    for (const { line } of this.lines) {
      for (let { first } = line; first !== undefined; first = line.first) {
        this.remove(first);
        first.entrant.refuse(new FleetError('CLOSED', `${first.call.name}: the client was closed`, { sent: false }));
      }
    }
  }

  /** Looks at it again when it will have too little time left, or has waited long enough. */
  private watch(waiter: PlaceWaiter): void {
    const { due, latest, queue } = waiter;
    const { quickMs } = queue.service;
    const now = this.ports.now();
    // While it is not known how long calls take, half of the time that is left.
    const hopeless = quickMs > 0 ? Math.floor(due - quickMs) + 1 : Math.ceil((now + due) / 2);
    const at = Math.min(latest, hopeless);
    // At its deadline it is over by itself.
    if (at >= due) return;
    waiter.lookAt = at;
    this.ports.wheel.add(at, waiter);
  }

  /**
   * Who of all who wait, and the one who comes, is to go: who cannot be in time, whatever the priority; else, of the lowest
   * priority, who has the least time to spare; of equals the last.
   */
  private weakest(newcomer: PlaceWaiter, slack: number, now: number): PlaceWaiter {
    // In a rush there are many newcomers a millisecond, and nobody comes or goes but they.
    if (this.scannedAt !== now) this.scan(now);
    const { last, lastSlack } = this;
    return last !== undefined && isWeaker(last, lastSlack, newcomer, slack) ? last : newcomer;
  }

  private scan(now: number): void {
    this.last = undefined;
    this.scannedAt = now;
    for (const queue of this.lines) {
      const { line } = queue;
      const paceMs = paceOf(queue);
      const { quickMs } = queue.service;
      for (let i = 0; i < line.size; i++) {
        const waiter = line.at(i)!;
        const slack = slackOf(waiter.due, i, now, paceMs, quickMs);
        if (this.last !== undefined && !isWeaker(waiter, slack, this.last, this.lastSlack)) continue;
        this.last = waiter;
        this.lastSlack = slack;
      }
    }
  }

  private refuseLate(waiter: PlaceWaiter, now: number): void {
    const waited = now >= waiter.latest;
    const why = waited ? `it waited for ${ms(this.ports.maxWaitMs)} (queue.maxWaitMs)` : lateText(waiter, now);
    this.refuseFor(waiter, why, 'call less at once, or raise the limit');
  }

  private refuseFor(waiter: PlaceWaiter, why: string, remedy: string): void {
    waiter.entrant.refuse(this.sendAway(waiter.call, waiter.queue, why, remedy, waiter));
  }

  private sendAway(call: CallInfo, queue: Line, why: string, remedy: string, waiter?: PlaceWaiter): FleetError {
    this.ports.meter.sentAway(call, queue.key, waiter?.since);
    const { places, key, line } = queue;
    const limit = `the limit${key === '' ? '' : ` of ${key}`} of ${places} calls at once is reached`;
    const waiting = `${line.size} wait, the last of them for about ${ms(line.size * paceOf(queue))}`;
    const text = `${call.name}: ${limit}, and ${waiting}: ${why}; ${remedy}`;
    return new FleetError('CONCURRENCY_LIMITED', text, { sent: false });
  }
}

function lateText({ queue, due }: PlaceWaiter, now: number): string {
  return `it takes ${ms(queue.service.quickMs)} at least, and its deadline is in ${ms(due - now)}`;
}

function ms(duration: number): string {
  return `${Math.ceil(duration)} ms`;
}
