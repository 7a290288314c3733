/** Shows a credential with every call. */

import { asyncScheduler, catchError, defer, of, throwError, timeout, type Observable, type SchedulerLike } from 'rxjs';
import { mergeMap } from 'rxjs/operators';
import type { Call } from '../call/call.js';
import { failover } from '../call/failover.js';
import type { AnyMiddleware, Handler } from '../call/middleware.js';
import type { Credential } from '../core/credential.js';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';
import type { Credentials } from './credentials.js';

export interface BearerOptions {
  /** The header, in lower case. Default `authorization`. */
  readonly header?: string;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Sends `authorization: Bearer …` with each call, unary or stream; the scheme is that of the credential.
 *
 *     attempt 1       -#               UNAUTHENTICATED
 *     replacement       --c
 *     attempt 2           -a|
 *     call            -----a|
 *
 * A call waits for a valid credential within its deadline. One that a node refuses as `UNAUTHENTICATED` before it has
 * answered is run once more, if another credential than the refused is to be had, and never a third time. A call that
 * brings the header itself passes untouched.
 *
 * ```ts
 * createFleet({ service: 'orders', discovery, transport, use: [bearer(credentials)] });
 * ```
 *
 * Errors as `Credentials.valid()`, `DEADLINE_EXCEEDED` when none has come in time.
 *
 * @throws FleetError `INVALID_OPTION` for a header that is no name in lower case.
 */
export function bearer(credentials: Credentials, options: BearerOptions = {}): AnyMiddleware {
  const { header = 'authorization', scheduler = asyncScheduler } = options;
  requireOption(/^[a-z0-9_.-]+$/.test(header) && !header.endsWith('-bin'), 'header', 'a name in lower case', header);

  return <C>(next: Handler<C>): Handler<C> =>
    <R>(call: Call<C, R>) => {
      const own = call.options.metadata;
      if (own && header in own) return next(call);
      const run = ({ scheme, secret }: Credential): Observable<R> => {
        call.metadata = { ...own, [header]: scheme ? `${scheme} ${secret}` : secret };
        return next(call);
      };
      const first = (credential: Credential): Observable<R> =>
        run(credential).pipe(
          failover((error) => {
            if (error.code !== 'UNAUTHENTICATED') return throwError(() => error);
            return inTime(credentials.replacement(credential), call, scheduler).pipe(
              // Without another one, what the node said tells more.
              catchError(() => of(credential)),
              mergeMap((other) => (other.secret === credential.secret ? throwError(() => error) : run(other))),
            );
          }),
        );
      return defer(() => {
        const { current } = credentials;
        return current ? first(current) : inTime(credentials.valid(), call, scheduler).pipe(mergeMap(first));
      });
    };
}

function inTime<C, R>(
  credential$: Observable<Credential>,
  call: Call<C, R>,
  scheduler: SchedulerLike,
): Observable<Credential> {
  if (call.deadline === Infinity) return credential$;
  const ms = Math.round(call.deadline - call.startedAt);
  const late = () => {
    const { attempts } = call;
    const message = `${call.name} had no valid credential within ${ms} ms: look at the source of the credential`;
    return throwError(() => new FleetError('DEADLINE_EXCEEDED', message, { attempts, sent: attempts.length > 0 }));
  };
  const first = Math.min(Math.max(0, call.deadline - scheduler.now()), 2 ** 31 - 1);
  return credential$.pipe(timeout({ first, scheduler, with: late }));
}
