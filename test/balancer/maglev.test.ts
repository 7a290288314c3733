/** The table against those that Envoy publishes and a plain reading of the algorithm, and what moves when nodes do. */

import fc from 'fast-check';
import { Subject } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import { maglev, type MaglevOptions } from '../../src/balancer/maglev.js';
import { maglevTable, remainderBy, type Claimant } from '../../src/balancer/maglev/table.js';
import type { Balancer, Picker } from '../../src/balancer/picker.js';
import { ringHash } from '../../src/balancer/ringHash.js';
import { Xxh64 } from '../../src/balancer/xxh64.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

const hash = new Xxh64();
function xxh64(text: string, seed: number): bigint {
  hash.hash(text, seed);
  return (BigInt(hash.high >>> 0) << 32n) | BigInt(hash.low >>> 0);
}

/** As Envoy fills it: round after round all claimants are asked, and take a turn when they have one. */
function plainTable(claimants: readonly Claimant[], size: number): number[] {
  const table = new Array<number>(size).fill(-1);
  const heaviest = Math.max(...claimants.map(({ weight }) => weight));
  const state = claimants.map(({ key }) => ({
    offset: Number(xxh64(key, 0) % BigInt(size)),
    skip: Number(xxh64(key, 1) % BigInt(size - 1)) + 1,
    next: 0,
    turns: 0,
  }));
  for (let taken = 0, round = 1; ; round++) {
    for (const [i, own] of state.entries()) {
      if (round * claimants[i]!.weight < own.turns * heaviest) continue;
      own.turns++;
      let place: number;
      do place = (own.offset + own.skip * own.next++) % size;
      while (table[place]! >= 0);
      table[place] = claimants[i]!.index;
      if (++taken === size) return table;
    }
  }
}

const equal = (keys: readonly string[]) => keys.map((key, index) => ({ key, weight: 1, index }));

function start(balancer: Balancer) {
  const source = new Subject<NodeSet>();
  let picker: Picker | undefined;
  source.pipe(balancer).subscribe((next) => (picker = next));
  const take = (key: string, exclude?: ReadonlySet<string>) => {
    const pick = picker!.pick({ key, ...(exclude && { exclude }) });
    pick.node && pick.release();
    return pick.node!.id;
  };
  return {
    set: (nodes: readonly Node[]) => source.next(NodeSet.of(nodes)),
    take,
    homes: (keys: readonly string[]) => keys.map((key) => take(key)),
  };
}

const keys = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
const listed = (count: number, init: (i: number) => NodeInit = () => ({})) =>
  Array.from({ length: count }, (_, i) => createNode({ address: `10.0.${i >> 8}.${i & 255}:50051`, ...init(i) }));

