/** The ring against those that are published, against that of gRPC's own client, and against sets that are hard on it. */

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { Subject } from 'rxjs';
import { formatAddress } from '../../src/core/address.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Picker } from '../../src/balancer/picker.js';
import { ringHash, type RingHashOptions } from '../../src/balancer/ringHash.js';
import { entriesOf } from '../../src/balancer/ringHash/entries.js';

const require = createRequire(import.meta.url);

interface TheirRing {
  readonly ring: readonly { readonly hash: bigint; readonly leafBalancer: { readonly endpoint: TheirEndpoint } }[];
  findIndexForHash(hash: bigint): number;
}
interface TheirEndpoint {
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
}

/** The ring of `@grpc/grpc-js-xds` for endpoints in this order: its policy is made and told of them, and never dials. */
async function theirRing(nodes: readonly Node[], minRingSize: number, maxRingSize: number): Promise<TheirRing> {
  require('@grpc/grpc-js-xds').register();
  const policies = require('@grpc/grpc-js/build/src/load-balancer.js');
  const config = policies.parseLoadBalancingConfig({
    ring_hash: { min_ring_size: minRingSize, max_ring_size: maxRingSize },
  });
  return new Promise((resolve) => {
    const never = () => {
      throw new Error('nothing is dialled');
    };
    const helper = {
      createSubchannel: never,
      requestReresolution: never,
      addChannelzChild: never,
      removeChannelzChild: never,
      updateState(_: unknown, picker: TheirRing) {
        resolve(picker);
        // Not within itself.
        queueMicrotask(() => policy.destroy());
      },
    };
    const policy = policies.createLoadBalancer(config, helper);
    const value = nodes.map(({ address, weight }) => ({
      addresses: [address],
      localityPath: ['here'],
      locality: {},
      localityWeight: 1,
      endpointWeight: weight,
    }));
    policy.updateAddressList({ ok: true, value }, config, { 'grpc.lb.ring_hash.ring_size_cap': 8_388_608 }, '');
  });
}

const addressOf = (node: Node) => formatAddress(node.addresses[0]!);

function ourRing(nodes: readonly Node[], minRingSize: number, maxRingSize: number) {
  const { highs, lows, owners } = entriesOf(nodes, nodes.map(addressOf), minRingSize, maxRingSize);
  return Array.from(highs, (high, i) => ({
    hash: (BigInt(high) << 32n) | BigInt(lows[i]!),
    address: addressOf(nodes[owners[i]!]!),
  })).sort((a, b) => (a.hash < b.hash ? -1 : 1));
}

function start(options?: RingHashOptions) {
  const source = new Subject<NodeSet>();
  let picker: Picker | undefined;
  source.pipe(ringHash(options)).subscribe((next) => (picker = next));
  const take = (key: string | undefined, exclude?: ReadonlySet<string>) => {
    const pick = picker!.pick({ ...(key !== undefined && { key }), ...(exclude && { exclude }) });
    pick.node && pick.release();
    return pick.node!;
  };
  return {
    set: (nodes: readonly Node[]) => source.next(NodeSet.of(nodes)),
    take,
    homes: (keys: readonly string[]) => keys.map((key) => take(key).id),
  };
}

const keys = Array.from({ length: 2_000 }, (_, i) => `user-${i}`);
const listed = (count: number, init: (i: number) => NodeInit = () => ({})) =>
  Array.from({ length: count }, (_, i) => createNode({ address: `10.0.${i >> 8}.${i & 255}:50051`, ...init(i) }));

