/** A credential that is kept valid, as those see it who need one. */

import type { Observable } from 'rxjs';
import type { Credential } from '../core/credential.js';

/** Something that happened to a credential; holds no secret. */
export interface CredentialEvent {
  /** The name of the source. */
  readonly source: string;
  /**
   * `authenticated`, `renewed`: a credential came. `failed`: none came, for the time being. `skewed`: one came whose end
   * has passed by our clock, so that the clocks differ.
   */
  readonly type: 'authenticated' | 'renewed' | 'failed' | 'skewed';
  readonly message: string;
  /** When the new one ends, in milliseconds since the epoch by our clock. */
  readonly expiresAt?: number;
}

export interface Credentials {
  /**
   * The credential now, once there is one, then each that follows it. While it is observed, renewals come by
   * themselves, before the end; without observers they are made when somebody asks within the refresh window.
   * Errors when the source refuses us and nothing valid is left; completes after `close()`.
   */
  readonly credential$: Observable<Credential>;
  /** The credential, if it is valid now. To read it within its refresh window starts its renewal. */
  readonly current: Credential | undefined;
  /**
   * A valid credential: at once where there is one, else when it has come. Errors with `UNAUTHENTICATED` or
   * `PERMISSION_DENIED` when the source refuses us, `UNAVAILABLE` when it cannot be asked; after a failure at once,
   * until the backoff is over.
   */
  valid(): Observable<Credential>;
  /**
   * Another credential than one that a node has refused: what has come since, or what a new request brings. Errors as
   * `valid()`, and with `UNAUTHENTICATED` when one was refused that had been fetched for the same reason a second ago.
   */
  replacement(refused: Credential): Observable<Credential>;
  /** Ends renewals and requests. */
  close(): void;
  [Symbol.dispose](): void;
}
