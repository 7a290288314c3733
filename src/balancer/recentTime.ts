/** The time, as of a moment ago: to read a clock may cost as much as a pick does. */

import type { Stopwatch } from '../core/stopwatch.js';

/** The clock is read at one of so many picks; a power of two. */
const picksPerReading = 32;

/**
 * What ends brings the time with it, so that picks need not ask for it: while calls end this is the time of the last end, and
 * else at most so many picks behind. It never goes back.
 */
export class RecentTime {
  now: number;
  private picks = 0;
  private readonly clock: Stopwatch;

  constructor(clock: Stopwatch) {
    this.clock = clock;
    this.now = clock();
  }

  /** Told of each pick. */
  picked(): void {
    if ((++this.picks & (picksPerReading - 1)) === 0) this.read();
  }

  /** Told of each end, and when it was if that is known. */
  ended(at: number | undefined): void {
    if (at === undefined) this.read();
    else if (at > this.now) this.now = at;
  }

  read(): void {
    const at = this.clock();
    if (at > this.now) this.now = at;
  }
}
