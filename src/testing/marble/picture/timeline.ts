/** A line through time, with its marbles. */

import type { Mark, Span } from '../marbleRecord.js';
import { hues } from './marbleTheme.js';
import { sizes, type Sheet } from './sheet.js';
import { rounded, svgElement, svgLine, svgText } from './svgElement.js';

export interface Timeline extends Span {
  readonly marks: readonly Mark[];
  /** It was never heard: what it would have said. */
  readonly ghost?: boolean;
  /** It is there whether somebody listens or not, so that its ends are no subscription. */
  readonly hot?: boolean;
  /** Marks that should not be there, or not so. */
  readonly wrong?: ReadonlySet<Mark>;
  /** Marbles without a colour. */
  readonly plain?: boolean;
}

const { marble } = sizes;
/** The most that the marbles of one moment reach down; more of them overlap. */
const deepest = 600;

/** How far it reaches below the height of one row. */
export function stackedHeight(marks: readonly Mark[]): number {
  const below = groupsOf(marks).map(([, group]) => stackOf(group).length - 1);
  return below.reduce((deep, count) => Math.max(deep, count * stepOf(count)), 0);
}

/** From one marble of a group to the next, of so many below the first. */
function stepOf(below: number): number {
  return Math.min(sizes.stack, deepest / Math.max(below, 1));
}

/** @param y of the line itself. */
export function drawTimeline(sheet: Sheet, y: number, line: Timeline): string {
  const { marks, ghost, hot, from } = line;
  const ended = marks.some(({ kind }) => kind !== 'next');
  const left = !hot && !ended && line.to !== undefined ? line.to : undefined;
  const last = ended ? marks.reduce((latest, { at }) => Math.max(latest, at), from) : left;
  const begin = sheet.x(from);
  const end = last === undefined ? sheet.tip : sheet.x(last);
  return svgElement(
    'g',
    { class: ghost ? 'gh' : undefined },
    svgLine(ghost ? 'gh' : 'l', begin, y, end, y),
    ...sheet.breaks.filter((x) => x > begin && x < end).map((x) => drawBreak(x, y)),
    ...(last === undefined ? [arrow(end, y)] : []),
    ...(hot ? [] : [svgElement('circle', { class: 'a', cx: begin, cy: y, r: 3 })]),
    ...groupsOf(marks).map(([at, group]) => drawGroup(sheet.x(at), y, group, line)),
    ...(left === undefined ? [] : [drawLeaving(sheet.x(left) + (marks.some(({ at }) => at === left) ? 17 : 0), y)]),
  );
}

/** One marble: a letter on a ground of its own colour. */
export function drawMarble(x: number, y: number, letter: string, kind: string, radius: number = marble): string {
  return svgElement(
    'g',
    { class: kind },
    svgElement('circle', { cx: x, cy: y, r: radius }),
    svgText('', x, y, letter, 'middle'),
  );
}

/** The class of a letter, or of a node. */
export function hueOf(letter: string): string {
  return `m m${[...letter].reduce((sum, char) => sum + char.codePointAt(0)!, 0) % hues}`;
}

/** A cross, and the number of the error where a picture shows several. */
export function drawError(x: number, y: number, letter: string, size = 7, kind = 'x'): string {
  const d = `M${rounded(x - size)} ${rounded(y - size)}l${2 * size} ${2 * size}m0 ${-2 * size}l${-2 * size} ${2 * size}`;
  const number = letter.slice(1);
  return svgElement('path', { class: kind, d }) + (number ? svgText('w k', x + size + 3, y - size - 1, number) : '');
}

/** Two strokes, where a long wait is left out. */
export function drawBreak(x: number, y: number): string {
  const d = `M${rounded(x - 6)} ${rounded(y + 5)}l5 -10M${rounded(x + 1)} ${rounded(y + 5)}l5 -10`;
  const gap = { x: x - 4, y: y - 4, width: 8, height: 8 };
  return svgElement('rect', { class: 'br', ...gap }) + svgElement('path', { class: 'l', d });
}

/** An exclamation mark on the line: here somebody left. */
function drawLeaving(x: number, y: number): string {
  return svgLine('s', x, y - 11, x, y + 3) + svgElement('circle', { class: 'sd', cx: x, cy: y + 9, r: 1.9 });
}

function arrow(x: number, y: number): string {
  return svgElement('path', { class: 'l', d: `M${rounded(x - 6)} ${rounded(y - 4.5)}l6 4.5l-6 4.5` });
}

function drawGroup(x: number, y: number, group: readonly Mark[], { ghost, wrong, plain }: Timeline): string {
  const stacked = stackOf(group);
  const stack = stepOf(stacked.length - 1);
  const bottom = y + Math.max(0, stacked.length - 1) * stack;
  const overhang = stacked.length > 0 ? marble + 6 : marble;
  const complete = group.some(({ kind }) => kind === 'complete');
  return [
    ...(bottom > y ? [svgLine('l', x, y, x, bottom)] : []),
    ...(complete ? [svgLine(ghost ? 'gh' : 'e', x, y - overhang, x, bottom + overhang)] : []),
    ...stacked.map((mark, i) => {
      const at = y + i * stack;
      if (mark.kind === 'error') return drawError(x, at, mark.letter, 7, ghost ? 'gh' : 'x');
      return drawMarble(x, at, mark.letter, ghost ? 'gh' : plain ? 'm q' : hueOf(mark.letter));
    }),
    ...group.map((mark) => (wrong?.has(mark) ? ring(x, y + Math.max(0, stacked.indexOf(mark)) * stack) : '')),
  ].join('');
}

/** Around what is wrong. */
export function ring(x: number, y: number): string {
  return svgElement('circle', { class: 'r hl', cx: x, cy: y, r: marble + 4 });
}

function stackOf(group: readonly Mark[]): readonly Mark[] {
  return group.filter(({ kind }) => kind !== 'complete');
}

function groupsOf(marks: readonly Mark[]): readonly (readonly [at: number, group: readonly Mark[]])[] {
  const groups = new Map<number, Mark[]>();
  for (const mark of marks) groups.set(mark.at, [...(groups.get(mark.at) ?? []), mark]);
  return [...groups];
}
