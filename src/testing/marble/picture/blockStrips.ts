/** What went in, the box, and what came out of it. */

import { isDeepStrictEqual } from 'node:util';
import type { NodesRow, PicksRow } from '../marbleRecord.js';
import type { Block, Labelled } from './arrangement.js';
import { bandHeight, drawBand } from './band.js';
import { pickStrip } from './pickStrip.js';
import { resultStrips, subscriptionStrips } from './resultStrips.js';
import type { Sheet, Strip } from './sheet.js';
import { sourceStrips } from './sourceStrips.js';

export function blockStrips(sheet: Sheet, { sources, results }: Block, name: string): readonly Strip[] {
  const above = sources.flatMap(({ row, label }) =>
    row.row === 'subscriptions' ? subscriptionStrips(sheet, row) : sourceStrips(sheet, row, label),
  );
  const nodes = results.filter((each): each is Labelled<NodesRow> => each.row.row === 'nodes');
  const picks = results.filter((each): each is Labelled<PicksRow> => each.row.row === 'picks');
  const lanes = nodes.map(({ row }, i) => pickStrip(sheet, row, picks[i]?.row, name));
  const below = results.flatMap(({ row, label }, i) => {
    if (row.row === 'result') return isRepeated(results, i) ? [] : resultStrips(sheet, row, label, timesOf(results, i));
    return row.row === 'subscriptions' ? subscriptionStrips(sheet, row) : [];
  });
  const band: Strip = {
    timed: true,
    height: bandHeight + 4,
    draw: (y) => drawBand(sheet, y + 2, name),
  };
  return [...above, ...lanes, ...(below.length > 0 ? [band, ...below] : [])];
}

/** True for a result that is just like the one before it. */
function isRepeated(results: Block['results'], i: number): boolean {
  const [row, before] = [results[i]!.row, results[i - 1]?.row];
  return row.row === 'result' && row.matches && isDeepStrictEqual(row, before);
}

function timesOf(results: Block['results'], i: number): number {
  let next = i + 1;
  while (next < results.length && isRepeated(results, next)) next++;
  return next - i;
}
