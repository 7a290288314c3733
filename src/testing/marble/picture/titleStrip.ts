/** The title of a case, in as many lines as it needs. */

import type { Sheet, Strip } from './sheet.js';
import { svgText } from './svgElement.js';
import { wrapped } from './wrapped.js';

const lineHeight = 22;
/** A character of a title; the widths of fonts differ, so it is a broad one. */
const character = 8.9;

export function titleStrip(sheet: Sheet, title: string): Strip {
  const lines = wrapped(title, Math.floor((sheet.right - sheet.left) / character));
  return {
    height: lines.length * lineHeight + 4,
    draw: (y) => lines.map((line, i) => svgText('t', sheet.left, y + (i + 0.5) * lineHeight, line)).join(''),
  };
}
