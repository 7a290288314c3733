/** A subscription as a bar of its own, from `^` to `!`. */

import type { Span } from '../marbleRecord.js';
import type { Sheet } from './sheet.js';
import { rounded, svgElement, svgLine } from './svgElement.js';

/** @param stopped whether its end is marked; a source that ends by itself shows that on its own line. */
export function drawSpan(sheet: Sheet, y: number, { from, to }: Span, stopped = to !== undefined): string {
  const [begin, end] = [sheet.x(from), to === undefined ? sheet.tip : sheet.x(to)];
  return (
    svgLine('s', begin, y, end, y) +
    svgElement('path', { class: 's', d: `M${rounded(begin - 4)} ${rounded(y + 4)}l4 -5l4 5` }) +
    (stopped ? svgLine('s', end, y - 5, end, y + 5) : '')
  );
}
