/** Equal keys to the same node, and to the same one as gRPC's own clients and Envoy send them. */

import { formatAddress } from '../core/address.js';
import type { Node } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';
import type { Candidates } from './candidates.js';
import { hashKeyOf, sameKeys } from './hashKey.js';
import { HashRing } from './hashRing.js';
import { indexesOf, keyedBalancer, type Circle, type KeyedOptions } from './keyedBalancer.js';
import type { Balancer } from './picker.js';
import { entriesOf } from './ringHash/entries.js';
import { Xxh64 } from './xxh64.js';

export interface RingHashOptions extends KeyedOptions {
  /**
   * The ring has at least so many entries, more for shares that are nearer to the weights. Default 1,024, at most
   * 8,388,608. gRPC name: `min_ring_size`.
   */
  readonly minRingSize?: number;
  /**
   * And at most so many. Default 4,096, as gRPC caps it, at most 8,388,608; raise it where there are thousands of nodes.
   * gRPC name: `max_ring_size`, capped by `grpc.lb.ring_hash.ring_size_cap`.
   */
  readonly maxRingSize?: number;
}

/**
 * Sends calls with equal keys to the same node, the one that gRPC's `ring_hash` takes for the same addresses and keys.
 *
 * Use it where other gRPC clients or Envoy share the nodes and their caches: equal addresses, weights and ring sizes give
 * equal rings (gRFC A42, XXH64 with seed 0). Else `consistentHash()` or `maglev()` are better. Here the entries of all
 * nodes are counted anew when one comes or goes, which moves keys of the others too: 9 % of all at 8 nodes, more than half
 * at 10,000 (a table stands at `maglev()`). And the default ring is small, as gRPC's is: of 500 nodes, with two entries
 * each, one has a sixteenth of its share and another three and a half times it; past `maxRingSize` nodes some have no
 * entry at all, and take calls only when nobody else can. So raise both sizes to a hundred times the number of nodes, in
 * all clients alike.
 *
 * A node is placed by the `hash_key` of its metadata, else by its first address (gRFC A76); nodes of one hash key count as
 * one with their weights added, whose entries they share. A node that is down keeps its place, and its keys go to the
 * next on the ring until it is back; so they do when it is excluded or does not offer what the call requires. A call
 * without a key starts at a random place. Changing weights, as of `slowStart`, change the whole ring.
 *
 *     nodes$       a---b---a---|     a = x y z   b = x y z, y is down
 *     pick(k)      -kl--kl--kl-|
 *     picked       -yx--zx--yx-|     only the keys of y move
 *
 * gRPC name: `ring_hash_experimental`, Envoy name: `ring_hash`. gRPC waits for a node that is being dialled, here its
 * keys go to the next meanwhile.
 *
 * @throws FleetError `INVALID_OPTION` for a ring size that is not whole or out of range, or a bound of not over 1.
 */
export function ringHash(options: RingHashOptions = {}): Balancer {
  const { minRingSize = 1_024, maxRingSize = 4_096 } = options;
  const sane = (size: number) => Number.isInteger(size) && size >= 1 && size <= largest;
  requireOption(sane(minRingSize), 'minRingSize', 'a whole number from 1 to 8,388,608', minRingSize);
  requireOption(sane(maxRingSize), 'maxRingSize', 'a whole number from 1 to 8,388,608', maxRingSize);
  requireOption(minRingSize <= maxRingSize, 'minRingSize', `at most maxRingSize, which is ${maxRingSize}`, minRingSize);
  return keyedBalancer('ring_hash_experimental', () => new EntryRing(minRingSize, maxRingSize), options);
}

const largest = 8 * 2 ** 20;

class EntryRing implements Circle {
  owners: Int32Array = new Int32Array(0);
  size = 0;
  indexOf = new Int32Array(0);
  owning = new Uint8Array(0);
  private members: readonly Node[] = [];
  private readonly ring = new HashRing((a, b) => this.members[a]!.id < this.members[b]!.id);
  private readonly key = new Xxh64();
  private readonly minSize: number;
  private readonly maxSize: number;

  constructor(minSize: number, maxSize: number) {
    this.minSize = minSize;
    this.maxSize = maxSize;
  }

  placeOf(text: string): number {
    const { key } = this;
    key.hash(text);
    return this.ring.at64(key.high >>> 0, key.low >>> 0);
  }

  placeAt(chance: number): number {
    return this.ring.at64(Math.floor(chance * 2 ** 32), 0);
  }

  update(nodes: readonly Node[], { members }: Candidates): void {
    const same = sameKeys(this.members, members, endpointKeyOf);
    this.members = members;
    if (!same) {
      const { highs, lows, owners } = entriesOf(members, members.map(endpointKeyOf), this.minSize, this.maxSize);
      this.ring.fill(highs, lows, owners);
      this.owners = this.ring.owners;
      this.size = this.ring.size;
      this.owning = new Uint8Array(members.length);
      for (const owner of owners) this.owning[owner] = 1;
    }
    this.indexOf = indexesOf(members, nodes);
  }
}

function endpointKeyOf(node: Node): string {
  return hashKeyOf(node) ?? formatAddress(node.addresses[0]!);
}
