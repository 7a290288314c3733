/** The rows of a case in the order of a picture: what goes in, and below it what came out. */

import type {
  MarbleRecord,
  MarbleRow,
  NodesRow,
  PicksRow,
  ResultRow,
  SourceRow,
  SubscriptionsRow,
} from '../marbleRecord.js';

/** Rows that belong together. */
export interface Block {
  /** What is said of the subscriptions of a source stands below it. */
  readonly sources: readonly Labelled<SourceRow | SubscriptionsRow>[];
  readonly results: readonly Labelled<NodesRow | PicksRow | ResultRow | SubscriptionsRow>[];
}

export interface Labelled<Row extends MarbleRow = MarbleRow> {
  readonly row: Row;
  readonly label: string;
}

/**
 * Blocks in the order of the case: a new one begins where sources follow results. What is made by what is tested, and
 * sources that no result follows, stand with the first.
 */
export function arrangementOf({ rows }: MarbleRecord): readonly Block[] {
  const blocks: { sources: SourceRow[]; results: MarbleRow[] }[] = [{ sources: [], results: [] }];
  const first = blocks[0]!;
  const said = new Map<MarbleRow, SubscriptionsRow[]>();
  for (const row of rows) {
    const last = blocks.at(-1)!;
    const source = row.row === 'subscriptions' && row.source !== undefined ? rows[row.source] : undefined;
    if (row.row === 'subscriptions' && source) said.set(source, [...(said.get(source) ?? []), row]);
    else if (!isSource(row)) last.results.push(row);
    else if (row.late) first.sources.push(row);
    else if (last.results.length === 0) last.sources.push(row);
    else blocks.push({ sources: [row], results: [] });
  }
  const last = blocks.at(-1)!;
  if (last !== first && last.results.length === 0) first.sources.push(...blocks.pop()!.sources);

  const ordered = blocks.map(({ sources, results }) => ({
    sources: inOrder(sources).flatMap((source) => [source, ...(said.get(source) ?? [])]),
    results,
  }));
  const labels = labelsOf(ordered.flatMap(({ sources, results }) => [...sources, ...results]));
  const labelled = (row: MarbleRow) => ({ row, label: labels.get(row)! }) as Labelled<never>;
  return ordered.map(({ sources, results }) => ({ sources: sources.map(labelled), results: results.map(labelled) }));
}

/** All rows with their labels, from top to bottom. */
export function labelledRows(record: MarbleRecord): readonly Labelled[] {
  return arrangementOf(record).flatMap(({ sources, results }): readonly Labelled[] => [...sources, ...results]);
}

/** What the case calls each row, else what it is; numbered where several are called the same. */
function labelsOf(rows: readonly MarbleRow[]): ReadonlyMap<MarbleRow, string> {
  const names = rows.map((row) => (isSource(row) ? (row.name ?? 'source') : row.row === 'picks' ? 'pick()' : row.row));
  return new Map(
    rows.map((row, i) => {
      const name = names[i]!;
      const number = names.slice(0, i + 1).filter((each) => each === name).length;
      return [row, names.filter((each) => each === name).length > 1 ? `${name} ${number}` : name];
    }),
  );
}

/** Those that are there of themselves, then the others as they come to be heard; one that never is comes last. */
function inOrder(sources: readonly SourceRow[]): readonly SourceRow[] {
  const begin = ({ row, runs }: SourceRow) => (row === 'hot' ? -1 : (runs[0]?.from ?? Number.MAX_VALUE));
  return [...sources].sort((a, b) => begin(a) - begin(b));
}

function isSource(row: MarbleRow): row is SourceRow {
  return row.row === 'cold' || row.row === 'hot';
}
