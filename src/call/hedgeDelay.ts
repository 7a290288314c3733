/**
 * A second copy of a slow call, on another node.
 *
 * The slowest calls are mostly slow for a reason of the node (a pause, a full queue), and another node would have answered.
 * So when a call has not answered for longer than is usual, a copy is sent, the first answer of either counts, and
 * the other is cancelled. It costs work that is thrown away: hence only for methods that may run twice, only after a
 * delay, and from the one budget of the client. Do not use it where nodes are slow because they have too much to do.
 *
 * Rules and names of gRFC A6; the delay by a percentile is that of J. Dean and L. A. Barroso, "The Tail at Scale", CACM
 * 56 (2), 2013, and of Finagle's BackupRequestFilter.
 */

import type { FleetErrorCode } from '../core/errorCodes.js';
import type { HedgeOptions } from './hedgeOptions.js';

/** Fewer latencies say little of a percentile. */
const enough = 20;
const defaultNonFatal: readonly FleetErrorCode[] = ['UNAVAILABLE'];

/**
 * Milliseconds until the next copy; undefined when there is none.
 *
 * @param quantile of the time to the first answer, of the calls of the method in the last minute, and how many there were.
 */
export function hedgeDelay(
  { delayMs, percentile }: HedgeOptions,
  quantile: (fraction: number) => { readonly ms: number | undefined; readonly count: number },
): number | undefined {
  if (percentile === undefined) return delayMs;
  const { ms, count } = quantile(percentile);
  return ms === undefined || count < enough ? delayMs : Math.max(1, ms);
}

/** True when a copy that failed with this code leaves hope to the others. */
export function isNonFatal({ nonFatalCodes = defaultNonFatal }: HedgeOptions, code: FleetErrorCode): boolean {
  return nonFatalCodes.includes(code);
}
