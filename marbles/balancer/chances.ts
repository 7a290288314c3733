/** Chance as it is written down: these numbers in turn. */
export function chances(...given: readonly number[]): () => number {
  let next = 0;
  return () => given[next++ % given.length]!;
}
