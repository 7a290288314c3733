/** What the work on a resource failed with, in our words: whose failure it is, and whether it ever reached the other side. */

import type { FleetErrorCode } from '../../core/errorCodes.js';
import { FleetError } from '../../core/fleetError.js';

/** What a failure means; undefined leaves it to the rules of `poolFailure`. */
export type ClassifyFailure = (thrown: unknown) => FleetError | FleetErrorCode | undefined;

/** Nobody was reached, so that a repeat elsewhere is safe for any work. */
const neverSent = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT)$/;
const broken = /^(ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|ENETDOWN|UND_ERR_SOCKET|UND_ERR_(HEADERS|BODY)_TIMEOUT)$/;

/**
 * A failure as a `FleetError`, with the thing itself as its `cause`.
 *
 * By what Node.js says: a connection that could not be made is `UNAVAILABLE` and was never sent, one that broke is
 * `UNAVAILABLE`, a timeout is `DEADLINE_EXCEEDED`, an abort is `CANCELLED`. Everything else is `UNKNOWN`. Codes count, texts do
 * not.
 */
export function poolFailure(thrown: unknown, classify: ClassifyFailure | undefined): FleetError {
  const said = classify?.(thrown);
  if (said instanceof FleetError) return said;
  if (said !== undefined) return FleetError.from(asCause(thrown), said);
  if (thrown instanceof FleetError) return thrown;
  const code = codeOf(thrown);
  if (neverSent.test(code)) return FleetError.from(thrown, 'UNAVAILABLE', { sent: false });
  if (broken.test(code)) return FleetError.from(thrown, 'UNAVAILABLE');
  const { name } = (thrown ?? {}) as { name?: unknown };
  if (name === 'AbortError') return FleetError.from(thrown, 'CANCELLED');
  if (name === 'TimeoutError') return FleetError.from(thrown, 'DEADLINE_EXCEEDED');
  return FleetError.from(thrown);
}

/** The code of an error, or of what it was caused by: `fetch` hides it there. */
function codeOf(thrown: unknown, depth = 0): string {
  if (typeof thrown !== 'object' || thrown === null || depth > 4) return '';
  const { code, cause, errors } = thrown as { code?: unknown; cause?: unknown; errors?: unknown };
  if (typeof code === 'string' && (neverSent.test(code) || broken.test(code))) return code;
  // Of several addresses each has failed in its own way; the last one counts.
  const inner = Array.isArray(errors) ? (errors.at(-1) as unknown) : cause;
  return codeOf(inner, depth + 1) || (typeof code === 'string' ? code : '');
}

/** So that a `FleetError` that is classified anew becomes the cause, too. */
function asCause(thrown: unknown): unknown {
  return thrown instanceof FleetError ? new Error(thrown.message, { cause: thrown }) : thrown;
}
