/** The lines of a source: a cold one is drawn as often as it was subscribed to, a hot one once with who listened. */

import { isDeepStrictEqual } from 'node:util';
import type { SourceRow, SourceRun } from '../marbleRecord.js';
import { lanesOf } from './lanes.js';
import { sizes, type Sheet, type Strip } from './sheet.js';
import { drawSpan } from './span.js';
import { svgText } from './svgElement.js';
import { drawTimeline, stackedHeight } from './timeline.js';

const { row } = sizes;
const laneHeight = 10;

export function sourceStrips(sheet: Sheet, source: SourceRow, label: string): readonly Strip[] {
  if (source.row === 'hot') return [hotStrip(sheet, source, label)];
  if (source.runs.length === 0) return [ghostStrip(sheet, source, label)];
  return lanesOf(alike(source.runs), 1).map((runs, i) => coldStrip(sheet, runs, i === 0 ? label : ''));
}

/** What stands below the label of a source. */
export function sourceNote({ row, runs }: SourceRow): string {
  if (runs.length > 0) return '';
  return row === 'hot' ? 'unheard' : 'never subscribed';
}

/** A run, and how many are just like it. */
interface CountedRun extends SourceRun {
  readonly count: number;
}

function alike(runs: readonly SourceRun[]): readonly CountedRun[] {
  const counted: CountedRun[] = [];
  for (const run of runs) {
    const i = counted.findIndex(({ count: _, ...other }) => isDeepStrictEqual(other, run));
    if (i < 0) counted.push({ ...run, count: 1 });
    else counted[i] = { ...run, count: counted[i]!.count + 1 };
  }
  return counted;
}

function coldStrip(sheet: Sheet, runs: readonly CountedRun[], label: string): Strip {
  const extra = Math.max(...runs.map(({ marks }) => stackedHeight(marks)));
  const counts = runs.filter(({ count }) => count > 1).map(({ count }) => timesNote(count));
  return {
    timed: true,
    height: row + extra,
    draw: (y) =>
      labelledStrip(sheet, y, label, counts[0] ?? '') +
      runs.map((run) => drawTimeline(sheet, y + row / 2, run)).join(''),
  };
}

function ghostStrip(sheet: Sheet, source: SourceRow, label: string): Strip {
  const marks = source.script.filter(({ at }) => at <= sheet.scale.end);
  return {
    timed: true,
    height: row + stackedHeight(marks),
    draw: (y) =>
      labelledStrip(sheet, y, label, sourceNote(source)) +
      drawTimeline(sheet, y + row / 2, { from: 0, marks, ghost: true, hot: true }),
  };
}

function hotStrip(sheet: Sheet, source: SourceRow, label: string): Strip {
  const end = source.script.find(({ kind }) => kind !== 'next')?.at ?? Infinity;
  const marks = source.script;
  const from = Math.min(0, ...marks.map(({ at }) => at));
  const heard = source.runs.length === 1 && source.runs[0]!.from === 0 && !leftEarly(source.runs[0]!, end);
  const lanes = heard ? [] : lanesOf(source.runs, 1);
  const top = row + stackedHeight(marks);
  return {
    timed: true,
    height: top + lanes.length * laneHeight,
    draw: (y) =>
      labelledStrip(sheet, y, label, sourceNote(source)) +
      drawTimeline(sheet, y + row / 2, { from, marks, hot: true }) +
      lanes
        .flatMap((runs, i) => runs.map((run) => drawSpan(sheet, y + top + i * laneHeight, run, leftEarly(run, end))))
        .join(''),
  };
}

function leftEarly({ to }: SourceRun, end: number): boolean {
  return to !== undefined && to < end;
}

/** What stands below a label where one line stands for several. */
export function timesNote(count: number): string {
  return `${count} times`;
}

export function labelledStrip(sheet: Sheet, y: number, label: string, note: string): string {
  if (!note) return svgText('', sheet.left, y + row / 2, label);
  return svgText('', sheet.left, y + row / 2 - 6, label) + svgText('k', sheet.left, y + row / 2 + 8, note);
}
