/** Errors of one case told apart: `#` where all are the same, else `#1`, `#2`, by what they say. */

import type { Letters, Mark, MarbleRecord, MarbleRow } from '../marbleRecord.js';

export function numberedErrors(record: MarbleRecord): MarbleRecord {
  const numbers = new Map<string, string>();
  for (const row of record.rows) {
    for (const meaning of errorsOf(row)) if (!numbers.has(meaning)) numbers.set(meaning, `#${numbers.size + 1}`);
  }
  if (numbers.size < 2) return record;
  return { ...record, rows: record.rows.map((row) => numbered(row, numbers)) };
}

function errorsOf(row: MarbleRow): readonly string[] {
  if (!('letters' in row)) return [];
  return Object.entries(row.letters).flatMap(([letter, meaning]) => (letter.startsWith('#') ? [meaning] : []));
}

function numbered(row: MarbleRow, numbers: ReadonlyMap<string, string>): MarbleRow {
  if (!('letters' in row) || row.row === 'picks') return row;
  const letters: Letters = row.letters;
  const letterOf = (letter: string) => {
    return letter.startsWith('#') ? (numbers.get(letters[letter] ?? '') ?? letter) : letter;
  };
  const renamed = (marks: readonly Mark[]) => marks.map((mark) => ({ ...mark, letter: letterOf(mark.letter) }));
  const entries = Object.entries(letters).map(([letter, meaning]) => [letterOf(letter), meaning] as const);
  const common = { letters: Object.fromEntries(entries) };
  if (row.row === 'result') {
    return { ...row, ...common, came: renamed(row.came), ...(row.expected && { expected: renamed(row.expected) }) };
  }
  const runs = row.runs.map((run) => ({ ...run, marks: renamed(run.marks) }));
  return { ...row, ...common, script: renamed(row.script), runs };
}
