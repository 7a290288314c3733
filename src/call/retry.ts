/**
 * Another try, on another node, before anything was said.
 *
 * Retries help against single failures and harm in an outage, so they are bounded four times: by the attempts of the
 * call, by its deadline, by what is safe to repeat, and by one budget for the whole client. Rules and names of gRFC A6.
 */

import { defer, throwError, timer, type Observable, type SchedulerLike } from 'rxjs';
import { mergeMap } from 'rxjs/operators';
import { exponentialBackoff } from '../core/backoff.js';
import type { FleetErrorCode } from '../core/errorCodes.js';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';
import type { RetryBudget } from '../core/retryBudget.js';
import type { Call, RetryOptions } from './call.js';
import { failover } from './failover.js';
import type { AnyMiddleware, Handler } from './middleware.js';

export interface RetryPorts {
  readonly budget: RetryBudget;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

const defaultCodes: readonly FleetErrorCode[] = ['UNAVAILABLE'];

/**
 * Repeats a call that failed before its first answer: at once when the request surely never arrived, else after a
 * backoff; on a node that was not tried yet, as long as there is one.
 *
 *     attempt 1   --#
 *     attempt 2      ---a-b|
 *     call        ------a-b|
 *
 * Not repeated: calls that have spoken, codes that are not retryable, methods that are not idempotent once the request
 * was sent (unless `failover: true`), when attempts, budget or time are used up.
 */
export function retry({ budget, scheduler, random }: RetryPorts): AnyMiddleware {
  return <C>(next: Handler<C>): Handler<C> =>
    <R>(call: Call<C, R>) => {
      budget.deposit(call.startedAt);
      const options = call.options.retry;
      if (options === false || call.options.failover === false) return next(call);
      const attemptAfter = (retries: number, before?: FleetError): Observable<R> =>
        next(call).pipe(
          failover((error) => {
            // Where nobody was left to try, what the last node said tells more.
            const standing = before && nobodyLeft(call, error) ? before : error;
            const waitMs = waitBeforeRetry(call, error, retries + 1, options ?? {}, random);
            const inTime = waitMs !== undefined && scheduler.now() + waitMs < call.deadline;
            if (!inTime || !budget.withdraw()) return throwError(() => standing);
            const again = defer(() => attemptAfter(retries + 1, standing));
            return waitMs === 0 ? again : timer(waitMs, scheduler).pipe(mergeMap(() => again));
          }),
        );
      return attemptAfter(0);
    };
}

/** Milliseconds until retry number `retries`, or undefined when the error stands. */
function waitBeforeRetry<C, R>(
  call: Call<C, R>,
  error: FleetError,
  retries: number,
  options: RetryOptions,
  random: () => number,
): number | undefined {
  const { maxAttempts = 3, retryableCodes = defaultCodes } = options;
  if (retries >= maxAttempts) return undefined;
  const nobody = nobodyLeft(call, error);
  if (!nobody && !retryableCodes.includes(error.code)) return undefined;
  const safe = nobody || !error.sent || call.idempotent || call.options.failover === true;
  if (!safe) return undefined;
  if (!error.sent && retries === 1) return 0;
  return exponentialBackoff(options)(retries, random);
}

/** True when nobody was there for another try: those who were tried may come back in a moment. */
function nobodyLeft<C, R>(call: Call<C, R>, error: FleetError): boolean {
  return error.code === 'NO_NODES' && call.attempts.length > 0;
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
