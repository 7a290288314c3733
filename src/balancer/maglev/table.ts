/** How a Maglev table is filled: each node in turn takes the first place of its own order that is still free. */

import { Xxh64 } from '../xxh64.js';

/** A node of the table: in what order it wants the places, and how often it has a turn. */
export interface Claimant {
  /** Hashed with seed 0 and 1 for where its order begins and how far it steps, as in Envoy. */
  readonly key: string;
  readonly weight: number;
  /** What stands in the table for it. */
  readonly index: number;
}

/**
 * The owner of each place, by its `index`.
 *
 * The heaviest has a turn in each round, and one of weight `w` its turn number `k` in the first round in which
 * `round × w` has reached `(k - 1) × heaviest`; all have one in the first. Rounds are kept as lists of who has a turn
 * in them, so that rounds in which few have one cost little.
 *
 * @param claimants in the order in which they have their turns, which must not depend on the order of the list.
 * @param size a prime number, so that each order visits all places.
 */
export function maglevTable(claimants: readonly Claimant[], size: number): Int32Array {
  const count = claimants.length;
  const table = new Int32Array(size).fill(-1);
  const heaviest = claimants.reduce((most, { weight }) => Math.max(most, weight), 0);
  const { starts: wanted, steps } = ordersOf(claimants, size);
  const turns = new Int32Array(count);
  // The heaviest alone fills the table within `size` rounds.
  const rounds = new Rounds(count, size);
  for (let i = 0; i < count; i++) rounds.add(i, 1);

  let taken = 0;
  for (let round = 1; taken < size; round++) {
    for (let at = rounds.gather(round); at < count && taken < size; at++, taken++) {
      const i = rounds.having[at]!;
      const step = steps[i]!;
      let place = wanted[i]!;
      while (table[place]! >= 0) {
        place += step;
        if (place >= size) place -= size;
      }
      table[place] = claimants[i]!.index;
      wanted[i] = place;
      const due = (++turns[i]! * heaviest) / claimants[i]!.weight;
      rounds.add(i, Math.max(round + 1, Math.ceil(due)));
    }
  }
  return table;
}

/** Where the order of each begins, and by how much it steps. */
function ordersOf(claimants: readonly Claimant[], size: number): { starts: Int32Array; steps: Int32Array } {
  const starts = new Int32Array(claimants.length);
  const steps = new Int32Array(claimants.length);
  const hash = new Xxh64();
  const [of, ofStep] = [remainderBy(size), remainderBy(size - 1)];
  claimants.forEach(({ key }, i) => {
    hash.hash(key);
    starts[i] = of(hash.high, hash.low);
    hash.hash(key, 1);
    steps[i] = ofStep(hash.high, hash.low) + 1;
  });
  return { starts, steps };
}

/** What a number of 64 bits, given as two halves, leaves when divided by one below 2^23. */
export function remainderBy(divisor: number): (high: number, low: number) => number {
  const wrap = 2 ** 32 % divisor;
  return (high, low) => {
    const sum = ((high >>> 0) % divisor) * wrap + (low >>> 0);
    return sum - Math.floor(sum / divisor) * divisor;
  };
}

/** Who has a turn in which round. */
class Rounds {
  /** Of each round the claimant that was added last, and to each the one that was added before it. */
  private readonly latest: Int32Array;
  private readonly before: Int32Array;
  /** Those of the round that was gathered last, by their numbers, at its end. */
  readonly having: Int32Array;
  private readonly last: number;

  constructor(count: number, last: number) {
    this.latest = new Int32Array(last + 1).fill(-1);
    this.before = new Int32Array(count);
    this.having = new Int32Array(count);
    this.last = last;
  }

  /** A turn past the last round is never had. */
  add(claimant: number, round: number): void {
    if (round > this.last) return;
    this.before[claimant] = this.latest[round]!;
    this.latest[round] = claimant;
  }

  /** Puts those of a round into `having`; returns where they begin. */
  gather(round: number): number {
    const { having, before } = this;
    // Filled from the end, since they are met in the reverse of the order in which they came.
    let start = having.length;
    let last = start;
    let sorted = true;
    for (let i = this.latest[round]!; i >= 0; i = before[i]!) {
      sorted &&= i < last;
      last = having[--start] = i;
    }
    if (!sorted) having.subarray(start).sort();
    return start;
  }
}
