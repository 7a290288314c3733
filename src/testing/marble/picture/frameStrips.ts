/** What stands around the lines: the title, the axis with its ticks, and what failed. */

import type { MarbleRecord } from '../marbleRecord.js';
import { sizes, type Sheet, type Strip } from './sheet.js';
import { rounded, svgElement, svgText } from './svgElement.js';
import { wrapped } from './wrapped.js';

const axisHeight = 24;
const titleHeight = 22;
const titleCharacter = 8.9;

export function titleStrip(sheet: Sheet, title: string): Strip {
  const lines = wrapped(title, Math.floor((sheet.right - sheet.left) / titleCharacter));
  return {
    height: lines.length * titleHeight + 4,
    draw: (y) => lines.map((line, i) => svgText('t', sheet.left, y + (i + 0.5) * titleHeight, line)).join(''),
  };
}

export function axisStrip({ origin, scale }: Sheet): Strip {
  return {
    height: axisHeight,
    draw: (y) =>
      scale.ticks
        .filter(({ label }) => label)
        .map(({ x, label }) => svgText('k', origin + x, y + 10, label === '0' ? '0 ms' : label, 'middle'))
        .join(''),
  };
}

/** The ticks, behind what stands between these two heights. */
export function drawGrid({ origin, scale }: Sheet, top: number, bottom: number): string {
  const d = scale.ticks.map(({ x }) => `M${rounded(origin + x)} ${rounded(top)}V${rounded(bottom)}`).join('');
  return svgElement('path', { class: 'g', d });
}

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
