/**
 * A token bucket: so many tokens a second, and as many at once as it holds.
 *
 * It is pure arithmetic. It holds no timer and knows no clock but the one that its user reads to it, and what was asked in
 * vain leaves no trace: tokens are counted in fractions from one success to the next, so that asking often neither loses
 * nor wins any. (A bucket that rounds the refill down at each question, and still remembers when it was asked, is never
 * refilled once it is asked more often than a token comes.)
 *
 * `take`, `reserve` and `cancel` are what golang.org/x/time/rate calls `AllowN`, `ReserveN` and `Cancel`; as there, what
 * costs more than the bucket holds never passes.
 */

import { requireOption } from './requireOption.js';

export interface TokenBucketOptions {
  /** Tokens that come each second, over 0; fractions are fine, as 1 / 60 for one a minute. */
  readonly perSecond: number;
  /** Tokens that it holds, and begins with; at least 1. Default `perSecond`, but at least 1. */
  readonly burst?: number;
}

/**
 * See the top of this file. `now` is always in milliseconds, from any moment on. A stopwatch does best: time that goes back
 * stands still until it has come to where it was.
 */
export interface TokenBucket {
  readonly perSecond: number;
  readonly burst: number;
  /** Takes `cost` tokens and returns 0; or takes none, and returns the milliseconds until it could: `Infinity` for never. */
  take(cost: number, now: number): number;
  /**
   * Takes `cost` tokens in any case, those that come next if need be, and returns the milliseconds until they are there.
   * Who reserves later waits longer, and nobody can `take` before. `Infinity`, and none taken, when it is more than `burst`.
   */
  reserve(cost: number, now: number): number;
  /** Gives back what was taken or reserved. Who has reserved since keeps the wait that was told; who comes next waits less. */
  cancel(cost: number, now: number): void;
  /** Tokens in it, from `burst` down; below 0 as long as some are reserved that have yet to come. */
  available(now: number): number;
}

/** What fractions in binary may lack of a whole token, as a part of `burst`. */
const hair = 1e-9;

/**
 * A full bucket.
 *
 * ```ts
 * const bucket = tokenBucket({ perSecond: 10, burst: 2 });
 * bucket.take(1, 0); // 0
 * bucket.take(1, 0); // 0
 * bucket.take(1, 0); // 100: nothing was taken, try again in 100 ms
 * bucket.take(3, 0); // Infinity: it never holds three
 * ```
 *
 * Over any interval of t seconds at most `burst + perSecond × t` tokens pass.
 *
 * @throws FleetError `INVALID_OPTION` for a rate that is no number above 0, or a burst under 1.
 */
export function tokenBucket(options: TokenBucketOptions): TokenBucket {
  checkTokenBucketOptions(options, 'tokenBucket');
  const { perSecond, burst = Math.max(1, perSecond) } = options;
  return new Bucket(perSecond, burst);
}

/**
 * Refuses senseless options, for use where they are given.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field of `owner`.
 */
export function checkTokenBucketOptions({ perSecond, burst }: TokenBucketOptions, owner: string): void {
  requireOption(perSecond > 0 && perSecond < Infinity, `${owner}.perSecond`, 'a number above 0', perSecond);
  const holds = burst === undefined || (burst >= 1 && burst < Infinity);
  requireOption(holds, `${owner}.burst`, 'a number of at least 1', burst);
}

class Bucket implements TokenBucket {
  readonly perSecond: number;
  readonly burst: number;
  private readonly perMs: number;
  private readonly tolerance: number;
  /** What was left at the time that follows. */
  private left: number;
  private at = -Infinity;

  constructor(perSecond: number, burst: number) {
    this.perSecond = perSecond;
    this.burst = burst;
    this.perMs = perSecond / 1_000;
    this.tolerance = burst * hair;
    this.left = burst;
  }

  take(cost: number, now: number): number {
    if (cost > this.burst) return Infinity;
    const available = this.available(now);
    const lacking = cost - available;
    if (lacking > this.tolerance) return lacking / this.perMs;
    this.leave(available - cost, now);
    return 0;
  }

  reserve(cost: number, now: number): number {
    if (cost > this.burst) return Infinity;
    const left = this.available(now) - cost;
    this.leave(left, now);
    return left < -this.tolerance ? -left / this.perMs : 0;
  }

  cancel(cost: number, now: number): void {
    this.leave(Math.min(this.burst, this.available(now) + cost), now);
  }

  available(now: number): number {
    const { at, left, burst } = this;
    if (now <= at) return left;
    const refilled = left + (now - at) * this.perMs;
    return refilled < burst ? refilled : burst;
  }

  private leave(left: number, now: number): void {
    this.left = left;
    if (now > this.at) this.at = now;
  }
}
