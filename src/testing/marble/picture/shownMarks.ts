/** What of a row is to be seen. */

import type { Mark, MarbleRow } from '../marbleRecord.js';

/** The marks of a row, each with its moment; what a source would have said that nobody heard is among them. */
export function shownMarks(row: MarbleRow): readonly Pick<Mark, 'at' | 'letter'>[] {
  switch (row.row) {
    case 'cold':
      return row.runs.length > 0 ? row.runs.flatMap(({ marks }) => marks) : row.script;
    case 'hot':
      return row.script;
    case 'picks':
      return row.picks.flatMap(({ at, letter, answer }) => [
        { at, letter },
        { at, letter: answer },
      ]);
    case 'result':
      return row.matches ? row.came : [...(row.expected ?? []), ...row.came];
    default:
      return [];
  }
}

/** True for a source that nobody subscribed to. */
export function isGhost(row: MarbleRow): boolean {
  return row.row === 'cold' && row.runs.length === 0;
}
