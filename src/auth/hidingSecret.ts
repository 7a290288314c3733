/** A credential that does not tell its secret when it is printed. */

import type { Credential } from '../core/credential.js';

/** The same values; `JSON.stringify` and `console.log` show the secret as stars. */
export function hidingSecret(credential: Credential): Credential {
  const { scheme, expiresAt } = credential;
  const shown = () => ({ scheme, expiresAt, secret: '***' });
  return Object.defineProperties(
    { ...credential },
    {
      toJSON: { value: shown },
      // What console.log asks for, by the registered name, so that nothing of Node is needed here.
      [Symbol.for('nodejs.util.inspect.custom')]: { value: shown },
    },
  );
}
