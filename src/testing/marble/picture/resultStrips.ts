/** What came; beside it what should have come, where the two differ. */

import type { Mark, ResultRow, Span, SubscriptionsRow } from '../marbleRecord.js';
import { sizes, type Sheet, type Strip } from './sheet.js';
import { labelledStrip, timesNote } from './sourceStrips.js';
import { drawSpan } from './span.js';
import { svgElement, svgText } from './svgElement.js';
import { drawTimeline, stackedHeight, type Timeline } from './timeline.js';

const { row } = sizes;

/** @param count how many came just so, one after another. */
export function resultStrips(sheet: Sheet, result: ResultRow, label: string, count = 1): readonly Strip[] {
  const { came, expected = [], matches, from, to } = result;
  if (matches) return [lineStrip(sheet, label, { from, to, marks: came }, count > 1 ? timesNote(count) : '')];
  const wrong = (marks: readonly Mark[], others: readonly Mark[]) =>
    new Set(marks.filter((mark) => !others.some(({ at, letter }) => at === mark.at && letter === mark.letter)));
  return [
    lineStrip(sheet, 'expected', { from, to, marks: expected, wrong: wrong(expected, came) }),
    lineStrip(sheet, 'came', { from, to, marks: came, wrong: wrong(came, expected) }),
  ];
}

/** Only where subscriptions are not those that were expected: else the lines of the source say it all. */
export function subscriptionStrips(sheet: Sheet, row: SubscriptionsRow): readonly Strip[] {
  if (row.matches) return [];
  return [spansStrip(sheet, 'expected ^!', row.expected), spansStrip(sheet, 'came ^!', row.came)];
}

function lineStrip(sheet: Sheet, label: string, line: Timeline, note = ''): Strip {
  const height = row + stackedHeight(line.marks);
  return {
    timed: true,
    height,
    draw: (y) =>
      (line.wrong ? wrongGround(sheet, y, height) + svgText('w', sheet.left, y + row / 2, label) : '') +
      (line.wrong ? '' : labelledStrip(sheet, y, label, note)) +
      drawTimeline(sheet, y + row / 2, line),
  };
}

function spansStrip(sheet: Sheet, label: string, spans: readonly Span[]): Strip {
  const lane = 12;
  const height = Math.max(1, spans.length) * lane + 12;
  return {
    timed: true,
    height,
    draw: (y) =>
      wrongGround(sheet, y, height) +
      svgText('w', sheet.left, y + height / 2, label) +
      spans.map((span, i) => drawSpan(sheet, y + 12 + i * lane, span)).join(''),
  };
}

function wrongGround(sheet: Sheet, y: number, height: number): string {
  const area = { x: sheet.left - 8, y: y + 1, width: sheet.right - sheet.left + 16, height: height - 2, rx: 6 };
  return svgElement('rect', { class: 'wg', ...area });
}
