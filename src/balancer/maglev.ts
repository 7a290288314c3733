/** Equal keys to the same node, by one look into a table: the most even of the hashing strategies. */

import type { Node } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';
import type { Candidates } from './candidates.js';
import { hashKeyOf, sameKeys } from './hashKey.js';
import { indexesOf, keyedBalancer, type Circle, type KeyedOptions } from './keyedBalancer.js';
import { maglevTable, remainderBy, type Claimant } from './maglev/table.js';
import type { Balancer } from './picker.js';
import { Xxh64 } from './xxh64.js';

export interface MaglevOptions extends KeyedOptions {
  /**
   * Places of the table: a prime number of at most 5,000,011 (Envoy's limit). Shares are as even as whole places are, so a
   * hundred times the number of nodes keeps them within 1 %, and more keys stay where they were. Default 65,537, which
   * takes 256 KiB. Envoy name: `table_size`.
   */
  readonly tableSize?: number;
}

/**
 * Sends calls with equal keys to the same node, by a table in which each node has its share of the places.
 *
 * The most even of the hashing strategies: shares of one weight differ by a place, where those on a ring differ by a tenth
 * and more. The price is that a node that comes or goes moves a few keys of the others too. Of 100,000 keys, when one of so
 * many nodes goes, there move without need:
 *
 *     nodes                      8      100    1,000   10,000
 *     maglev()                 0.2 %   0.5 %   0.6 %    0.1 %
 *     maglev, 1,000,003 places  0 %    0.1 %   0.2 %    0.1 %
 *     ringHash()               9.0 %   0.1 %    0 %     56 %
 *     consistentHash()          0 %     0 %     0 %      0 %
 *
 * A node that is down keeps its places, so that only its keys move, to the owner of the next place; so they do when it
 * is excluded or does not offer what the call requires. A node is named by the `hash_key` of its metadata, else by its id.
 * The table is made anew, in some milliseconds, only when names or weights change; so a changing weight, as of `slowStart`,
 * moves keys. Each node has one place at least, unless there are more nodes than places: then who has none takes calls
 * only when nobody else can. At 10,000 nodes the default gives each six or seven; take 1,000,003 for shares within 1 %,
 * which takes 4 MB and about a fifth of a second to fill.
 *
 *     nodes$       a---b---a---|     a = x y z   b = x y z, y is down
 *     pick(k)      -kl--kl--kl-|
 *     picked       -yx--zx--yx-|     only the keys of y move
 *
 * Origin: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), section 3.4, with
 * the weights and hashes of Envoy: where ids are addresses and all nodes are up, its table is the same. Envoy makes the
 * table of healthy hosts alone, so that a host that goes down moves keys as one that is removed. Envoy name: `maglev`.
 *
 * @throws FleetError `INVALID_OPTION` for a table size that is no prime number or too large, or a bound of not over 1.
 */
export function maglev(options: MaglevOptions = {}): Balancer {
  const { tableSize = 65_537 } = options;
  requireOption(tableSize <= largest && isPrime(tableSize), 'tableSize', 'a prime number up to 5,000,011', tableSize);
  return keyedBalancer('maglev', () => new MaglevCircle(tableSize), options);
}

const largest = 5_000_011;

class MaglevCircle implements Circle {
  owners: Int32Array = new Int32Array(0);
  readonly size: number;
  indexOf = new Int32Array(0);
  owning = new Uint8Array(0);
  private members: readonly Node[] = [];
  private readonly key = new Xxh64();
  private readonly remainder: (high: number, low: number) => number;

  constructor(size: number) {
    this.size = size;
    this.remainder = remainderBy(size);
  }

  placeOf(text: string): number {
    const { key } = this;
    key.hash(text);
    return this.remainder(key.high, key.low);
  }

  placeAt(chance: number): number {
    return Math.floor(chance * this.size);
  }

  update(nodes: readonly Node[], { members }: Candidates): void {
    const same = sameKeys(this.members, members, memberKeyOf);
    this.members = members;
    if (!same) {
      this.owners = maglevTable(inOrder(members), this.size);
      this.owning = new Uint8Array(members.length);
      for (const owner of this.owners) this.owning[owner] = 1;
    }
    this.indexOf = indexesOf(members, nodes);
  }
}

function memberKeyOf(node: Node): string {
  return hashKeyOf(node) ?? node.id;
}

function inOrder(members: readonly Node[]): Claimant[] {
  const claimants = members.map((node, index) => ({ key: memberKeyOf(node), weight: node.weight, index }));
  return claimants.sort((a, b) => {
    if (a.key !== b.key) return a.key < b.key ? -1 : 1;
    return members[a.index]!.id < members[b.index]!.id ? -1 : 1;
  });
}

function isPrime(number: number): boolean {
  if (!(Number.isInteger(number) && number >= 2)) return false;
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false;
  return true;
}
