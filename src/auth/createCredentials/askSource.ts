/** One request to a source: renewed where that is possible, else from scratch. */

import {
  catchError,
  defer,
  map,
  take,
  throwError,
  throwIfEmpty,
  timeout,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Credential } from '../../core/credential.js';
import { FleetError } from '../../core/fleetError.js';
import type { CredentialSource, Grant } from '../credentialSource.js';

export interface Granted {
  readonly grant: Grant;
  readonly how: 'authenticated' | 'renewed';
}

export interface AskOptions {
  /** The one to renew, when it is still valid; undefined to ask for one from scratch. */
  readonly current: Credential | undefined;
  readonly timeoutMs: number;
  readonly scheduler: SchedulerLike;
  /** Told why a renewal failed, after which one is asked for from scratch. */
  readonly renewalFailed: (error: unknown) => void;
}

/** Emits one grant that makes sense, and completes. */
export function askSource(source: CredentialSource, options: AskOptions): Observable<Granted> {
  const { current, renewalFailed } = options;
  const authenticated$ = asked(source, () => source.authenticate(), 'authenticated', options);
  if (!current || !source.renew) return authenticated$;
  return asked(source, () => source.renew!(current), 'renewed', options).pipe(
    catchError((error: unknown) => {
      renewalFailed(error);
      return authenticated$;
    }),
  );
}

function asked(
  { name }: CredentialSource,
  ask: () => Observable<Grant>,
  how: Granted['how'],
  { timeoutMs, scheduler }: AskOptions,
): Observable<Granted> {
  const failure = (what: string) => new FleetError('UNAVAILABLE', `${name} ${what}`);
  const late = () => throwError(() => failure(`gave no credential within ${timeoutMs} ms: check that it is reachable`));
  return defer(ask).pipe(
    timeout({ first: timeoutMs, scheduler, with: late }),
    take(1),
    throwIfEmpty(() => failure('ended without a credential')),
    map((grant) => {
      const { secret, expiresInMs, expiresAt, issuedAt } = grant;
      if (typeof secret !== 'string' || secret === '') {
        throw failure('gave an empty credential: look at the source of it');
      }
      if ([expiresInMs, expiresAt, issuedAt].some(Number.isNaN)) {
        throw failure('gave a time that is no number: look at the source of it');
      }
      return { grant, how };
    }),
  );
}
