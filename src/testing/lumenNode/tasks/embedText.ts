/** Text to a vector: words and their letter triples, hashed into 256 dimensions; texts that share words lie close. */

import { FleetError } from '../../../core/fleetError.js';
import { fnv1a } from './fnv1a.js';
import { jsonMime, jsonOutput, rounded, type NodeTask } from './task.js';

const dimensions = 256;

/** `semantic_text_embed`, or the same under another name. Takes `text/plain`, gives `embedding_v1`. */
export function embedText(name = 'semantic_text_embed'): NodeTask {
  return {
    name,
    inputMimes: ['text/plain'],
    outputMimes: [jsonMime('embedding_v1')],
    *run({ payload, model }) {
      const vector = textVector(new TextDecoder().decode(payload));
      yield jsonOutput('embedding_v1', { vector, dim: vector.length, model_id: model });
    },
  };
}

/**
 * The vector of a text, of length 1 (L2). A word weighs as much as all of its letter triples together; the sign of
 * each feature comes from its hash too, so that collisions cancel out on average (Weinberger et al., 2009).
 *
 * @throws FleetError `INVALID_ARGUMENT` for a text without a letter or a digit.
 */
export function textVector(text: string): readonly number[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu);
  if (!words) throw new FleetError('INVALID_ARGUMENT', 'there is no word in the text: give some to embed');
  const sums = new Float64Array(dimensions);
  const add = (feature: string, weight: number): void => {
    const hash = fnv1a(feature);
    sums[hash % dimensions]! += hash & 0x10000 ? weight : -weight;
  };
  for (const word of words) {
    add(`w ${word}`, 1);
    const padded = `^${word}$`;
    const triples = padded.length - 2;
    for (let i = 0; i < triples; i++) add(padded.slice(i, i + 3), 1 / triples);
  }
  return normalised(sums);
}

/** Scaled to length 1. */
export function normalised(values: Float64Array): readonly number[] {
  const norm = Math.hypot(...values) || 1;
  return Array.from(values, (value) => rounded(value / norm));
}
