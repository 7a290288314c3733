/** A credential that is given and stays. */

import { of } from 'rxjs';
import { requireOption } from '../core/requireOption.js';
import type { CredentialSource } from './credentialSource.js';

export interface StaticCredentialOptions {
  /** How it is named in front of the secret. Default `Bearer`; empty for none. */
  readonly scheme?: string;
}

/**
 * The same secret for ever, such as an API key.
 *
 * @throws FleetError `INVALID_OPTION` for an empty secret.
 */
export function staticCredential(secret: string, options: StaticCredentialOptions = {}): CredentialSource {
  const { scheme = 'Bearer' } = options;
  requireOption(typeof secret === 'string' && secret !== '', 'secret', 'a text that is not empty', typeof secret);
  return { name: 'static credential', authenticate: () => of({ secret, scheme }) };
}
