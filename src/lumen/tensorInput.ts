/** Tensors instead of pictures: the fast path for callers who do the preprocessing themselves. */

import { FleetError } from '../core/fleetError.js';

/** How the payload is to be read as a tensor: contiguous, little-endian. */
export interface TensorInput {
  readonly dtype: 'fp32' | 'fp16' | 'uint8' | 'int64';
  /** At least one dimension, each at least 1. */
  readonly shape: readonly number[];
  readonly layout: 'NCHW' | 'NHWC' | 'CHW';
  /** How it was preprocessed. Default: what the picked node says that its task expects. */
  readonly preprocessId?: string;
}

const bytesPer = { fp32: 4, fp16: 2, uint8: 1, int64: 8 } as const;
const rank = { NCHW: 4, NHWC: 4, CHW: 3 } as const;

/** The MIME type that a tensor payload goes by. */
export const tensorMime = 'application/octet-stream';

/**
 * The `lumen.*` meta of a tensor request.
 *
 * @throws FleetError `INVALID_ARGUMENT` when the description is senseless or does not fit the payload.
 */
export function tensorMeta(tensor: TensorInput, payloadBytes: number): Record<string, string> {
  const { dtype, shape, layout, preprocessId } = tensor;
  const size = bytesPer[dtype];
  if (!size) throw invalid(`tensor.dtype must be one of ${Object.keys(bytesPer).join(', ')}, not ${String(dtype)}`);
  if (!rank[layout])
    throw invalid(`tensor.layout must be one of ${Object.keys(rank).join(', ')}, not ${String(layout)}`);
  if (!Array.isArray(shape) || shape.length !== rank[layout] || !shape.every((n) => Number.isSafeInteger(n) && n > 0)) {
    throw invalid(
      `tensor.shape must hold ${rank[layout]} whole numbers of at least 1 for ${layout}, not [${String(shape)}]`,
    );
  }
  const expected = shape.reduce((product, n) => product * n, size);
  if (expected !== payloadBytes) {
    throw invalid(
      `a ${dtype} tensor of shape [${shape.join(', ')}] has ${expected} bytes, the payload has ${payloadBytes}`,
    );
  }
  return {
    'lumen.input.kind': 'tensor',
    'lumen.tensor.dtype': dtype,
    'lumen.tensor.shape': JSON.stringify(shape),
    'lumen.tensor.layout': layout,
    'lumen.tensor.format': 'contiguous',
    'lumen.tensor.byte_order': 'little',
    'lumen.preprocess.skip': 'true',
    ...(preprocessId ? { 'lumen.preprocess.id': preprocessId } : {}),
  };
}

function invalid(message: string): FleetError {
  return new FleetError('INVALID_ARGUMENT', message, { sent: false });
}
