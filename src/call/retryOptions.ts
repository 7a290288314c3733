/** When a call is tried again, as its user says it. */

import { exponentialBackoff, type BackoffOptions } from '../core/backoff.js';
import type { FleetErrorCode } from '../core/errorCodes.js';
import { requireOption } from '../core/requireOption.js';

/** Names and rules of gRFC A6. */
export interface RetryOptions extends BackoffOptions {
  /**
   * Attempts in all, the first included. Default 3. One that never left the client, or that a node refused unprocessed, is
   * repeated once beside them (A6: transparent retry).
   */
  readonly maxAttempts?: number;
  /**
   * Codes of a node that another attempt may mend. One that never left the client, and one that `firstResponseTimeoutMs` ended,
   * is repeated whatever they are. Default `UNAVAILABLE`.
   */
  readonly retryableCodes?: readonly FleetErrorCode[];
}

/**
 * Refuses senseless retry options, for use where they are given.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function checkRetryOptions(options: RetryOptions | false | undefined): void {
  if (!options) return;
  const { maxAttempts = 3 } = options;
  requireOption(
    Number.isInteger(maxAttempts) && maxAttempts >= 1,
    'retry.maxAttempts',
    'a whole number from 1',
    maxAttempts,
  );
  exponentialBackoff(options);
}
