/** When a second copy of a call is sent, as its user says it. */

import type { FleetErrorCode } from '../core/errorCodes.js';
import { requireOption } from '../core/requireOption.js';

/** Names and rules of gRFC A6. */
export interface HedgeOptions {
  /** Wait before the first copy, and before each further one, in milliseconds. gRFC A6: `hedgingDelay`. */
  readonly delayMs?: number;
  /**
   * Waits for as long as this fraction of the calls of the method took in the last minute to give their first answer:
   * 0.95 hedges the slowest 5 %. Until 20 calls have answered `delayMs` counts, or there is no copy. At least 1 ms.
   */
  readonly percentile?: number;
  /** Copies in all, the first included, at most 5. Default 2. gRFC A6: `maxAttempts`. */
  readonly maxAttempts?: number;
  /**
   * Codes of a copy after which the others may still do better: the next copy goes at once, as it does after one that never
   * left the client or that `firstResponseTimeoutMs` ended. Any other code ends the call. Default `UNAVAILABLE`. gRFC A6: `nonFatalStatusCodes`.
   */
  readonly nonFatalCodes?: readonly FleetErrorCode[];
}

/**
 * Refuses senseless hedge options, for use where they are given.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function checkHedgeOptions(options: HedgeOptions | false | undefined): void {
  if (!options) return;
  const { delayMs, percentile, maxAttempts = 2 } = options;
  const timed = delayMs !== undefined || percentile !== undefined;
  requireOption(timed, 'hedge', 'given a delayMs or a percentile', JSON.stringify(options));
  requireOption(delayMs === undefined || delayMs >= 0, 'hedge.delayMs', 'at least 0', delayMs);
  requireOption(
    percentile === undefined || (percentile > 0 && percentile < 1),
    'hedge.percentile',
    'between 0 and 1',
    percentile,
  );
  requireOption(
    Number.isInteger(maxAttempts) && maxAttempts >= 2 && maxAttempts <= 5,
    'hedge.maxAttempts',
    'a whole number from 2 to 5',
    maxAttempts,
  );
}
