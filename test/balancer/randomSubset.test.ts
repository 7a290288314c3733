/** What subsets are made of, how evenly they fall, and that a real client dials nobody else. */

import fc from 'fast-check';
import { BehaviorSubject, firstValueFrom, Subject } from 'rxjs';
import type { Picker } from '../../src/balancer/picker.js';
import { randomSubset, type RandomSubsetOptions } from '../../src/balancer/randomSubset.js';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { createClient } from '../../src/client/client.js';
import { createFleet, type Fleet } from '../../src/client/fleet.js';
import type { DecisionMade } from '../../src/call/callEvent.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter, type Greeter as Server } from '../support/greeter.js';
import { until } from '../support/until.js';

function start(size: number, options?: RandomSubsetOptions) {
  const source = new Subject<NodeSet>();
  let picker: Picker | undefined;
  source.pipe(randomSubset(size, options)).subscribe((next) => (picker = next));
  const bed = {
    next: (set: NodeSet) => {
      source.next(set);
      return bed.subset();
    },
    set: (nodes: readonly Node[]) => bed.next(NodeSet.of(nodes)),
    subset: () => new Set(picker!.reach!.nodes.map(({ id }) => id)),
    picker: () => picker!,
  };
  return bed;
}

const listed = (count: number, init: (i: number) => NodeInit = () => ({})) =>
  Array.from({ length: count }, (_, i) => createNode({ address: `10.0.${i >> 8}.${i & 255}:50051`, ...init(i) }));
const minus = (a: ReadonlySet<string>, b: ReadonlySet<string>) => [...a].filter((id) => !b.has(id));

