/** Equal keys to the same node, for as long as it is there: for caches, sessions and shards that live in the nodes. */

import type { Node } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';
import { HashRing, ringPoint } from './hashRing.js';
import { keyedBalancer, type Circle, type KeyedOptions } from './keyedBalancer.js';
import { mix32, murmur3 } from './murmur3.js';
import type { Balancer } from './picker.js';
import { sameWeights } from './sameWeights.js';

export interface ConsistentHashOptions extends KeyedOptions {
  /**
   * Points on the ring for a node of weight 1; a node of another weight has its weight times as many, at least one.
   * The shares of equal nodes differ by about `1 / sqrt(virtualNodes)`. Default 100, at most 10,000.
   */
  readonly virtualNodes?: number;
}

/**
 * Sends calls with equal keys to the same node.
 *
 * The key is hashed onto a ring of points (MurmurHash3, 32 bits) and the first node from there takes the call; when that
 * one is down, excluded, or does not offer what the call requires, the next on the ring does. When a node comes or
 * goes, only the keys move that go to it or were with it. Places on the ring depend on nothing but the ids and weights,
 * so all clients agree, also after a restart. A call without a key starts at a random place on the ring (gRFC A76).
 *
 * A list of a million points takes 12 MB. Past four million (10,000 nodes of weight 4) every node has half the points,
 * and again, which moves some keys once.
 *
 *     nodes$       a-----b-----|      a = x y z   b = x z
 *     pick(k)      -k-l---k-l--|
 *     picked       -y-x---z-x--|      only the keys of y move
 *
 * gRPC name: none. Take `ringHash()` where keys must fall on the same nodes as with gRPC or Envoy, which hash otherwise and
 * count the points anew with each change; `maglev()` where shares must be more even.
 *
 * @throws FleetError `INVALID_OPTION` for a number of virtual nodes that is not whole or out of range, or a bound of not
 *   over 1.
 */
export function consistentHash(options: ConsistentHashOptions = {}): Balancer {
  const { virtualNodes = 100 } = options;
  const whole = Number.isInteger(virtualNodes) && virtualNodes >= 1 && virtualNodes <= 10_000;
  requireOption(whole, 'virtualNodes', 'a whole number from 1 to 10,000', virtualNodes);
  return keyedBalancer('consistent_hash', () => new PointRing(virtualNodes), options);
}

const maxPoints = 4 * 2 ** 20;
/** So that a senseless weight cannot overflow. */
const maxWeight = 2 ** 40;
/** The golden ratio in 32 bits: steps that spread well before they are mixed. */
const golden = 0x9e3779b1;

/** A node that has points on the ring. One that went keeps them for a while, so that to come back costs nothing. */
interface Slot {
  readonly id: string;
  readonly points: number;
}

class PointRing implements Circle {
  indexOf = new Int32Array(0);
  private nodes: readonly Node[] = [];
  private readonly ring = new HashRing((a, b) => this.slots[a]!.id < this.slots[b]!.id);
  private slots: Slot[] = [];
  private readonly slotOf = new Map<string, number>();
  private slotAt = new Int32Array(0);
  private halvings = 0;
  private readonly virtualNodes: number;

  constructor(virtualNodes: number) {
    this.virtualNodes = virtualNodes;
  }

  get owners(): Int32Array {
    return this.ring.owners;
  }

  get size(): number {
    return this.ring.size;
  }

  placeOf(key: string): number {
    return this.ring.at(murmur3(key));
  }

  placeAt(chance: number): number {
    return this.ring.at(Math.floor(chance * 2 ** 32));
  }

  update(nodes: readonly Node[]): void {
    const before = this.nodes;
    this.nodes = nodes;
    if (sameWeights(before, nodes)) return;
    this.fit(nodes);
    const slotBefore = this.slotAt;
    const fresh: number[] = [];
    let points = 0;
    this.slotAt = new Int32Array(nodes.length);
    for (let i = 0; i < nodes.length; i++) {
      const { id } = nodes[i]!;
      const wanted = this.pointsOf(nodes[i]!);
      let slot = before[i]?.id === id ? slotBefore[i]! : this.slotOf.get(id);
      if (slot === undefined || this.slots[slot]!.points !== wanted) slot = this.admit(id, wanted, fresh);
      this.slotAt[i] = slot;
      points += wanted;
    }
    if (fresh.length > 0) this.ring.insert(fresh);
    this.indexOf = new Int32Array(this.slots.length).fill(-1);
    this.slotAt.forEach((slot, index) => (this.indexOf[slot] = index));
    if (this.ring.size > 2 * points) this.sweep();
  }

  private pointsOf({ weight }: Node): number {
    return Math.max(1, Math.round((this.virtualNodes * Math.min(weight, maxWeight)) / 2 ** this.halvings));
  }

  /** Halves the points of every node until the ring fits; then it is built anew. */
  private fit(nodes: readonly Node[]): void {
    const wanted = nodes.reduce((sum, { weight }) => sum + this.virtualNodes * Math.min(weight, maxWeight), 0);
    const halvings = Math.max(0, Math.ceil(Math.log2(wanted / maxPoints)));
    if (halvings === this.halvings) return;
    this.halvings = halvings;
    this.ring.keep(() => false);
    this.slots = [];
    this.slotOf.clear();
    this.slotAt = new Int32Array(0);
  }

  /** Points are a function of the id alone, the first of many the same as those of few. */
  private admit(id: string, points: number, fresh: number[]): number {
    const owner = this.slots.length;
    this.slots.push({ id, points });
    this.slotOf.set(id, owner);
    const one = murmur3(id);
    const two = murmur3(id, golden);
    for (let i = 1; i <= points; i++) {
      fresh.push(ringPoint(mix32(mix32(one + Math.imul(i, golden)) ^ two), owner));
    }
    return owner;
  }

  /** Takes the points of those who are gone off the ring, and numbers the rest anew. */
  private sweep(): void {
    this.ring.keep((slot) => this.indexOf[slot]! >= 0);
    const { slots, indexOf, ring } = this;
    const renumbered = new Int32Array(slots.length);
    this.slots = [];
    this.slotOf.clear();
    for (let slot = 0; slot < slots.length; slot++) {
      if (indexOf[slot]! < 0) continue;
      renumbered[slot] = this.slots.length;
      this.slotOf.set(slots[slot]!.id, this.slots.length);
      this.slots.push(slots[slot]!);
    }
    for (let i = 0; i < ring.size; i++) ring.owners[i] = renumbered[ring.owners[i]!]!;
    this.slotAt = this.slotAt.map((slot) => renumbered[slot]!);
    this.indexOf = new Int32Array(this.slots.length);
    this.slotAt.forEach((slot, index) => (this.indexOf[slot] = index));
  }
}
