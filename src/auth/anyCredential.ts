/** A credential that a function of yours gets: from a vault, a metadata server, a signer. */

import { defer, from, isObservable, map, of, type Observable, type ObservableInput } from 'rxjs';
import type { Credential } from '../core/credential.js';
import type { CredentialSource, Grant } from './credentialSource.js';

/** A grant, or just the secret of one that does not end. */
export type Granted = Grant | string;

export interface AnyCredentialOptions {
  /** For messages. Default `credential function`. */
  readonly name?: string;
  /** Exchanges a credential that is still valid. Default: each is got from scratch. */
  readonly renew?: (current: Credential) => Granted | PromiseLike<Granted> | Observable<Granted>;
}

/**
 * Credentials from a function; what it throws, rejects or errors with is taken for a failure that may pass, unless it
 * is a `FleetError` that says otherwise. Put no secret into its message: only credentials that we hold are taken out.
 *
 * ```ts
 * createCredentials(anyCredential(async () => ({ secret: await vault.read('orders'), expiresInMs: 600_000 })));
 * ```
 */
export function anyCredential(
  get: () => Granted | PromiseLike<Granted> | Observable<Granted>,
  options: AnyCredentialOptions = {},
): CredentialSource {
  const { name = 'credential function', renew } = options;
  return {
    name,
    authenticate: () => granted(get),
    ...(renew && { renew: (current: Credential) => granted(() => renew(current)) }),
  };
}

function granted(get: () => Granted | PromiseLike<Granted> | Observable<Granted>): Observable<Grant> {
  return defer((): ObservableInput<Granted> => {
    const got = get();
    if (isObservable(got)) return got;
    return typeof got === 'object' && 'then' in got ? from(got) : of(got);
  }).pipe(map((got) => (typeof got === 'string' ? { secret: got } : got)));
}
