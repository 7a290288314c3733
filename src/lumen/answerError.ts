/** What a node's failure means, whichever of the two ways it says it: as the status of the call, or inside an answer. */

import { FleetError } from '../core/fleetError.js';
import type { FleetErrorCode } from '../core/errorCodes.js';
import { ErrorCode, type Error as WireError } from '../gen/lumen/inference_pb.js';

const codes: Readonly<Record<number, FleetErrorCode>> = {
  [ErrorCode.INVALID_ARGUMENT]: 'INVALID_ARGUMENT',
  [ErrorCode.UNAVAILABLE]: 'UNAVAILABLE',
  [ErrorCode.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [ErrorCode.INTERNAL]: 'INTERNAL',
};

/**
 * The error inside an answer. Python nodes report nearly every failure so and end the call as OK; a code that is
 * unset or unknown becomes `UNKNOWN`.
 */
export function answerError(error: WireError, node: string): FleetError {
  const text = [error.message, error.detail].filter((part) => part.trim() !== '').join(': ');
  return new FleetError(codes[error.code] ?? 'UNKNOWN', text || 'the node answered with an error and no message', {
    node,
  });
}

/**
 * A failed status in the vocabulary of the client: Python nodes that still load their model say `FAILED_PRECONDITION`,
 * which here is `UNAVAILABLE`, since another node, or the same one later, can serve.
 */
export function statusError(thrown: unknown): FleetError {
  const error = FleetError.from(thrown);
  if (error.code !== 'FAILED_PRECONDITION' || !/not\b.*\b(initiali[sz]ed|loaded|ready)/i.test(error.detail))
    return error;
  const { node, attempts, sent } = error;
  return new FleetError('UNAVAILABLE', `the node is not ready: ${error.detail}`, {
    node,
    attempts,
    sent,
    cause: error,
  });
}
