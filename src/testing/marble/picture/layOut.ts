/** How wide the labels of a picture are, and where its moments stand. */

import type { DrawnPick, MarbleRecord, MarbleRow } from '../marbleRecord.js';
import { labelledRows } from './arrangement.js';
import { laneIds, noteOf } from './pickStrip.js';
import { sheetOf, sizes, type Sheet } from './sheet.js';
import { isGhost, shownMarks } from './shownMarks.js';
import { sourceNote } from './sourceStrips.js';
import { timeScale } from './timeScale.js';

/** The least that is shown of a source that nobody heard, in milliseconds. */
const ghostReach = 6;

/** @param least the least width in pixels. */
export function layOut(record: MarbleRecord, least: number): Sheet {
  const { rows } = record;
  const picks = rows.flatMap((row) => (row.row === 'picks' ? row.picks : []));
  const texts = labelledRows(record).flatMap(({ row, label }) => columnOf(row, label, picks));
  const column = Math.max(48, ...texts) + 16;
  const origin = sizes.pad + column;
  const scale = timeScale(momentsOf(rows), least - origin - sizes.pad);
  return sheetOf(scale, sizes.pad, origin, Math.max(least - sizes.pad, origin + scale.width));
}

/** How wide the labels of a row are. */
function columnOf(row: MarbleRow, label: string, picks: readonly DrawnPick[]): readonly number[] {
  const wide = (text: string) => text.length * sizes.character;
  const small = (text: string) => text.length * sizes.noteCharacter;
  switch (row.row) {
    case 'nodes':
      return laneIds(row, picks).ids.flatMap((id) => [wide(id), small(noteOf(row, id))]);
    case 'cold':
    case 'hot':
      return [wide(label), small(sourceNote(row))];
    case 'subscriptions':
      return row.matches ? [] : [wide('expected ^!')];
    default:
      return [wide(label), ...('matches' in row && !row.matches ? [wide('expected')] : [])];
  }
}

/** Every moment at which something is to be seen. */
function momentsOf(rows: readonly MarbleRow[]): readonly number[] {
  const heard = rows.flatMap((row) => {
    const spans = row.row === 'cold' || row.row === 'hot' ? row.runs : row.row === 'result' ? [row] : [];
    const expected = row.row === 'subscriptions' && !row.matches ? [...row.expected, ...row.came] : [];
    const marks = row.row === 'nodes' ? row.marks : isGhost(row) ? [] : shownMarks(row);
    const ends = row.row === 'picks' ? row.came : [];
    return [
      ...[...marks, ...ends].map(({ at }) => at),
      ...[...spans, ...expected].flatMap(({ from, to }) => (to === undefined ? [from] : [from, to])),
    ];
  });
  const end = heard.reduce((latest, at) => Math.max(latest, at), ghostReach);
  const ghosts = rows.filter(isGhost).flatMap((row) => shownMarks(row).map(({ at }) => at));
  return [...heard, ...ghosts.filter((at) => at <= end)];
}
