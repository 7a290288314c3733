/** An image to labels: which of a few animals its bytes resemble, by fixed random directions. */

import { byteHistogram } from './embedImage.js';
import { normalised } from './embedText.js';
import { seededRandom } from '../../seededRandom.js';
import { fnv1a } from './fnv1a.js';
import { imageMimes, jsonMime, jsonOutput, rounded, type NodeTask } from './task.js';

const species = [
  'Alcedo atthis',
  'Apis mellifera',
  'Bombus terrestris',
  'Erinaceus europaeus',
  'Lepus europaeus',
  'Passer domesticus',
  'Salamandra salamandra',
  'Sciurus vulgaris',
  'Turdus merula',
  'Vulpes vulpes',
];

/**
 * `bioclip_classify`, or the same under another name. Takes an image or a tensor, gives `labels_v1` with the best
 * labels first; meta `top_k` says how many (default 5). The scores of all ten labels add up to 1.
 */
export function classify(name = 'bioclip_classify'): NodeTask {
  return {
    name,
    inputMimes: imageMimes,
    outputMimes: [jsonMime('labels_v1')],
    tensorPreprocessId: 'bioclip2_224',
    *run({ payload, meta, model }) {
      const vector = normalised(byteHistogram(payload));
      const powers = species.map((label) => Math.exp(4 * likeness(vector, label)));
      const sum = powers.reduce((a, b) => a + b);
      const labels = species
        .map((label, i) => ({ label, score: rounded(powers[i]! / sum) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, Number(meta['top_k'] ?? 5));
      yield jsonOutput('labels_v1', { labels, model_id: model });
    },
  };
}

function likeness(vector: readonly number[], label: string): number {
  const random = seededRandom(fnv1a(label));
  return vector.reduce((sum, value) => sum + value * (random() - 0.5), 0);
}
