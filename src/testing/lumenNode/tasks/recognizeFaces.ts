/** An image to faces that are not there: their number and places follow from a hash of its bytes. */

import { FleetError } from '../../../core/fleetError.js';
import { seededRandom } from '../../seededRandom.js';
import { fnv1a } from './fnv1a.js';
import { imageMimes, jsonMime, jsonOutput, rounded, type NodeTask } from './task.js';

/** `face_recognition`, or the same under another name. Takes an image or a tensor, gives `face_v1`: one to four faces. */
export function recognizeFaces(name = 'face_recognition'): NodeTask {
  return {
    name,
    inputMimes: imageMimes,
    outputMimes: [jsonMime('face_v1')],
    *run({ payload, model }) {
      if (payload.length === 0) throw new FleetError('INVALID_ARGUMENT', 'the image is empty');
      const hash = fnv1a(payload);
      const random = seededRandom(hash);
      const faces = Array.from({ length: 1 + (hash % 4) }, () => {
        const [left, top, size] = [
          Math.floor(random() * 500),
          Math.floor(random() * 300),
          40 + Math.floor(random() * 100),
        ];
        const embedding = Float64Array.from({ length: 16 }, () => random() - 0.5);
        return {
          bbox: [left, top, left + size, top + size],
          confidence: rounded(0.5 + random() / 2),
          landmarks: [0.3, 0.7].map((x) => [left + Math.round(size * x), top + Math.round(size * 0.4)]),
          embedding: Array.from(embedding, rounded),
        };
      });
      yield jsonOutput('face_v1', { faces, count: faces.length, model_id: model });
    },
  };
}
