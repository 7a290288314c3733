/**
 * The alias method: draws from any distribution in constant time.
 *
 * A. J. Walker 1977, in the linear, numerically stable form of M. D. Vose, "A Linear Algorithm for Generating Random
 * Numbers with a Given Distribution", IEEE TSE 17 (9), 1991. Each column holds at most two outcomes: with chance
 * `keep[i]` the column itself, else `alias[i]`.
 */

export interface AliasTable {
  readonly keep: Float64Array;
  readonly alias: Int32Array;
}

/** The table of these weights, which are over 0. */
export function aliasTable(weights: readonly number[]): AliasTable {
  const size = weights.length;
  const keep = new Float64Array(size).fill(1);
  const alias = Int32Array.from({ length: size }, (_, index) => index);
  // By the greatest first, so that a sum of very great weights stays finite.
  const greatest = weights.reduce((most, weight) => Math.max(most, weight), 0);
  const mean = weights.reduce((sum, weight) => sum + weight / greatest, 0) / size;
  const scaled = Float64Array.from(weights, (weight) => weight / greatest / mean);
  const small: number[] = [];
  const large: number[] = [];
  scaled.forEach((weight, index) => (weight < 1 ? small : large).push(index));
  while (small.length > 0 && large.length > 0) {
    const less = small.pop()!;
    const more = large.at(-1)!;
    keep[less] = scaled[less]!;
    alias[less] = more;
    scaled[more] = scaled[more]! + scaled[less]! - 1;
    if (scaled[more]! < 1) small.push(large.pop()!);
  }
  // What is left differs from 1 by rounding only and keeps its column.
  return { keep, alias };
}
