/** What somebody who wrote a name that is not known may have meant. */

import { plain } from './setting.js';

/** The known name that takes the fewest changes of a letter, if that is few; two letters swapped are one change. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const asked = plain(name);
  let best: string | undefined;
  let least = Math.max(2, Math.ceil(asked.length / 3)) + 1;
  for (const each of known) {
    const changes = distance(asked, plain(each));
    if (changes < least) [best, least] = [each, changes];
  }
  return best;
}

/** ` Did you mean "x"?`, or nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant === undefined ? '' : `; did you mean "${meant}"?`;
}

/** Optimal string alignment: insertions, deletions, replacements and swaps of neighbours. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let changes = Math.min(replaced, row[j]! + 1, next[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        changes = Math.min(changes, before[j - 2]! + 1);
      }
      next.push(changes);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}
