/** Where credentials come from, as a contract: what `createCredentials()` drives. */

import type { Observable } from 'rxjs';
import type { Credential } from '../core/credential.js';

/** What an issuer has given. When several of the times are given, the first of this order counts. */
export interface Grant {
  readonly secret: string;
  /** Default `Bearer`. */
  readonly scheme?: string;
  /** Life in milliseconds, counted from the arrival of the answer by our own clock; needs no agreement of clocks. */
  readonly expiresInMs?: number;
  /**
   * When it ends by the issuer's clock, in milliseconds since the epoch. With `issuedAt` only the difference counts; alone
   * it is taken with an allowance for clocks that differ. With no time at all it does not end.
   */
  readonly expiresAt?: number;
  /** When it was issued, by the issuer's clock, in milliseconds since the epoch. */
  readonly issuedAt?: number;
}

/** A way to get credentials: `oauthClientCredentials()`, `fileCredential()`, … A value without a life. */
export interface CredentialSource {
  /** For messages, such as `oauth https://login.example/token`; holds no secret. */
  readonly name: string;
  /**
   * Gets a credential from scratch. Cold; emits one and completes. Errors with a `FleetError` that says what and where,
   * never with a secret in it: `UNAUTHENTICATED` or `PERMISSION_DENIED` when refused, `UNAVAILABLE` when another try may do.
   */
  authenticate(): Observable<Grant>;
  /** Exchanges one that is still valid for a newer one, where there is a way. When it fails, `authenticate` is tried. */
  renew?(current: Credential): Observable<Grant>;
  /** Emits when there is something new to be had, such as a file that was written; followed from the first use on. */
  readonly changes$?: Observable<unknown>;
}