describe('the table', () => {
  it('is the one that Envoy publishes in its tests', () => {
    const addresses = [90, 91, 92, 93, 94, 95].map((port) => `127.0.0.1:${port}`);
    expect([...maglevTable(equal(addresses), 7)]).toEqual([2, 4, 0, 1, 5, 0, 3]);
    expect([...maglevTable(equal(['90', '91', '92', '93', '94', '95']), 7)]).toEqual([2, 5, 0, 3, 4, 1, 0]);
    const weighted = [
      { key: '127.0.0.1:90', weight: 1, index: 0 },
      { key: '127.0.0.1:91', weight: 2, index: 1 },
    ];
    expect([...maglevTable(weighted, 17)]).toEqual([1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1]);
  });

  it('is what round after round of turns fills, for any names and weights', () => {
    const claimant = fc.record({ key: fc.string(), weight: fc.integer({ min: 1, max: 50 }) });
    const size = fc.constantFrom(2, 3, 7, 101, 1_009);
    fc.assert(
      fc.property(fc.array(claimant, { minLength: 1, maxLength: 20 }), size, (list, places) => {
        const claimants = list.map((each, index) => ({ ...each, index }));
        expect([...maglevTable(claimants, places)]).toEqual(plainTable(claimants, places));
      }),
    );
  });

  it('divides numbers of 64 bits', () => {
    const half = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const divisor = fc.oneof(fc.integer({ min: 1, max: 5_000_011 }), fc.constantFrom(1, 2, 65_537, 5_000_011));
    fc.assert(
      fc.property(half, half, divisor, (high, low, by) => {
        const number = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
        expect(BigInt(remainderBy(by)(high, low))).toBe(number % BigInt(by));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('maglev', () => {
  it('gives nodes of one weight the same number of places, give or take one, and others their share', () => {
    const table = maglevTable(equal(Array.from({ length: 1_000 }, (_, i) => `n${i}`)), 65_537);
    const counts = new Int32Array(1_000);
    for (const owner of table) counts[owner]!++;
    expect(new Set(counts)).toEqual(new Set([65, 66]));
    const weights = [0.1, 1, 10, 100, 1_000];
    const bed = start(maglev());
    bed.set(listed(5, (i) => ({ weight: weights[i]!, id: `nœud-🦊-${i}` })));
    const homes = bed.homes(keys);
    weights.forEach((weight, i) => {
      const share = homes.filter((home) => home === `nœud-🦊-${i}`).length / keys.length;
      expect(Math.abs(share - weight / 1_111.1)).toBeLessThan(0.01);
    });
  });

  it('moves few keys of others when a node goes, where gRPC’s ring may move many', () => {
    const moved = (balancer: Balancer, count: number): number => {
      const nodes = listed(count);
      const bed = start(balancer);
      bed.set(nodes);
      const before = bed.homes(keys);
      bed.set(nodes.slice(1));
      return bed.homes(keys).filter((home, i) => home !== before[i] && before[i] !== nodes[0]!.id).length / keys.length;
    };
    for (const count of [8, 100, 1_000]) expect(moved(maglev(), count), `of ${count}`).toBeLessThan(0.012);
    expect(moved(maglev({ tableSize: 1_000_003 }), 100)).toBeLessThan(0.003);
    expect(moved(consistentHash(), 8)).toBe(0);
    const ring = moved(ringHash(), 8);
    expect(ring).toBeGreaterThan(0.05);
    expect(ring).toBeLessThan(0.13);
  });

  it('gives the keys of a node that is down to others, and moves none of theirs', () => {
    const nodes = listed(10);
    const bed = start(maglev());
    bed.set(nodes);
    const before = bed.homes(keys);
    const down = updateNode(nodes[3]!, { health: 'notServing' });
    bed.set(nodes.map((node) => (node.id === down.id ? down : node)));
    const heirs = new Map<string, number>();
    bed.homes(keys).forEach((home, i) => {
      if (before[i] === down.id) heirs.set(home, (heirs.get(home) ?? 0) + 1);
      else expect(home).toBe(before[i]);
    });
    expect(heirs.has(down.id)).toBe(false);
    // Not all to one.
    expect(heirs.size).toBe(9);
    bed.set(nodes);
    expect(bed.homes(keys)).toEqual(before);
  });

  it('names a node by its hash key, else by its id', () => {
    const homes = (init: (i: number) => NodeInit) => {
      const bed = start(maglev());
      const nodes = listed(4, init);
      bed.set(nodes);
      return bed.homes(keys.slice(0, 500)).map((id) => nodes.findIndex((node) => node.id === id));
    };
    const byId = homes((i) => ({ id: `web-${i}` }));
    expect(homes((i) => ({ id: `pod-${i}`, metadata: { hash_key: `web-${i}` } }))).toEqual(byId);
    expect(homes((i) => ({ id: `web-${i}`, metadata: { hash_key: '' } }))).toEqual(byId);
    // Nodes of one name are told apart by their ids, and none is left out.
    expect(new Set(homes((i) => ({ id: `web-${i}`, metadata: { hash_key: 'same' } }))).size).toBe(4);
  });

  it('finds a node for each call of sets of one, two and ten thousand nodes, and of more nodes than places', () => {
    for (const count of [1, 2, 10_000]) {
      const bed = start(maglev());
      const nodes = listed(count);
      bed.set(nodes);
      expect(new Set(bed.homes(keys)).size).toBeGreaterThan(Math.min(count, 8_000) - 1);
      const last = new Set(nodes.slice(1).map(({ id }) => id));
      if (count > 1) expect(bed.take('user-1', last)).toBe(nodes[0]!.id);
    }
    const small = start(maglev({ tableSize: 7 }));
    const nodes = listed(20);
    small.set(nodes);
    const owners = new Set(small.homes(keys));
    expect(owners.size).toBe(7);
    expect(owners).not.toContain(small.take('user-1', owners));
    small.set(nodes.map((node) => (owners.has(node.id) ? updateNode(node, { health: 'ejected' }) : node)));
    expect(new Set(small.homes(keys)).size).toBeGreaterThan(1);
  });

  it('refuses senseless options by name', () => {
    const sizes: MaglevOptions['tableSize'][] = [0, 1, 4, 65_536, 5_000_021, 7.5, -7, Number.NaN, Infinity];
    for (const tableSize of sizes) expect(() => maglev({ tableSize: tableSize! })).toThrow(/tableSize must be a prime/);
    for (const tableSize of [2, 7, 5_000_011]) expect(() => maglev({ tableSize })).not.toThrow();
    expect(() => maglev({ boundedLoad: 1 })).toThrow(/boundedLoad/);
  });
});
