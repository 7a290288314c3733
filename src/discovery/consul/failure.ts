/** What an answer of Consul that is no success means, as an error. */

import type { FleetErrorCode } from '../../core/errorCodes.js';
import { FleetError } from '../../core/fleetError.js';
import type { ConsulAnswer, ConsulHttp } from './http.js';

const byStatus: Readonly<Record<number, readonly [FleetErrorCode, string]>> = {
  400: ['INVALID_OPTION', 'correct the options that it names'],
  401: ['UNAUTHENTICATED', 'give an ACL token'],
  403: ['PERMISSION_DENIED', 'give an ACL token that exists and has the right it asks for'],
  404: ['NOT_FOUND', 'check the address, and what was asked for'],
  429: ['RESOURCE_EXHAUSTED', 'ask less often, or raise the limit of the agent'],
};

/** The error for an answer whose status is not 200. It bears what Consul said, but never the token. */
export function failureOf(http: ConsulHttp, doing: string, { status, text }: ConsulAnswer): FleetError {
  const [code, remedy] = byStatus[status] ?? (status < 500 ? ['BAD_RESPONSE', redirected] : ['UNAVAILABLE', sick]);
  const said = http.withoutSecrets(text.trim().replace(/\s+/g, ' ').slice(0, 200)) || 'nothing more';
  return new FleetError(code, `consul at ${http.endpoint} answered ${status} to ${doing}: ${said}; ${remedy}`);
}

const redirected = 'check that the address is that of a Consul agent';
const sick = 'look at the log of the agent, and whether the cluster has a leader';
