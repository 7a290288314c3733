/** Keeps a credential valid: got once, renewed before it ends, one request at a time. */

import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { exponentialBackoff, type BackoffOptions } from '../core/backoff.js';
import { requireOption } from '../core/requireOption.js';
import type { CredentialEvent, Credentials } from './credentials.js';
import type { CredentialSource } from './credentialSource.js';
import { Keyring } from './createCredentials/keyring.js';

export type { CredentialEvent, Credentials };

export interface CredentialsOptions {
  /**
   * How long before its end a credential is renewed, in milliseconds; never more than a fifth of its life. Default
   * 300,000, five minutes.
   */
  readonly refreshWindowMs?: number;
  /**
   * How long before its end a credential counts as ended, in milliseconds, so that it does not end on its way; never
   * more than a tenth of its life. Default 30,000 (gRFC A97).
   */
  readonly earlyExpiryMs?: number;
  /**
   * How far our clock may be behind the issuer's, in milliseconds; only for an end that is given by the issuer's clock
   * alone, and never more than a fifth of what is left by it. Default 30,000.
   */
  readonly clockSkewMs?: number;
  /** A request with no answer by then, in milliseconds, has failed. Default 10,000. */
  readonly timeoutMs?: number;
  /** Waits after requests that failed. Default 1 s, times 1.6, up to 120 s, ± 20 % (gRFC A97: as for connections). */
  readonly backoff?: BackoffOptions;
  /** Told of each credential that came and each request that failed; never of a secret. */
  readonly onEvent?: (event: CredentialEvent) => void;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Keeps credentials of a source; asks it for nothing before somebody needs one.
 *
 *     source         -a------b----      a and b live 10; renewed 2 before the end
 *     credential$    -a--------b--
 *
 * One request is in flight at a time, whoever waits for it. The old credential is served while it is valid, whether a
 * renewal runs or has failed. A renewal that fails is followed by authenticating anew, and that by backoff. A life is
 * counted by our own clock from the arrival of the answer, wherever the source tells a life.
 *
 * ```ts
 * using credentials = createCredentials(oauthClientCredentials({ tokenUrl, clientId, clientSecret }));
 * const fleet = createFleet({ service: 'orders', discovery, transport, use: [bearer(credentials)] });
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option, naming it.
 */
export function createCredentials(source: CredentialSource, options: CredentialsOptions = {}): Credentials {
  const { refreshWindowMs = 300_000, earlyExpiryMs = 30_000, clockSkewMs = 30_000, timeoutMs = 10_000 } = options;
  const { onEvent, scheduler = asyncScheduler, random = Math.random } = options;
  requireOption(refreshWindowMs >= 0, 'refreshWindowMs', 'at least 0', refreshWindowMs);
  requireOption(earlyExpiryMs >= 0, 'earlyExpiryMs', 'at least 0', earlyExpiryMs);
  requireOption(clockSkewMs >= 0, 'clockSkewMs', 'at least 0', clockSkewMs);
  requireOption(timeoutMs > 0, 'timeoutMs', 'above 0', timeoutMs);
  const backoff = exponentialBackoff({
    ...{ initialBackoffMs: 1_000, maxBackoffMs: 120_000, backoffMultiplier: 1.6, ...options.backoff },
  });
  return new Keyring(source, {
    ...{ refreshWindowMs, earlyExpiryMs, clockSkewMs, timeoutMs, onEvent, scheduler },
    backoff: (retry) => backoff(retry, random),
  });
}
