/** How long to wait before the next try: a pure function that holds no timer. */

import { requireOption } from './requireOption.js';

/** Milliseconds to wait before retry number `retry` (1 is the first). Chance is an argument. */
export type Backoff = (retry: number, random: () => number) => number;

export interface BackoffOptions {
  /** Wait before the first retry, in milliseconds. Default 50. gRFC A6: `initialBackoff`. */
  readonly initialBackoffMs?: number;
  /** Longest wait, in milliseconds, before jitter. Default 5,000. gRFC A6: `maxBackoff`. */
  readonly maxBackoffMs?: number;
  /** Each wait is this many times the one before, above 0. Default 2. gRFC A6: `backoffMultiplier`. */
  readonly backoffMultiplier?: number;
  /** Each wait is spread evenly over ± this fraction, so that clients do not return all at once. Default 0.2 (gRFC A6). */
  readonly jitter?: number;
}

/** The longest that a timer of Node waits; one that is set for longer fires at once. */
const longestMs = 2 ** 31 - 1;

/**
 * Exponential backoff by gRFC A6: `min(initial × multiplier^(n-1), max) × U(1 - jitter, 1 + jitter)`; never more
 * than a timer can wait, which is 24 days.
 *
 * @throws FleetError `INVALID_OPTION` for a negative time, a multiplier of 0 or less or a jitter outside 0 to 1.
 */
export function exponentialBackoff(options: BackoffOptions = {}): Backoff {
  const { initialBackoffMs = 50, maxBackoffMs = 5_000, backoffMultiplier = 2, jitter = 0.2 } = options;
  requireOption(initialBackoffMs >= 0, 'initialBackoffMs', 'at least 0', initialBackoffMs);
  requireOption(maxBackoffMs >= 0, 'maxBackoffMs', 'at least 0', maxBackoffMs);
  requireOption(backoffMultiplier > 0, 'backoffMultiplier', 'above 0', backoffMultiplier);
  requireOption(jitter >= 0 && jitter <= 1, 'jitter', 'from 0 to 1', jitter);
  return (retry, random) => {
    // The power of a late retry is Infinity, of which zero times is no number.
    const power = Math.min(backoffMultiplier ** (retry - 1), Number.MAX_VALUE);
    const base = Math.min(initialBackoffMs * power, maxBackoffMs);
    return Math.min(base * (1 - jitter + 2 * jitter * random()), longestMs);
  };
}
