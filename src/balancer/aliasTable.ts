/**
 * The alias method: draws from any distribution in constant time.
 *
 * A. J. Walker 1977, in the linear, numerically stable form of M. D. Vose, "A Linear Algorithm for Generating Random
 * Numbers with a Given Distribution", IEEE TSE 17 (9), 1991. Each column holds at most two outcomes: with a certain chance
 * the column itself, else its alias.
 */

/** Of each column, side by side so that a draw touches one line of the cache: the chance to keep it, and its alias. */
export type AliasTable = Float64Array;

/** The table of these weights, which are over 0. */
export function aliasTable(weights: ArrayLike<number>): AliasTable {
  const size = weights.length;
  const table = new Float64Array(2 * size);
  // By the greatest first, so that a sum of very great weights stays finite.
  let greatest = 0;
  for (let i = 0; i < size; i++) greatest = Math.max(greatest, weights[i]!);
  let mean = 0;
  for (let i = 0; i < size; i++) mean += weights[i]! / greatest / size;
  const scaled = Float64Array.from(weights, (weight) => weight / greatest / mean);
  const small: number[] = [];
  const large: number[] = [];
  scaled.forEach((weight, index) => {
    table[2 * index] = 1;
    table[2 * index + 1] = index;
    (weight < 1 ? small : large).push(index);
  });
  while (small.length > 0 && large.length > 0) {
    const less = small.pop()!;
    const more = large.at(-1)!;
    table[2 * less] = scaled[less]!;
    table[2 * less + 1] = more;
    scaled[more] = scaled[more]! + scaled[less]! - 1;
    if (scaled[more]! < 1) small.push(large.pop()!);
  }
  // What is left differs from 1 by rounding only and keeps its column.
  return table;
}

/** Draws one outcome. One chance serves twice: its whole part says which column, its fraction which of the two in it. */
export function drawFrom(table: AliasTable, random: () => number): number {
  const draw = random() * (table.length / 2);
  const column = Math.floor(draw);
  return draw - column < table[2 * column]! ? column : table[2 * column + 1]!;
}
