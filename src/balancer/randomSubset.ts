/**
 * A few of the nodes for each client: where thousands of clients meet thousands of nodes.
 *
 * Each client that connects to each node makes a million connections of a thousand and a thousand, most of them idle, and
 * every node pays for a thousand handshakes when it restarts. With a subset each client knows twenty nodes, another twenty
 * than its neighbour, and each node has about as many clients as the others. Do not use it with few clients: what one client
 * leaves out, others must take. Nor where calls require what only some nodes offer: give the discovery a filter
 * (`whereTags`) that leaves only those, or the subset may hold none of them.
 */

import { NodeSet, type NodeChanges } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { narrowed, type Narrowing } from './narrowed.js';
import type { Balancer } from './picker.js';
import { roundRobin } from './roundRobin.js';
import { Xxh64 } from './xxh64.js';

export interface RandomSubsetOptions {
  /** What picks within the subset. Default `roundRobin()`. gRPC name: `child_policy`. */
  readonly balancer?: Balancer;
  /**
   * What makes the subset of this client another than those of the others: a whole number from 0 to below 2^32. Default: by
   * chance, once for each subscription. Give one that is kept (of the host name, say) to have the same nodes after a restart.
   */
  readonly seed?: number;
  /** Chance for the seed, from 0 up to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Picks only from `subsetSize` of the nodes, and has only these dialled.
 *
 * Each client ranks the nodes by a hash of their ids with its own seed, and takes the first (rendezvous hashing). So of
 * all that come and go each changes at most one node of the subset, and most change none. Nodes that are down or
 * ejected keep their place: the subset is of what is listed, not of what is well (gRFC A68), since else an outage would
 * send all clients to new nodes at once. Nodes of weight 0 have none. With at most `subsetSize` nodes all are in it.
 *
 *     nodes$       a---b---c---|     a = u v w x y   b = u v w x y, w is down   c = u v x y
 *     subset                         a: v w          b: v w                     c: v y
 *     pick()       -pp--pp--pp-|
 *     picked       -vw--vv--vy-|
 *
 * How many clients a node has is a matter of chance. A deterministic choice (the clients numbered, each with the next part
 * of a list that is shuffled for its round, as in "Site Reliability Engineering", chapter 20) leaves nothing to it, but a
 * list that is shorter by one node then gives nearly everybody other nodes, and somebody must number the clients. Counted:
 *
 *     clients, subset, nodes   clients of a node              new connections of a client when a node goes
 *                              by chance     deterministic    by chance   deterministic
 *     100, 5 of 100            1 to 12       5                0.05        4.5
 *     1,000, 20 of 1,000       6 to 38       20               0.02        19.4
 *     2,000, 5 of 10           972 to 1,038  1,000            0.5         2.5
 *
 * gRPC name: `random_subsetting_experimental` (gRFC A68), which hashes the first address where here it is the id.
 *
 * @param subsetSize at least 1; 20 is a good start. gRPC name: `subset_size`.
 * @throws FleetError `INVALID_OPTION` for a size that is not a whole number of at least 1, or a seed out of range.
 */
export function randomSubset(subsetSize: number, options: RandomSubsetOptions = {}): Balancer {
  const { balancer = roundRobin(), seed, random = Math.random } = options;
  requireOption(Number.isInteger(subsetSize) && subsetSize >= 1, 'subsetSize', 'a whole number over 0', subsetSize);
  const sane = seed === undefined || (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32);
  requireOption(sane, 'seed', 'a whole number from 0 to below 2^32', seed);
  return narrowed('random_subsetting_experimental', balancer, () => {
    return new Subset(subsetSize, seed ?? Math.floor(random() * 2 ** 32));
  });
}

class Subset implements Narrowing {
  private part = NodeSet.empty;
  private ids: ReadonlySet<string> = new Set();
  private weightless: ReadonlySet<string> = new Set();
  private readonly size: number;
  private readonly seed: number;
  private readonly hash = new Xxh64();

  constructor(size: number, seed: number) {
    this.size = size;
    this.seed = seed;
  }

  elsewhere(): string {
    return `outside the subset of ${this.size}`;
  }

  next(set: NodeSet, { added, removed, updated }: NodeChanges): NodeSet {
    const { part, weightless } = this;
    let fresh = updated;
    if (added.length > 0 || removed.length > 0 || updated.some((node) => weightless.has(node.id) === node.weight > 0)) {
      this.weightless = new Set(set.nodes.filter(({ weight }) => !(weight > 0)).map(({ id }) => id));
      this.ids = this.chosen(set);
      fresh = [...this.ids].map((id) => set.get(id)!);
    }
    const gone = part.nodes.filter(({ id }) => !this.ids.has(id)).map(({ id }) => id);
    const changed = fresh.filter((node) => this.ids.has(node.id) && part.get(node.id) !== node);
    this.part = part
      .without(...gone)
      .with(...changed)
      .withStale(set.stale);
    return this.part;
  }

  private chosen({ nodes }: NodeSet): ReadonlySet<string> {
    const open = nodes.filter(({ weight }) => weight > 0);
    if (open.length <= this.size) return new Set(open.map(({ id }) => id));
    const ranks = Float64Array.from(open, ({ id }) => this.rankOf(id));
    const last = ranks.slice().sort()[this.size - 1]!;
    const chosen = open.filter((_, i) => ranks[i]! < last).map(({ id }) => id);
    const equal = open.filter((_, i) => ranks[i] === last).map(({ id }) => id);
    return new Set([...chosen, ...equal.sort().slice(0, this.size - chosen.length)]);
  }

  /** The upper 53 bits of the hash, which a number holds exactly. */
  private rankOf(id: string): number {
    this.hash.hash(id, this.seed);
    return (this.hash.high >>> 0) * 2 ** 21 + (this.hash.low >>> 11);
  }
}
