/** What failed, where a case did. */

import type { MarbleRecord } from '../marbleRecord.js';
import { sizes, type Sheet, type Strip } from './sheet.js';
import { svgText } from './svgElement.js';
import { wrapped } from './wrapped.js';

export function failureStrip(sheet: Sheet, { rows, failure = '' }: MarbleRecord): Strip {
  // Where the lines themselves differ they say more than the message of a comparison.
  const differs = rows.some((row) => 'matches' in row && !row.matches);
  const lines = wrapped(
    `failed: ${differs ? 'what came is not what was expected' : failure}`,
    Math.floor((sheet.right - sheet.left) / sizes.character),
  );
  return {
    height: lines.length * 18 + 12,
    draw: (y) => lines.map((line, i) => svgText('w', sheet.left, y + 12 + (i + 0.5) * 18, line)).join(''),
  };
}
