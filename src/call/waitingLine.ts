/** The line at a limiter: who has the higher priority stands before, then who is due sooner, then who came first. */

import type { CallInfo } from './call.js';
import type { Entrant } from './policy.js';

/** A call in a line. */
export interface Waiter {
  readonly entrant: Entrant;
  readonly priority: number;
  /** Of equal priority, less comes first; lines where only the arrival counts have 0 for all. */
  readonly due: number;
  /** Counts those who came. */
  readonly number: number;
}

/**
 * Kept in order by where each is put in. To join takes a search of log n and a move of those behind, which is nothing at the
 * end, where most join; to leave at the head takes a constant time.
 */
export class WaitingLine<W extends Waiter> {
  private readonly waiters: W[] = [];

  get size(): number {
    return this.waiters.length;
  }

  get first(): W | undefined {
    return this.waiters[0];
  }

  at(place: number): W | undefined {
    return this.waiters[place];
  }

  /** Where this one stands, or would stand. */
  placeOf(waiter: W): number {
    const { waiters } = this;
    let low = 0;
    let high = waiters.length;
    if (high === 0 || before(waiters[high - 1]!, waiter)) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(waiters[middle]!, waiter)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  join(waiter: W, place = this.placeOf(waiter)): void {
    if (place === this.waiters.length) this.waiters.push(waiter);
    else this.waiters.splice(place, 0, waiter);
  }

  /** False for who does not stand here. */
  leave(waiter: W): boolean {
    const place = this.placeOf(waiter);
    if (this.waiters[place] !== waiter) return false;
    if (place === 0) this.waiters.shift();
    else this.waiters.splice(place, 1);
    return true;
  }
}

/** True when the first is let in before the second. */
export function before(a: Waiter, b: Waiter): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return a.due !== b.due ? a.due < b.due : a.number < b.number;
}

export function priorityOf({ options }: CallInfo): number {
  return options.priority ?? 0;
}
