import fc from 'fast-check';
import { Subject } from 'rxjs';
import { consistentHash, type ConsistentHashOptions } from '../../src/balancer/consistentHash.js';
import { HashRing, ringPoint } from '../../src/balancer/hashRing.js';
import { mix32, murmur3 } from '../../src/balancer/murmur3.js';
import type { Picker } from '../../src/balancer/picker.js';
import { createNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

const node = (id: string, weight = 1) => createNode({ id, address: '10.0.0.1:50051', weight });
const keys = Array.from({ length: 300 }, (_, i) => `key-${i}`);

function start(options?: ConsistentHashOptions) {
  const source = new Subject<NodeSet>();
  let picker: Picker | undefined;
  source.pipe(consistentHash(options)).subscribe((next) => (picker = next));
  return {
    set: (nodes: readonly Node[]) => source.next(NodeSet.of(nodes)),
    home: (key: string, exclude?: ReadonlySet<string>) => picker!.pick({ key, exclude }).node!.id,
    homes: () => keys.map((key) => picker!.pick({ key }).node!.id),
  };
}

function fresh(nodes: readonly Node[], options?: ConsistentHashOptions): string[] {
  const bed = start(options);
  bed.set(nodes);
  return bed.homes();
}

describe('consistentHash', () => {
  it('has after any history the same homes as a client that starts now', () => {
    const one = fc.record({ id: fc.integer({ min: 0, max: 14 }), weight: fc.constantFrom(0, 0.2, 1, 2, 3) });
    const set = fc.uniqueArray(one, { selector: ({ id }) => id, minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(fc.array(set, { minLength: 1, maxLength: 8 }), (sets) => {
        const bed = start({ virtualNodes: 20 });
        for (const given of sets) {
          const nodes = given.map(({ id, weight }) => node(`n${id}`, weight));
          if (nodes.every(({ weight }) => weight === 0)) continue;
          bed.set(nodes);
          expect(bed.homes()).toEqual(fresh(nodes.reverse(), { virtualNodes: 20 }));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('moves a key only to a node that grew or came, or from one that shrank or went', () => {
    const weights = fc.array(fc.constantFrom(0, 1, 2, 3), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(weights, weights, (before, after) => {
        fc.pre(before.some((weight) => weight > 0) && after.some((weight) => weight > 0));
        const setOf = (given: readonly number[]) => given.map((weight, i) => node(String(i), weight));
        const bed = start({ virtualNodes: 20 });
        bed.set(setOf(before));
        const old = bed.homes();
        bed.set(setOf(after));
        bed.homes().forEach((home, i) => {
          const [from, to] = [Number(old[i]), Number(home)];
          expect(from === to || after[from]! < before[from]! || after[to]! > before[to]!).toBe(true);
        });
      }),
    );
  });

  it('sends the keys of an excluded node where they would go without it', () => {
    const nodes = ['a', 'b', 'c', 'd', 'e'].map((id) => node(id));
    const bed = start();
    bed.set(nodes);
    const without = start();
    without.set(nodes.filter(({ id }) => id !== 'c' && id !== 'a'));
    for (const key of keys) expect(bed.home(key, new Set(['a', 'c']))).toBe(without.home(key));
  });

  it('gives shares by weight, and better ones with more virtual nodes', () => {
    const nodes = [node('a', 1), node('b', 2), node('c', 3)];
    const off = (virtualNodes: number) => {
      const bed = start({ virtualNodes });
      bed.set(nodes);
      const counts = new Map<string, number>();
      for (let i = 0; i < 30_000; i++) {
        const home = bed.home(`user ${i}`);
        counts.set(home, (counts.get(home) ?? 0) + 1);
      }
      return Math.max(...nodes.map(({ id, weight }) => Math.abs(counts.get(id)! / ((30_000 * weight) / 6) - 1)));
    };
    expect(off(100)).toBeLessThan(0.3);
    expect(off(4_000)).toBeLessThan(0.05);
  });

  it('stays within its size however great the weights', () => {
    const bed = start({ virtualNodes: 10_000 });
    bed.set([node('a', 1e6), node('b', 3e6), node('c', 1e300), node('d', 1e300)]);
    const homes = bed.homes();
    expect(homes.filter((home) => home === 'c').length).toBeGreaterThan(100);
    expect(homes.filter((home) => home === 'd').length).toBeGreaterThan(100);
    bed.set([node('a', 1), node('b', 1)]);
    expect(new Set(bed.homes())).toEqual(new Set(['a', 'b']));
  });

  it('refuses senseless options by name', () => {
    for (const virtualNodes of [0, -1, 1.5, 10_001, Number.NaN]) {
      expect(() => consistentHash({ virtualNodes })).toThrow(/virtualNodes/);
    }
  });
});

describe('HashRing', () => {
  it('finds the first point at or after a position, the same whatever the order of arrival', () => {
    const position = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1));
    const batch = fc.array(fc.tuple(position, fc.nat({ max: 9 })), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 5 }), fc.array(position), (batches, sought) => {
        const points = batches.flat();
        fc.pre(points.length > 0);
        const ring = new HashRing((a, b) => a < b);
        for (const some of batches) ring.insert(some.map(([at, owner]) => ringPoint(at, owner)));
        const sorted = points.toSorted(([a, x], [b, y]) => a - b || x - y);
        expect([...ring.owners.subarray(0, ring.size)]).toEqual(sorted.map(([, owner]) => owner));
        for (const at of sought) {
          const expected = sorted.findIndex(([place]) => place >= at);
          expect(ring.at(at)).toBe(expected < 0 ? 0 : expected);
        }
        ring.keep((owner) => owner % 2 === 0);
        const kept = sorted.filter(([, owner]) => owner % 2 === 0);
        expect([...ring.owners.subarray(0, ring.size)]).toEqual(kept.map(([, owner]) => owner));
        for (const at of sought) {
          const expected = kept.findIndex(([place]) => place >= at);
          expect(ring.at(at)).toBe(expected < 0 ? 0 : expected);
        }
      }),
    );
  });
});

describe('HashRing of 64 bits', () => {
  it('finds the first point at or after a position by both halves, the same whatever the order of its points', () => {
    // Few upper halves, so that the lower ones decide.
    const high = fc.constantFrom(0, 1, 2, 2 ** 31, 2 ** 32 - 1);
    const low = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1));
    const place = fc.tuple(high, low);
    const points = fc.array(fc.tuple(place, fc.nat({ max: 9 })), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(points, fc.array(place), (given, sought) => {
        const ring = new HashRing((a, b) => a < b);
        ring.fill(
          Uint32Array.from(given, ([[upper]]) => upper),
          Uint32Array.from(given, ([[, lower]]) => lower),
          Int32Array.from(given, ([, owner]) => owner),
        );
        const sorted = given.toSorted(([[a, x], m], [[b, y], n]) => a - b || x - y || m - n);
        expect([...ring.owners.subarray(0, ring.size)]).toEqual(sorted.map(([, owner]) => owner));
        for (const [upper, lower] of sought) {
          const expected = sorted.findIndex(([[a, x]]) => a > upper || (a === upper && x >= lower));
          expect(ring.at64(upper, lower)).toBe(expected < 0 ? 0 : expected);
        }
      }),
    );
  });
});

describe('murmur3', () => {
  /** A text whose UTF-16LE bytes are those of the ASCII text, which must be of even length. */
  const packed = (ascii: string) => Buffer.from(ascii, 'latin1').toString('utf16le');

  it('gives the hashes that MurmurHash3_x86_32 is known for', () => {
    expect(murmur3('', 0)).toBe(0);
    expect(murmur3('', 1)).toBe(0x514e28b7);
    expect(murmur3('', 0xffffffff)).toBe(0x81f16f39);
    expect(murmur3(packed('test'), 0)).toBe(0xba6bd213);
    expect(murmur3(packed('test'), 0x9747b28c)).toBe(0x704b81dc);
    expect(murmur3(packed('aaaa'), 0x9747b28c)).toBe(0x5a97808a);
    expect(murmur3(packed('aa'), 0x9747b28c)).toBe(0x5d211726);
    expect(murmur3(packed('abcd'), 0x9747b28c)).toBe(0xf0478627);
  });

  it('mixes without losing a bit', () => {
    const seen = new Set(Array.from({ length: 100_000 }, (_, i) => mix32(i)));
    expect(seen.size).toBe(100_000);
  });
});
