/** Nothing lasts longer than it may: the end of a call at its deadline, whatever else happens. */

import { Observable, type Subscription } from 'rxjs';
import type { DeadlineWheel, Expiring } from '../core/deadlineWheel.js';
import { FleetError } from '../core/fleetError.js';
import type { AnyMiddleware } from './middleware.js';

/**
 * Fails a call with `DEADLINE_EXCEEDED` when its deadline comes, cancelling what runs. The error lists every attempt,
 * the one that was cut short included.
 *
 *     call        ---------a|
 *     deadline    -----#
 *
 * It covers all attempts and the waits between them; a call without a deadline passes untouched.
 */
export function deadline(wheel: DeadlineWheel): AnyMiddleware {
  return (next) => (call) => {
    if (call.deadline === Infinity) return next(call);
    return new Observable((subscriber) => {
      let inner: Subscription | undefined;
      const entry: Expiring = {
        expire() {
          call.expired = true;
          inner?.unsubscribe();
          const ms = Math.round(call.deadline - call.startedAt);
          const waited = call.attempts.length ? '' : ': no node was ready to take it';
          subscriber.error(
            new FleetError('DEADLINE_EXCEEDED', `${call.name} had no answer within ${ms} ms${waited}`, {
              attempts: call.attempts,
            }),
          );
        },
      };
      wheel.add(call.deadline, entry);
      subscriber.add(() => wheel.delete(call.deadline, entry));
      // An observer of its own, so that the call can be cancelled and the subscriber still be told.
      inner = next(call).subscribe({
        next: (value) => subscriber.next(value),
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
      subscriber.add(inner);
    });
  };
}
