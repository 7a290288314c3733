/** The catchError switch: another source takes over, as long as nothing has been said. */

import { from, Observable, type ObservableInput } from 'rxjs';
import { FleetError } from '../core/fleetError.js';

/**
 * When the source fails before its first value, goes on with what `next` gives for the error: another node, another
 * fleet, another region, a cached answer. After the first value the error passes, since starting over would repeat
 * what was said.
 *
 *     source      -#                    source      -a-#
 *     next(e)      -b-|                 failover    -a-#
 *     failover    --b-|
 *
 * ```ts
 * const answer$ = call(primary).pipe(failover(() => call(secondary)));
 * ```
 *
 * @param next Called at most once, with the error as a `FleetError`. What it throws becomes the error.
 */
export function failover<T, F = T>(
  next: (error: FleetError) => ObservableInput<F>,
): (source: Observable<T>) => Observable<T | F> {
  return (source) =>
    new Observable((subscriber) => {
      let spoken = false;
      const first = source.subscribe({
        next(value) {
          spoken = true;
          subscriber.next(value);
        },
        error(error: unknown) {
          if (spoken) {
            subscriber.error(error);
            return;
          }
          let second: Observable<F>;
          try {
            second = from(next(FleetError.from(error)));
          } catch (thrown) {
            subscriber.error(thrown);
            return;
          }
          second.subscribe(subscriber);
        },
        complete: () => subscriber.complete(),
      });
      subscriber.add(first);
    });
}
