/** Who has how many entries on a ring, and where: the arithmetic of gRPC, to the last entry. */

import type { Node } from '../../core/node.js';
import { mix32, murmur3 } from '../murmur3.js';
import { Xxh64 } from '../xxh64.js';

/** The points of a ring: upper and lower half of each hash, and the index of the node that owns it. */
export interface Entries {
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
  readonly owners: Int32Array;
}

/** An endpoint of the ring: the nodes of one hash key. */
interface Endpoint {
  readonly key: string;
  weight: number;
  /** Indexes of its nodes, in the order of their ids. */
  readonly nodes: number[];
}

/**
 * The ring is scaled so that the lightest endpoint has a whole number of entries and all have at least `minSize`, but
 * not more than `maxSize`; each has `ceil` of its part, summed in the order of the hash keys (as in grpc-go, so that the
 * order of the list does not matter; where all parts are whole, no order does). Entry `i` is the hash of `key_i`.
 */
export function entriesOf(nodes: readonly Node[], keys: readonly string[], minSize: number, maxSize: number): Entries {
  const endpoints = endpointsOf(nodes, keys);
  const total = endpoints.reduce((sum, { weight }) => sum + weight, 0);
  const least = endpoints.reduce((min, { weight }) => Math.min(min, weight / total), 1);
  const scale = Math.min(Math.ceil(least * minSize) / least, maxSize);
  let size = 0;
  let target = 0;
  const counts = endpoints.map(({ weight }) => {
    target += scale * (weight / total);
    const count = Math.max(0, Math.ceil(target) - size);
    size += count;
    return count;
  });

  const entries = { highs: new Uint32Array(size), lows: new Uint32Array(size), owners: new Int32Array(size) };
  const hash = new Xxh64();
  let at = 0;
  endpoints.forEach(({ key, nodes: sharing }, number) => {
    const heirs = sharing.length > 1 ? new Heirs(nodes, sharing) : undefined;
    for (let i = 0; i < counts[number]!; i++, at++) {
      hash.hash(`${key}_${i}`);
      entries.highs[at] = hash.high;
      entries.lows[at] = hash.low;
      entries.owners[at] = heirs?.of(hash.low) ?? sharing[0]!;
    }
  });
  return entries;
}

/** In the order of their keys; weights of one key are added up (gRFC A42). */
function endpointsOf(nodes: readonly Node[], keys: readonly string[]): Endpoint[] {
  const byKey = new Map<string, Endpoint>();
  for (let i = 0; i < nodes.length; i++) {
    const key = keys[i]!;
    const weight = Math.min(Math.max(nodes[i]!.weight, minWeight), maxWeight);
    const endpoint = byKey.get(key);
    if (!endpoint) {
      byKey.set(key, { key, weight, nodes: [i] });
    } else {
      endpoint.weight += weight;
      endpoint.nodes.push(i);
    }
  }
  const endpoints = [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const endpoint of endpoints) {
    if (endpoint.nodes.length > 1) endpoint.nodes.sort((a, b) => (nodes[a]!.id < nodes[b]!.id ? -1 : 1));
  }
  return endpoints;
}

/** So that no part is lost between them: weights in gRPC are whole numbers of 32 bits. */
const minWeight = 2 ** -40;
const maxWeight = 2 ** 40;

/**
 * The nodes of one hash key, each the heir of some of its entries by its weight: the one with the least
 * `-ln(u) / weight` of a number `u` that is drawn from its id and the entry (weighted rendezvous hashing), so that when
 * one of them goes, only its entries move.
 */
class Heirs {
  private readonly seeds: Int32Array;
  private readonly weights: Float64Array;
  private readonly indexes: readonly number[];

  constructor(nodes: readonly Node[], indexes: readonly number[]) {
    this.indexes = indexes;
    this.seeds = Int32Array.from(indexes, (index) => murmur3(nodes[index]!.id));
    this.weights = Float64Array.from(indexes, (index) => nodes[index]!.weight);
  }

  of(entry: number): number {
    const { seeds, weights } = this;
    let least = Infinity;
    let heir = 0;
    for (let i = 0; i < seeds.length; i++) {
      const chance = (mix32(seeds[i]! ^ entry) + 0.5) / 2 ** 32;
      // A logarithm is worth its time only where a bound that is below it does not decide.
      if ((1 - chance) / weights[i]! >= least) continue;
      const score = -Math.log(chance) / weights[i]!;
      if (score >= least) continue;
      least = score;
      heir = i;
    }
    return this.indexes[heir]!;
  }
}