describe('randomSubset', () => {
  it('changes at most one node for each that comes or goes, whatever came before', () => {
    const ids = fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 25 });
    const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(
        ids,
        fc.array(fc.integer({ min: 0, max: 30 })),
        seed,
        fc.integer({ min: 1, max: 8 }),
        (first, changes, of, size) => {
          const node = (i: number) => createNode({ id: `n${i}`, address: '10.0.0.1:50051' });
          const bed = start(size, { seed: of });
          let set = NodeSet.of(first.map(node));
          let before = bed.next(set);
          for (const i of changes) {
            set = set.has(`n${i}`) ? set.without(`n${i}`) : set.with(node(i));
            const after = bed.next(set);
            expect(after.size).toBe(Math.min(size, set.size));
            expect(minus(after, before).length).toBeLessThanOrEqual(1);
            expect(minus(before, after).length).toBeLessThanOrEqual(1);
            for (const { id } of bed.picker().reach!.nodes) expect(bed.picker().reach!.get(id)).toBe(set.get(id));
            // The same as of a client that starts now.
            expect(after).toEqual(start(size, { seed: of }).set(set.nodes.toReversed()));
            before = after;
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('is of what is listed, not of what is well', () => {
    const nodes = listed(20);
    const bed = start(4, { seed: 7 });
    const before = bed.set(nodes);
    const down = nodes.map((node, i) =>
      updateNode(node, i % 2 ? { availability: 'unavailable' } : { health: 'ejected' }),
    );
    expect(bed.set(down)).toEqual(before);
    const nobody = bed.picker().pick({});
    expect(nobody).toMatchObject({ node: undefined, code: 'NO_NODES', pending: false });
    expect(nobody.why.leftOut).toHaveLength(20);
    // Weight 0 is no place.
    const weightless = nodes.map((node) => (before.has(node.id) ? updateNode(node, { weight: 0 }) : node));
    expect(minus(bed.set(weightless), before)).toHaveLength(4);
    expect(bed.set(nodes)).toEqual(before);
  });

  it('follows one node after the other, also where only its state changes', () => {
    const nodes = listed(50);
    const bed = start(5, { seed: 3 });
    let set = NodeSet.of(nodes);
    const before = bed.next(set);
    for (const node of nodes) {
      const { picker } = bed;
      const part = picker().reach;
      set = set.with(updateNode(node, { load: { cpu: 0.5 } }));
      expect(bed.next(set)).toEqual(before);
      expect(picker().set).toBe(set);
      // What is outside is nothing new to the balancer within.
      if (!before.has(node.id)) expect(picker().reach).toBe(part);
      else expect(picker().reach!.get(node.id)!.load).toEqual({ cpu: 0.5 });
    }
    set = set.withStale({ since: 5, reason: 'cut off' });
    bed.next(set);
    expect(bed.picker().reach!.stale).toEqual({ since: 5, reason: 'cut off' });
  });

  it('tells of each node why it could not take the call, and asks only the subset whether to wait', () => {
    const ocr = { name: 'task ocr', test: ({ tags }: Node) => tags.task === 'ocr' };
    const nodes = listed(6, (i) => ({ id: 'abcdef'[i]! }));
    const bed = start(2, { seed: 1, balancer: leastLoaded() });
    const [in1, in2] = [...bed.set(nodes)];
    const pick = bed.picker().pick({ exclude: new Set([in1!]) });
    expect(pick.node!.id).toBe(in2);
    expect(pick.why.strategy).toBe('random_subsetting_experimental: least_loaded');
    expect(pick.why.candidates.map(({ node }) => node)).toEqual([in2]);
    expect(pick.why.leftOut).toEqual(
      nodes
        .filter(({ id }) => id !== in2)
        .map(({ id }) => ({
          node: id,
          ...(id === in1
            ? { obstacle: 'tried', reason: 'tried already' }
            : { obstacle: 'elsewhere', reason: 'outside the subset of 2' }),
        })),
    );
    // Somebody outside is being asked, and somebody offers the task: neither is of any help.
    bed.set(
      nodes.map((node) => {
        if (node.id === in1 || node.id === in2) return node;
        return updateNode(node, node.id < 'd' ? { compatibility: 'pending' } : { tags: { task: 'ocr' } });
      }),
    );
    expect(bed.picker().pick({ requires: ocr })).toMatchObject({ code: 'NO_NODE_FOR_TASK', pending: false });
  });

  it('gives clients subsets of their own, and one client the same for as long as it lives', () => {
    const random = seededRandom(5);
    const nodes = listed(1_000);
    const subsets = Array.from({ length: 20 }, () => start(20, { random }).set(nodes));
    expect(new Set(subsets.map((subset) => [...subset].sort().join())).size).toBe(20);
    const kept = start(20, { seed: 12 });
    expect(kept.set(nodes)).toEqual(kept.set(nodes.map((node) => updateNode(node, { weight: 2 }))));
    expect(kept.subset()).toEqual(start(20, { seed: 12 }).set(nodes));
  });

  it('spreads clients over nodes as chance does, and moves few connections, as the docs say', () => {
    const random = seededRandom(7);
    const [clients, count, size] = [1_000, 1_000, 20];
    const nodes = listed(count);
    const held = new Map(nodes.map(({ id }) => [id, 0]));
    let moved = 0;
    for (let i = 0; i < clients; i++) {
      const bed = start(size, { random });
      const before = bed.set(nodes);
      for (const id of before) held.set(id, held.get(id)! + 1);
      moved += minus(bed.set(nodes.slice(1)), before).length;
    }
    const counts = [...held.values()];
    const mean = (clients * size) / count;
    const deviation = Math.sqrt(counts.reduce((sum, each) => sum + (each - mean) ** 2, 0) / count);
    expect(deviation).toBeGreaterThan(0.85 * Math.sqrt(mean));
    expect(deviation).toBeLessThan(1.15 * Math.sqrt(mean));
    expect(Math.max(...counts)).toBeLessThan(2.2 * mean);
    expect(moved / clients).toBeLessThan(0.04);
  });

  it('takes sets of one, two and ten thousand nodes, and ids of any kind', () => {
    for (const count of [1, 2, 10_000]) {
      const bed = start(20, { seed: 9 });
      expect(bed.set(listed(count, (i) => ({ id: `nœud-🦊-${i}` }))).size).toBe(Math.min(20, count));
      expect(bed.picker().pick({}).node).toBeDefined();
    }
  });

  it('refuses senseless options by name', () => {
    for (const size of [0, -1, 1.5, Number.NaN, Infinity]) expect(() => randomSubset(size)).toThrow(/subsetSize/);
    for (const seed of [-1, 0.5, 2 ** 32, Number.NaN]) expect(() => randomSubset(2, { seed })).toThrow(/seed/);
  });
});

describe('a client with a subset', () => {
  let servers: Server[] = [];
  let fleet: Fleet | undefined;
  afterEach(async () => {
    await fleet?.close({ drainMs: 0 });
    await Promise.all(servers.map((server) => server.close(0)));
    servers = [];
  });

  it('dials nobody else, also when of its own some are down or ejected', async () => {
    servers = await Promise.all('abcdefgh'.split('').map((name) => startGreeter({ name })));
    const node = ({ name, address }: Server) => createNode({ id: name, address });
    const list$ = new BehaviorSubject(NodeSet.of(servers.map(node)));
    const dialled = new Set<string>();
    const transport = grpcTransport({ connectDeadlineMs: 1_000 });
    fleet = createFleet({
      service: 'demo.Greeter',
      discovery: () => list$,
      transport: {
        ...transport,
        open: (to) => {
          dialled.add(to.id);
          return transport.open(to);
        },
      },
      balancer: randomSubset(3, { seed: 11 }),
    });
    const greeter = createClient(fleet, Greeter);
    const decisions: DecisionMade[] = [];
    fleet.decisions$.subscribe((decision) => decisions.push(decision));
    const callers = async (count: number) => {
      const answers = new Set<string>();
      for (let i = 0; i < count; i++) {
        answers.add((await firstValueFrom(greeter.sayHello({}, { deadlineMs: 5_000, failover: true }))).node);
      }
      return answers;
    };
    const of = (name: string) => servers.find((server) => server.name === name)!;

    await until('the subset is connected', () => servers.filter(({ connections }) => connections > 0).length === 3);
    const subset = new Set(dialled);
    expect(subset.size).toBe(3);
    expect(await callers(30)).toEqual(subset);
    const { leftOut } = decisions.at(-1)!;
    expect(
      leftOut.filter(({ obstacle, reason }) => obstacle === 'elsewhere' && reason === 'outside the subset of 3'),
    ).toHaveLength(5);

    // Ejected: the others of the subset take its calls, and nobody takes its place.
    const [first, second, third] = [...subset];
    fleet.eject(first!, { by: 'test', obstacle: 'ejected', reason: 'for the test', until: undefined });
    expect(await callers(20)).toEqual(new Set([second, third]));
    // Gone from the network, but still listed.
    await of(second!).close(0);
    await until('the fleet has seen it', () => fleet!.nodes$.value.get(second!)!.availability !== 'ready');
    expect(await callers(20)).toEqual(new Set([third]));
    expect(dialled).toEqual(subset);
    for (const { name, calls, connections } of servers) {
      if (!subset.has(name)) expect({ name, calls, connections }).toEqual({ name, calls: 0, connections: 0 });
    }

    // No longer listed: one other takes its place.
    list$.next(list$.value.without(second!));
    await until('another is connected', () => dialled.size === 4);
    const [fourth] = minus(dialled, subset);
    await until('it takes calls', () => fleet!.nodes$.value.get(fourth!)!.availability === 'ready');
    expect(await callers(20)).toEqual(new Set([third, fourth]));
    fleet.readmit(first!, 'test');
    expect(await callers(30)).toEqual(new Set([first, third, fourth]));
    expect(dialled.size).toBe(4);
  });
});
