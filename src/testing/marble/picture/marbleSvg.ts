/** A case as a picture: what went in above, what came out below, time from left to right. */

import type { MarbleRecord } from '../marbleRecord.js';
import { arrangementOf, labelledRows } from './arrangement.js';
import { axisStrip, drawGrid } from './axisStrip.js';
import { blockStrips } from './blockStrips.js';
import { description } from './description.js';
import { failureStrip } from './failureStrip.js';
import { layOut } from './layOut.js';
import { legendOf, legendStrip, ownLegend } from './legendStrip.js';
import { marbleTheme } from './marbleTheme.js';
import { numberedErrors } from './numberedErrors.js';
import { sizes, type Sheet, type Strip } from './sheet.js';
import { escaped, svgElement } from './svgElement.js';
import { titleStrip } from './titleStrip.js';

export interface MarbleSvgOptions {
  /** The least width in pixels; what has more to show is wider. Default 560. */
  readonly width?: number;
  /** The name in the box between what goes in and what comes out. Default: that of the file of the case. */
  readonly name?: string;
}

/** The hatching of nodes that take no calls; a page of figures has it once. */
export const marbleHatch = svgElement(
  'pattern',
  { id: 'marble-hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
  svgElement('path', { class: 'h', 'stroke-width': 2.4, d: 'M0 0v6' }),
);

/**
 * The picture of a case, as a file of its own: SVG with a title, a description in words, and colours for a light and for
 * a dark page. The same record gives the same text.
 *
 *     marble('the nodes take turns', body, { onRecord: (record) => writeFileSync('turns.svg', marbleSvg(record)) });
 */
export function marbleSvg(recorded: MarbleRecord, options: MarbleSvgOptions = {}): string {
  const record = numberedErrors(recorded);
  const sheet = layOut(record, options.width ?? 560);
  const { parts, height } = stacked(sheet, [titleStrip(sheet, record.title), ...stripsOf(sheet, record, options)], 16);
  const hatched = parts.some((part) => part.includes('#marble-hatch'));
  const all = [
    ...wordsOf(record),
    svgElement('style', {}, marbleTheme),
    ...(hatched ? [svgElement('defs', {}, marbleHatch)] : []),
    svgElement('rect', { class: 'bg', x: 0.5, y: 0.5, width: widthOf(sheet) - 1, height: height - 1, rx: 10 }),
    ...parts,
  ];
  // In lines, so that a change of a picture can be read.
  return svgElement('svg', { xmlns: 'http://www.w3.org/2000/svg', ...frameOf(sheet, height) }, `\n${all.join('\n')}\n`);
}

/** The picture for a page that has the title by it, `marbleTheme` in its style, and `marbleHatch`. */
export function marbleFigure(recorded: MarbleRecord, options: MarbleSvgOptions = {}): string {
  const record = numberedErrors(recorded);
  const sheet = layOut(record, options.width ?? 412);
  const { parts, height } = stacked(sheet, stripsOf(sheet, record, options), 4);
  return svgElement('svg', frameOf(sheet, height), ...wordsOf(record), ...parts);
}

/** `roundRobin`, from `marbles/balancer/roundRobin.marbles.ts`. */
function nameOf({ file, suites }: MarbleRecord): string {
  const stem = file.replace(/^.*\//, '').split('.')[0]!;
  return stem || (suites[0] ?? '');
}

function stripsOf(sheet: Sheet, record: MarbleRecord, { name = nameOf(record) }: MarbleSvgOptions): readonly Strip[] {
  const blocks = arrangementOf(record);
  const legend = legendOf(labelledRows(record));
  const several = blocks.length > 1;
  // What a letter means in one block alone stands there.
  const common = several ? legend.filter(({ title }) => title === '') : legend;
  const drawn = blocks.flatMap((block) => {
    const own = several ? ownLegend(legendOf([...block.sources, ...block.results]), common) : [];
    return [...blockStrips(sheet, block, name), legendStrip(sheet, own)];
  });
  return [
    axisStrip(sheet),
    ...drawn,
    legendStrip(sheet, common),
    ...(record.passed ? [] : [failureStrip(sheet, record)]),
  ];
}

/** The strips one below the other, behind them the ticks. */
function stacked(sheet: Sheet, strips: readonly Strip[], edge: number) {
  const timed: { top: number; bottom: number }[] = [];
  const drawn: string[] = [];
  let y = edge;
  for (const { height, timed: ticked, draw } of strips) {
    const above = timed.at(-1);
    if (ticked && above?.bottom === y) above.bottom += height;
    else if (ticked) timed.push({ top: y, bottom: y + height });
    drawn.push(draw(y));
    y += height;
  }
  const grid = timed.map(({ top, bottom }) => drawGrid(sheet, top, bottom));
  return { parts: [...grid, ...drawn].filter(Boolean), height: Math.ceil(y + edge) };
}

function frameOf(sheet: Sheet, height: number) {
  const width = widthOf(sheet);
  return { class: 'mb', role: 'img', width, height, viewBox: `0 0 ${width} ${height}` };
}

function widthOf(sheet: Sheet): number {
  return Math.ceil(sheet.right + sizes.pad);
}

function wordsOf(record: MarbleRecord): readonly string[] {
  return [svgElement('title', {}, escaped(record.title)), svgElement('desc', {}, escaped(description(record)))];
}
