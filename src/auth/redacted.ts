/** Takes secrets out of texts that others have written. */

import { FleetError, type FleetErrorOptions } from '../core/fleetError.js';

/** The text with each of the secrets replaced by stars, also where it stands URL-encoded or in Base64. */
export function redacted(text: string, secrets: readonly string[]): string {
  let shown = text;
  for (const secret of secrets) {
    if (secret === '') continue;
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) {
      shown = shown.split(form).join('***');
    }
  }
  return shown;
}

/** Whatever was thrown, as an error with no secret in it: the cause is dropped, since nobody knows what it holds. */
export function withoutSecrets(thrown: unknown, secrets: readonly string[]): FleetError {
  const { code, detail, sent } = FleetError.from(thrown);
  const options: FleetErrorOptions = { sent };
  return new FleetError(code, redacted(detail, secrets), options);
}
