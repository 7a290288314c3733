/** Work that is done again and again, be it a push or a query, and whose failures end nothing. */

import { catchError, defer, of, repeat, tap, timer, type Observable, type SchedulerLike } from 'rxjs';
import type { Backoff } from '../../core/backoff.js';

export interface RoundsOptions {
  /** From the end of a round to the beginning of the next, in milliseconds. */
  readonly intervalMs: number;
  /** The wait after each failure in a row. */
  readonly backoff: Backoff;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Told of each failure, and of the wait that follows. */
  readonly failed: (thrown: unknown, retryInMs: number) => void;
}

/**
 * Subscribes at once, and again when a wait is over; a round that fails emits `undefined`. Never errors, and does not
 * complete.
 *
 *     round     -a|        -#        -#          -a|     interval 3, backoff 1, 2, 4, …
 *     rounds    -a----u--u---a----
 */
export function rounds<T>(round$: Observable<T>, options: RoundsOptions): Observable<T | undefined> {
  const { intervalMs, backoff, scheduler, random, failed } = options;
  return defer(() => {
    let failures = 0;
    let waitMs = intervalMs;
    return round$.pipe(
      tap({
        complete: () => {
          failures = 0;
          waitMs = intervalMs;
        },
      }),
      catchError((thrown: unknown) => {
        waitMs = backoff(++failures, random);
        failed(thrown, waitMs);
        return of(undefined);
      }),
      repeat({ delay: () => timer(waitMs, scheduler) }),
    );
  });
}
