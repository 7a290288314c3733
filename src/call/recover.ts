/** What a callback throws is an error of the call, not of the process. */

import { catchError, defer, throwError } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import type { AnyMiddleware } from './middleware.js';

/**
 * Turns whatever is thrown or errored by what it wraps into a `FleetError`: itself if it is one, else `UNKNOWN` with
 * the thing, and so its stack, as the `cause`. Fleets and pools put it around the middlewares of their users.
 *
 *     next        throws            next        -a-# (a TypeError)
 *     recover     #                 recover     -a-# (a FleetError)
 */
export function recover(): AnyMiddleware {
  return (next) => (call) =>
    defer(() => next(call)).pipe(catchError((thrown: unknown) => throwError(() => FleetError.from(thrown))));
}
