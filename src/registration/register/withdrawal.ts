/** Takes a node out of its registry, after everything that could put it in again, and within a limit. */

import { concat, defer, EMPTY, Observable, retry, takeUntil, tap, timer } from 'rxjs';
import type { SchedulerLike, Subscription } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { Lease } from '../registry.js';

export interface Withdrawal {
  /** What was sent and is not answered: a put, an update or a heartbeat that arrives after the withdrawal undoes it. */
  readonly unanswered: ReadonlySet<Subscription>;
  /** What is to be taken out, once nothing is unanswered. */
  readonly lease: () => Lease | undefined;
  readonly withdrawn: () => void;
  readonly abandoned: (error: FleetError | undefined) => void;
  readonly withdrawTimeoutMs: number;
  readonly scheduler: SchedulerLike;
  readonly backoff: (retry: number) => number;
}

/**
 * Completes when it is out, or when the limit has come. Where nothing is unanswered it is asked for at once, within
 * the subscribing, so that it is on its way even when the process ends right after.
 */
export function withdrawal(options: Withdrawal): Observable<never> {
  const { unanswered, withdrawTimeoutMs, scheduler, backoff } = options;
  return defer(() => {
    let lastError: FleetError | undefined;
    const settled$ = allSettled(unanswered).pipe(takeUntil(timer(withdrawTimeoutMs / 2, scheduler)));
    const out$ = defer(() => {
      for (const each of [...unanswered]) each.unsubscribe();
      const lease = options.lease();
      if (!lease) return EMPTY;
      return defer(() => lease.withdraw()).pipe(
        retry({
          delay: (error: unknown, count) => {
            lastError = FleetError.from(error);
            return timer(backoff(count), scheduler);
          },
        }),
        tap({ complete: () => options.withdrawn() }),
      );
    });
    const limit$ = timer(withdrawTimeoutMs, scheduler).pipe(tap(() => options.abandoned(lastError)));
    return concat(settled$, out$).pipe(takeUntil(limit$));
  });
}

function allSettled(unanswered: ReadonlySet<Subscription>): Observable<never> {
  return new Observable((subscriber) => {
    const check = () => {
      if (unanswered.size === 0) subscriber.complete();
    };
    // Those that end take themselves out of the set first.
    for (const each of unanswered) each.add(check);
    check();
  });
}
