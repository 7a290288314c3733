/** A call that waits for a place, and what its chances are. */

import type { Expiring } from '../../core/deadlineWheel.js';
import type { CallInfo } from '../call.js';
import type { Entrant } from '../policy.js';
import { priorityOf, type Waiter, type WaitingLine } from '../waitingLine.js';
import type { ServiceTime } from './serviceTime.js';

/** Those who wait for the same places. */
export interface Line {
  /** Whose places, for events and messages; `''` where there is one line for all. */
  readonly key: string;
  readonly line: WaitingLine<PlaceWaiter>;
  readonly service: ServiceTime;
  /** How many places there are, taken ones included. */
  readonly places: number;
}

/** Where it waits. */
export interface Room {
  /** Its time has come, or nearly. */
  look(waiter: PlaceWaiter): void;
  remove(waiter: PlaceWaiter): void;
}

let arrivals = 0;

export class PlaceWaiter implements Waiter, Expiring {
  readonly room: Room;
  readonly queue: Line;
  readonly entrant: Entrant;
  readonly call: CallInfo;
  readonly priority: number;
  /** Its deadline. */
  readonly due: number;
  readonly number = ++arrivals;
  /** When it came, on the stopwatch. */
  readonly since: number;
  /** Until when it may wait, by the clock of the wheel. */
  readonly latest: number;
  /** When it is looked at again, by the wheel; 0 for never. */
  lookAt = 0;

  constructor(room: Room, queue: Line, entrant: Entrant, since: number, latest: number) {
    this.room = room;
    this.queue = queue;
    this.entrant = entrant;
    this.call = entrant.call;
    this.priority = priorityOf(entrant.call);
    this.due = entrant.call.deadline;
    this.since = since;
    this.latest = latest;
  }

  expire(): void {
    this.lookAt = 0;
    this.room.look(this);
  }
}

/** Milliseconds from one place that comes free to the next: as calls take. */
export function paceOf({ service, places }: Line): number {
  return service.meanMs / Math.max(1, places);
}

/** Milliseconds that one with this deadline would have to spare at this place; below 0 it cannot be in time. */
export function slackOf(due: number, place: number, now: number, paceMs: number, quickMs: number): number {
  if (paceMs === 0 || due === Infinity) return due > now ? Infinity : -1;
  return due - now - (place + 1) * paceMs - quickMs;
}

/** True when the first is the one to go: who cannot be in time; else the lower priority, then the less to spare, then the last. */
export function isWeaker(a: PlaceWaiter, slackA: number, b: PlaceWaiter, slackB: number): boolean {
  const lateA = slackA < 0;
  if (lateA !== slackB < 0) return lateA;
  if (a.priority !== b.priority) return a.priority < b.priority;
  return slackA !== slackB ? slackA < slackB : a.number > b.number;
}
