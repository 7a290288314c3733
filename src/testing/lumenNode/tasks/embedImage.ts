/** An image to a vector: how often each byte value occurs. It knows no picture formats, only that equal files are equal. */

import { FleetError } from '../../../core/fleetError.js';
import { normalised } from './embedText.js';
import { imageMimes, jsonMime, jsonOutput, type NodeTask } from './task.js';

/** `semantic_image_embed`, or the same under another name. Takes an image or a tensor, gives `embedding_v1`. */
export function embedImage(name = 'semantic_image_embed'): NodeTask {
  return {
    name,
    inputMimes: imageMimes,
    outputMimes: [jsonMime('embedding_v1')],
    tensorPreprocessId: 'siglip2_224',
    *run({ payload, model }) {
      const vector = normalised(byteHistogram(payload));
      yield jsonOutput('embedding_v1', { vector, dim: vector.length, model_id: model });
    },
  };
}

/**
 * The square roots of the counts of each byte value, so that frequent ones do not drown the others.
 *
 * @throws FleetError `INVALID_ARGUMENT` for an empty payload.
 */
export function byteHistogram(bytes: Uint8Array): Float64Array {
  if (bytes.length === 0) throw new FleetError('INVALID_ARGUMENT', 'the image is empty');
  const counts = new Float64Array(256);
  for (let i = 0; i < bytes.length; i++) counts[bytes[i]!]!++;
  return counts.map(Math.sqrt);
}
