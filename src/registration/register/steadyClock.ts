/** A clock that never goes back, for times that are kept across a change of the machine's clock. */

import type { SchedulerLike, Subscription } from 'rxjs';

/** Longest wait that a timer of the platform can hold, in milliseconds. */
const longestWait = 2 ** 31 - 1;

/**
 * The clock of a scheduler, corrected whenever that is seen to go back. A timer that fires before its time by the
 * clock shows by how much; so what was planned stays as far ahead as it was. A clock that leaps forward cannot be told
 * from a process that stood still, and is taken for that: late is the safe belief.
 */
export class SteadyClock {
  readonly #scheduler: SchedulerLike;
  #correction = 0;
  #last = -Infinity;

  constructor(scheduler: SchedulerLike) {
    this.#scheduler = scheduler;
  }

  /** Milliseconds on the steady scale. */
  now(): number {
    const now = this.#scheduler.now() + this.#correction;
    if (now < this.#last) this.#correction += this.#last - now;
    this.#last = Math.max(now, this.#last);
    return this.#last;
  }

  /** What the machine's clock shows at a steady time. */
  shown(steady: number): number {
    return steady - this.#correction;
  }

  /** Runs `action` once the steady clock has reached `time`; at a later turn of the event loop, never at once. */
  at(time: number, action: () => void): Subscription {
    const now = this.now();
    const waitMs = Math.min(Math.max(0, time - now), longestWait);
    return this.#scheduler.schedule(() => {
      const early = now + waitMs - this.now();
      // Timers of the platform may fire up to a millisecond early by themselves.
      if (early > 1) this.#forward(early);
      action();
    }, waitMs);
  }

  #forward(ms: number): void {
    this.#correction += ms;
    this.#last += ms;
  }
}
