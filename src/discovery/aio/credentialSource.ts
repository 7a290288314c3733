/** Where AIO's credentials come from: authentication by key and secret, and renewal by the credential itself. */

import { map } from 'rxjs';
import type { CredentialSource, Grant } from '../../auth/credentialSource.js';
import type { Credential } from '../../core/credential.js';
import { FleetError } from '../../core/fleetError.js';
import type { Metadata } from '../../core/metadata.js';
import { methodOf } from '../../core/method.js';
import { ClientAuthService, type AuthenticateClientResponse, type RenewTokenResponse } from '../../gen/aio/user_pb.js';
import type { Endpoints } from './endpoints.js';

const authenticateClient = methodOf(ClientAuthService.method.authenticateClient);
const renewToken = methodOf(ClientAuthService.method.renewToken);

/**
 * Asks these servers. A renewal gives a fresh credential of full life, while the old one goes on being valid; it is
 * refused where the client was disabled since.
 */
export function aioCredentialSource(endpoints: Endpoints, clientKey: string, clientSecret: string): CredentialSource {
  const granted = map((answer: AuthenticateClientResponse | RenewTokenResponse) => grantOf(answer, endpoints.name));
  return {
    name: endpoints.name,
    authenticate: () =>
      endpoints.call(authenticateClient, authenticateClient.message({ clientKey, clientSecret })).pipe(granted),
    renew: (current) => endpoints.call(renewToken, renewToken.message({}), authorization(current)).pipe(granted),
  };
}

/** The metadata that shows a credential. */
export function authorization({ scheme, secret }: Credential): Metadata {
  return { authorization: `${scheme} ${secret}` };
}

/** With the time of issue that a JWT states itself, so that a server whose clock is wrong neither shortens nor stretches its life. */
function grantOf(answer: AuthenticateClientResponse | RenewTokenResponse, server: string): Grant {
  const { accessToken: secret, expiresAt, tokenType } = answer;
  if (!secret) throw new FleetError('UNAVAILABLE', `${server} answered without a token; look at the log of the server`);
  const { exp = Number(expiresAt), iat } = claimsOf(secret);
  return {
    ...{ secret, scheme: tokenType || 'Bearer' },
    ...(exp > 0 ? { expiresAt: exp * 1_000 } : {}),
    // It counts whole seconds, so that it was issued up to one later.
    ...(iat === undefined ? {} : { issuedAt: Math.min(iat + 1, exp - 1) * 1_000 }),
  };
}

/** Seconds since the epoch; empty for what is no JWT. Nothing is verified here: that is the server's. */
function claimsOf(jwt: string): { readonly exp?: number; readonly iat?: number } {
  try {
    const payload = Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8');
    const { exp, iat } = JSON.parse(payload) as { exp?: unknown; iat?: unknown };
    return typeof exp === 'number' && typeof iat === 'number' ? { exp, iat } : {};
  } catch {
    return {};
  }
}
