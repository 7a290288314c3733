/** The two ways in which a node says that it failed, and errors that insist on one of them. */

import { create } from '@bufbuild/protobuf';
import { FleetError } from '../../core/fleetError.js';
import { ErrorCode, InferResponseSchema, type InferResponse } from '../../gen/lumen/inference_pb.js';

/** Ends the call with its code, whatever the flavour. */
export class StatusFailure extends FleetError {}

/** Goes inside an answer, whatever the flavour. */
export class InBandFailure extends FleetError {}

const codes: Readonly<Record<string, ErrorCode>> = {
  INVALID_ARGUMENT: ErrorCode.INVALID_ARGUMENT,
  NOT_FOUND: ErrorCode.INVALID_ARGUMENT,
  UNAVAILABLE: ErrorCode.UNAVAILABLE,
  DEADLINE_EXCEEDED: ErrorCode.DEADLINE_EXCEEDED,
};

/** The failure as an answer. There are four codes; what fits none is `INTERNAL`. */
export function failedAnswer(correlationId: string, { code, detail }: FleetError): InferResponse {
  return create(InferResponseSchema, {
    correlationId,
    isFinal: true,
    error: { code: codes[code] ?? ErrorCode.INTERNAL, message: detail },
  });
}