describe('the ring', () => {
  it('is the one that Envoy publishes in its tests', () => {
    const nodes = [90, 91, 92, 93, 94, 95].map((port) => createNode({ address: { host: '127.0.0.1', port } }));
    expect(ourRing(nodes, 12, 4_096).map(({ hash, address }) => `${address} ${hash}`)).toEqual([
      '127.0.0.1:94 833437586790550860',
      '127.0.0.1:92 928266305478181108',
      '127.0.0.1:90 1033482794131418490',
      '127.0.0.1:95 3551244743356806947',
      '127.0.0.1:93 3851675632748031481',
      '127.0.0.1:91 5583722120771150861',
      '127.0.0.1:91 6311230543546372928',
      '127.0.0.1:93 7700377290971790572',
      '127.0.0.1:95 13144177310400110813',
      '127.0.0.1:92 13444792449719432967',
      '127.0.0.1:94 15516499411664133160',
      '127.0.0.1:90 16117243373044804889',
    ]);
  });

  it('is to the last entry the one of gRPC for Node, whatever the weights and sizes', async () => {
    const endpoint = fc.record({
      port: fc.integer({ min: 1, max: 65_535 }),
      weight: fc.integer({ min: 1, max: 1_000 }),
    });
    const endpoints = fc.uniqueArray(endpoint, { selector: ({ port }) => port, minLength: 1, maxLength: 12 });
    const sizes = fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 }));
    await fc.assert(
      fc.asyncProperty(
        endpoints,
        sizes,
        fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
        async (list, of, sought) => {
          const [min, max] = [Math.min(...of), Math.max(...of)];
          const nodes = list
            .map(({ port, weight }) => createNode({ address: `10.1.2.3:${port}`, weight }))
            .sort((a, b) => (a.id < b.id ? -1 : 1));
          const theirs = await theirRing(nodes, min, max);
          const ours = ourRing(nodes.toReversed(), min, max);
          const addresses = theirs.ring.map(({ leafBalancer }) => formatAddress(leafBalancer.endpoint.addresses[0]!));
          expect(ours.map(({ hash }) => hash)).toEqual(theirs.ring.map(({ hash }) => hash));
          expect(ours.map(({ address }) => address)).toEqual(addresses);
          for (const hash of sought) {
            const found = ours.findIndex((entry) => entry.hash >= hash);
            expect(theirs.findIndexForHash(hash)).toBe(found < 0 ? 0 : found);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('ringHash', () => {
  it('places a node by its hash key, whatever its address', () => {
    const named = (i: number, port: number) =>
      createNode({ id: `pod-${i}`, address: `10.9.9.${i}:${port}`, metadata: { hash_key: `web-${i}` } });
    const bed = start();
    bed.set([0, 1, 2, 3].map((i) => named(i, 50_051)));
    const before = bed.homes(keys);
    bed.set([0, 1, 2, 3].map((i) => named(i, 50_052)));
    expect(bed.homes(keys)).toEqual(before);
    const byName = start();
    byName.set([0, 1, 2, 3].map((i) => createNode({ id: `pod-${i}`, address: { host: `web-${i}`, port: 1 } })));
    expect(byName.homes(keys)).not.toEqual(before);
    // Another key, another place (gRFC A76); an empty one counts as none.
    bed.set([0, 1, 2, 3].map((i) => updateNode(named(i, 50_052), { metadata: { hash_key: `other-${i}` } })));
    expect(bed.homes(keys)).not.toEqual(before);
    const byAddress = start();
    byAddress.set([0, 1, 2, 3].map((i) => updateNode(named(i, 50_052), { metadata: {} })));
    bed.set([0, 1, 2, 3].map((i) => updateNode(named(i, 50_052), { metadata: { hash_key: '' } })));
    expect(bed.homes(keys)).toEqual(byAddress.homes(keys));
  });

  it('gives the keys of a node that is down to others and moves none of theirs', () => {
    const nodes = listed(10);
    const bed = start();
    bed.set(nodes);
    const before = bed.homes(keys);
    for (const down of [
      updateNode(nodes[3]!, { health: 'ejected' }),
      updateNode(nodes[3]!, { availability: 'connecting' }),
    ]) {
      bed.set(nodes.map((node) => (node.id === down.id ? down : node)));
      bed.homes(keys).forEach((home, i) => {
        if (before[i] === down.id) expect(home).not.toBe(down.id);
        else expect(home).toBe(before[i]);
      });
    }
    bed.set(nodes);
    expect(bed.homes(keys)).toEqual(before);
  });

  it('counts nodes of one address as one, with their weights added, and shares its entries among them', () => {
    const others = listed(5);
    const single = createNode({ id: 'single', address: '10.5.0.1:50051', weight: 3 });
    const alone = start();
    alone.set([...others, single]);
    const before = alone.homes(keys);
    const bed = start();
    const shared = ['a', 'b'].map((id, i) => createNode({ id, address: '10.5.0.1:50051', weight: 2 - i }));
    bed.set([...others, ...shared]);
    const homes = bed.homes(keys);
    homes.forEach((home, i) => expect(before[i] === 'single' ? ['a', 'b'] : [before[i]]).toContain(home));
    const [a, b] = ['a', 'b'].map((id) => homes.filter((home) => home === id).length);
    expect(a! / b!).toBeGreaterThan(1.5);
    expect(a! / b!).toBeLessThan(2.7);
    // Among themselves only the keys of the one that goes move.
    const three = [...shared, createNode({ id: 'c', address: '10.5.0.1:50051', weight: 3 })];
    const same = start();
    same.set(three);
    const among = same.homes(keys);
    same.set(three.slice(0, 2));
    same.homes(keys).forEach((home, i) => expect(among[i] === 'c' || home === among[i]).toBe(true));
  });

  it('finds a node for each call where there are more nodes than entries', () => {
    const nodes = listed(10_000);
    const placed = entriesOf(nodes, nodes.map(addressOf), 1_024, 4_096).owners;
    const owners = new Set(Array.from(placed, (owner) => nodes[owner]!.id));
    expect(owners.size).toBeLessThanOrEqual(4_096);
    const bed = start();
    bed.set(nodes);
    for (const home of bed.homes(keys)) expect(owners).toContain(home);
    const tried = new Set(owners);
    for (const key of keys.slice(0, 300)) tried.add(bed.take(key, tried).id);
    expect(tried.size).toBe(owners.size + 300);
    // Only such as have none are left.
    bed.set(nodes.map((node) => (owners.has(node.id) ? updateNode(node, { health: 'notServing' }) : node)));
    expect(new Set(bed.homes(keys)).size).toBeGreaterThan(1_000);
    const large = start({ minRingSize: 524_288, maxRingSize: 1_048_576 });
    large.set(nodes);
    expect(new Set(large.homes(Array.from({ length: 150_000 }, (_, i) => `k${i}`))).size).toBe(10_000);
  });

  it('takes any weights, ids and keys', () => {
    const weights = [0.1, 1, 10, 100, 1_000];
    const bed = start({ minRingSize: 65_536, maxRingSize: 1_048_576 });
    bed.set(listed(5, (i) => ({ weight: weights[i]!, id: `nœud-🦊-${i}`, metadata: { hash_key: `clé-${i}` } })));
    const counts = new Map<string, number>();
    for (let i = 0; i < 50_000; i++) {
      const { id } = bed.take(`ключ-${i}`);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    weights.forEach((weight, i) => {
      const share = (counts.get(`nœud-🦊-${i}`) ?? 0) / 50_000;
      expect(Math.abs(share - weight / 1_111.1)).toBeLessThan(0.01);
    });
    bed.set(listed(2, (i) => ({ weight: [1e-300, 1e300][i]! })));
    expect(new Set(bed.homes(keys)).size).toBeGreaterThan(0);
    bed.set(listed(1));
    expect(new Set(bed.homes(keys)).size).toBe(1);
    expect(bed.take('').id).toBe('10.0.0.0:50051');
  });

  it('sends calls without a key anywhere, by chance', () => {
    const nodes = listed(4);
    const bed = start();
    bed.set(nodes);
    expect(new Set(Array.from({ length: 300 }, () => bed.take(undefined).id)).size).toBe(4);
  });

  it('refuses senseless options by name', () => {
    for (const size of [0, -1, 1.5, 8_388_609, Number.NaN]) {
      expect(() => ringHash({ minRingSize: size })).toThrow(/minRingSize/);
      expect(() => ringHash({ maxRingSize: size })).toThrow(/maxRingSize/);
    }
    expect(() => ringHash({ minRingSize: 5_000 })).toThrow(/minRingSize must be at most maxRingSize, which is 4096/);
    for (const boundedLoad of [1, 0, -1, Infinity, Number.NaN]) {
      expect(() => ringHash({ boundedLoad })).toThrow(/boundedLoad/);
    }
  });
});
