/** The catchError switch: another source takes over, as long as nothing has been said. */

import { catchError, defer, tap, type Observable, type ObservableInput } from 'rxjs';
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
    defer(() => {
      let spoken = false;
      return source.pipe(
        tap(() => (spoken = true)),
        catchError((error: unknown) => {
          if (spoken) throw error;
          return next(FleetError.from(error));
        }),
      );
    });
}
