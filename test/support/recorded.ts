/** A marble case that runs here and now, outside of any runner, and what was recorded of it. */

import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import type { MarbleRecord, MarbleRow, SourceRow } from '../../src/testing/marble/marbleRecord.js';

export interface Recorded extends MarbleRecord {
  /** What the case threw. */
  readonly thrown?: unknown;
}

export function recorded(body: (helpers: MarbleHelpers) => void, title = 'a case'): Recorded {
  let record: MarbleRecord | undefined;
  let thrown: unknown;
  const runner = {
    describe: (_: string, suite: () => void) => suite(),
    it: (_: string, run: () => void) => {
      try {
        run();
      } catch (error) {
        thrown = error;
      }
    },
  };
  marble(title, body, { runner, onRecord: (each) => (record = each) });
  return { ...record!, ...(thrown !== undefined && { thrown }) };
}

type RowOf<Kind> = Kind extends 'cold' | 'hot' ? SourceRow : Extract<MarbleRow, { row: Kind }>;

/** The rows of these kinds. */
export function rowsOf<Kind extends MarbleRow['row']>(
  { rows }: MarbleRecord,
  ...kinds: readonly Kind[]
): readonly RowOf<Kind>[] {
  return rows.filter(({ row }) => (kinds as readonly string[]).includes(row)) as RowOf<Kind>[];
}

/** Marks as `a@1 #@3`. */
export const said = (marks: readonly { readonly at: number; readonly letter: string }[]): string =>
  marks.map(({ at, letter }) => `${letter}@${at}`).join(' ');
