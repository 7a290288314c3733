/** An image to text: the runs of printable ASCII among its bytes, as the program `strings` finds them. */

import { FleetError } from '../../../core/fleetError.js';
import { imageMimes, jsonMime, jsonOutput, rounded, type NodeTask } from './task.js';

const lineHeight = 16;
const letterWidth = 8;

/** `ocr`. Takes an image, gives `ocr_v1`: each run of four letters or more, one line each. */
export function readText(name = 'ocr'): NodeTask {
  return {
    name,
    inputMimes: imageMimes,
    outputMimes: [jsonMime('ocr_v1')],
    *run({ payload, model }) {
      if (payload.length === 0) throw new FleetError('INVALID_ARGUMENT', 'the image is empty');
      const runs =
        Buffer.from(payload)
          .toString('latin1')
          .match(/[\x20-\x7e]{4,}/g) ?? [];
      const items = runs.map((text, line) => {
        const [left, top, right, bottom] = [0, line * lineHeight, text.length * letterWidth, (line + 1) * lineHeight];
        const box = [
          [left, top],
          [right, top],
          [right, bottom],
          [left, bottom],
        ];
        return { box, text, confidence: rounded(1 - 1 / (1 + text.length)) };
      });
      yield jsonOutput('ocr_v1', { items, count: items.length, model_id: model });
    },
  };
}
