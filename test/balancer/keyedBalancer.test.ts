/** Bounded loads, of every hashing strategy, against a reading of the rule that counts everything anew for each call. */

import fc from 'fast-check';
import { Subject } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import type { KeyedOptions } from '../../src/balancer/keyedBalancer.js';
import { maglev } from '../../src/balancer/maglev.js';
import type { Balancer, Pick, PickContext, Picker, Requirement } from '../../src/balancer/picker.js';
import { ringHash } from '../../src/balancer/ringHash.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

const strategies: Readonly<Record<string, (options?: KeyedOptions) => Balancer>> = {
  consistentHash,
  ringHash,
  maglev: (options) => maglev({ tableSize: 1_009, ...options }),
};
/** With a place for each of ten thousand nodes. */
const large: Readonly<Record<string, (options?: KeyedOptions) => Balancer>> = {
  consistentHash,
  ringHash: (options) => ringHash({ maxRingSize: 131_072, ...options }),
  maglev,
};
const done = { status: 'ok', latencyMs: 1 } as const;
const task: Requirement = { name: 'task ocr', test: ({ tags }) => tags.task === 'ocr' };

function start(balancer: Balancer, nodes: readonly Node[] = []) {
  const source = new Subject<NodeSet>();
  let picker: Picker | undefined;
  source.pipe(balancer).subscribe((next) => (picker = next));
  const bed = {
    set: (given: readonly Node[]) => source.next(NodeSet.of(given)),
    pick: (context: PickContext) => picker!.pick(context) as Pick,
  };
  if (nodes.length > 0) bed.set(nodes);
  return bed;
}

const listed = (count: number, init: (i: number) => NodeInit = () => ({})) =>
  Array.from({ length: count }, (_, i) => createNode({ address: `10.0.${i >> 8}.${i & 255}:50051`, ...init(i) }));

/** The nodes in the order in which a key comes to them, asked of a balancer without a bound. */
function orderOf(unbounded: Balancer, nodes: readonly Node[], key: string): readonly Node[] {
  // With counters of their own, which the asking must not change.
  const bed = start(
    unbounded,
    nodes.map((node) => createNode({ ...node, stats: undefined! })),
  );
  const tried = new Set<string>();
  return nodes.map(() => {
    const { id } = bed.pick({ key, exclude: tried }).node;
    tried.add(id);
    return nodes.find((node) => node.id === id)!;
  });
}

describe.each(Object.entries(strategies))('%s', (_, make) => {
  it('goes on where what a call requires holds of a node now and not a moment later', () => {
    const pickers: Picker[] = [];
    const sets = new Subject<NodeSet>();
    sets.pipe(make()).subscribe((picker) => pickers.push(picker));
    const nodes = listed(3);
    const idle: Requirement = { name: 'idle', test: ({ stats }) => stats.inFlight === 0 };
    sets.next(NodeSet.of(nodes));
    const first = pickers[0]!.pick({ key: 'k', requires: idle }).node;
    sets.next(NodeSet.of(nodes));
    const second = pickers[1]!.pick({ key: 'k', requires: idle }).node;
    // The first list is told to the ring again, and two of its nodes are busy by now.
    expect(pickers[0]!.pick({ key: 'k', requires: idle }).node).toBe(first);
    expect(second).not.toBe(first);
    expect(nodes.map(({ stats }) => stats.inFlight).sort()).toEqual([0, 1, 2]);
  });
});

describe.each(Object.entries(strategies))('%s with bounded loads', (name, make) => {
  it('takes the first node on the way of the key that is below its part of all calls in flight', () => {
    const node = fc.record({ weight: fc.constantFrom(0.5, 1, 2, 7), ocr: fc.boolean(), up: fc.boolean() });
    const step = fc.record({
      key: fc.integer({ min: 0, max: 5 }),
      ocr: fc.boolean(),
      end: fc.option(fc.nat(), { freq: 2 }),
      outage: fc.option(fc.nat(), { freq: 12 }),
    });
    const nodesOf = fc.array(node, { minLength: 1, maxLength: 6 });
    const bound = fc.constantFrom(1.01, 1.25, 2);
    fc.assert(
      fc.property(nodesOf, bound, fc.array(step, { maxLength: 60 }), (init, boundedLoad, steps) => {
        let nodes = listed(init.length, (i) => ({
          weight: init[i]!.weight,
          tags: { task: init[i]!.ocr ? 'ocr' : 'other' },
          health: init[i]!.up ? 'serving' : 'notServing',
        }));
        const bed = start(make({ boundedLoad }), nodes);
        const open: Pick[] = [];
        for (const { key, ocr, end, outage } of steps) {
          if (outage !== null) {
            nodes = nodes.map((each, i) =>
              i === outage % nodes.length
                ? updateNode(each, { health: each.health === 'serving' ? 'ejected' : 'serving' })
                : each,
            );
            bed.set(nodes);
          }
          const candidates = nodes.filter(({ health, tags }) => health === 'serving' && (!ocr || tags.task === 'ocr'));
          const pick = bed.pick({ key: `key ${key}`, ...(ocr && { requires: task }) });
          if (candidates.length === 0) {
            expect(pick.node).toBeUndefined();
            continue;
          }
          pick.release();
          // Where a node is has to do with all that could be there.
          const among = ocr ? nodes.filter(({ tags }) => tags.task === 'ocr') : nodes;
          const order = orderOf(
            make(),
            among.map((each) => updateNode(each, { health: 'serving' })),
            `key ${key}`,
          )
            .map(({ id }) => candidates.find((each) => each.id === id))
            .filter((each) => each !== undefined);
          const calls = candidates.reduce((sum, { stats }) => sum + stats.inFlight, 0);
          const weights = candidates.reduce((sum, { weight }) => sum + weight, 0);
          const expected = order.find(({ weight, stats }) => {
            return stats.inFlight < Math.ceil((boundedLoad * weight * (calls + 1)) / weights - 1e-9);
          });
          expect(pick.node.id).toBe(expected?.id);
          const kept = bed.pick({ key: `key ${key}`, ...(ocr && { requires: task }) });
          expect(kept.node.id).toBe(expected?.id);
          open.push(kept);
          if (end !== null) open.splice(end % open.length, 1)[0]!.end(done);
        }
      }),
      { numRuns: 120 },
    );
  });

  it('keeps a popular key from taking one node down, and lets it come home when the calls are over', () => {
    const nodes = listed(10);
    const bed = start(make({ boundedLoad: 1.25 }), nodes);
    const home = bed.pick({ key: 'popular' });
    home.release();
    const open = Array.from({ length: 400 }, () => bed.pick({ key: 'popular' }));
    const loads = nodes.map(({ stats }) => stats.inFlight);
    expect(Math.max(...loads)).toBe(50);
    expect(home.node.stats.inFlight).toBe(50);
    for (const pick of open) pick.end(done);
    expect(bed.pick({ key: 'popular' }).node.id).toBe(home.node.id);
  });

  it('never has more on a node than its bound, of ten thousand nodes of many weights', () => {
    const nodes = listed(10_000, (i) => ({ weight: [1, 2, 5, 30][i % 4]! }));
    const bed = start(large[name]!({ boundedLoad: 1.5 }), nodes);
    const weights = nodes.reduce((sum, { weight }) => sum + weight, 0);
    const open: Pick[] = [];
    for (let i = 0; i < 20_000; i++) {
      const pick = bed.pick({ key: `user-${i % 500}` });
      open.push(pick);
      const most = Math.ceil((1.5 * pick.node.weight * open.length) / weights);
      expect(pick.node.stats.inFlight).toBeLessThanOrEqual(most);
      if (i % 3 === 0) open.splice((i * 7_919) % open.length, 1)[0]!.end(done);
    }
  });

  it('gives a call that was tried before to a full node rather than to nobody', () => {
    const nodes = listed(2);
    const bed = start(make({ boundedLoad: 1.25 }), nodes);
    const first = bed.pick({ key: 'k' });
    const other = nodes.find(({ id }) => id !== first.node.id)!;
    const exclude = new Set([first.node.id]);
    for (let i = 0; i < 20; i++) expect(bed.pick({ key: 'k', exclude }).node.id).toBe(other.id);
  });

  it('sees the calls that others put on its nodes, and those that it has missed', () => {
    const nodes = listed(4);
    const bed = start(make({ boundedLoad: 1.25 }), nodes);
    bed.pick({ key: 'k' }).release();
    const others = start(roundRobin(), nodes);
    const open = Array.from({ length: 4_000 }, () => others.pick({}));
    // One node is looked at with each pick, so a round of picks is enough.
    for (let i = 0; i < nodes.length; i++) bed.pick({ key: 'k' }).release();
    const picks = Array.from({ length: 1_500 }, () => bed.pick({ key: 'k' }));
    const most = Math.max(...nodes.map(({ stats }) => stats.inFlight));
    expect(most).toBeGreaterThan(1_700);
    expect(most).toBeLessThanOrEqual(Math.ceil((1.25 * 5_500) / 4));
    // More changes than are kept for a list that is not asked meanwhile.
    for (const pick of [...picks, ...open]) pick.end(done);
    const [a, b] = [bed.pick({ key: 'k' }), bed.pick({ key: 'k' })];
    expect(a.node.id).not.toBe(b.node.id);
  });

  it('sees that calls of others are over, also on nodes that no key of its own comes to', () => {
    const nodes = listed(4);
    const bed = start(make({ boundedLoad: 1.25 }), nodes);
    const home = bed.pick({ key: 'k' });
    home.release();
    const others = start(roundRobin(), nodes.filter(({ id }, i) => i > 0 && id !== home.node.id).slice(0, 1));
    const open = Array.from({ length: 3_000 }, () => others.pick({}));
    const seen = Array.from({ length: 40 }, () => bed.pick({ key: 'k' }));
    for (const pick of [...open, ...seen]) pick.end(done);
    for (let i = 0; i < 200; i++) bed.pick({ key: 'k' });
    expect(home.node.stats.inFlight).toBeLessThanOrEqual(Math.ceil((1.25 * 200) / 4));
  });

  it('tells in its account how full each node is', () => {
    const bed = start(make({ boundedLoad: 1.25 }), listed(4));
    const open = Array.from({ length: 8 }, () => bed.pick({ key: 'k' }));
    const { candidates } = open[7]!.why;
    // ⌈1.25 × 9 ÷ 4⌉ = 3 calls are full.
    expect(candidates.map(({ score }) => score!).sort()).toEqual([0, 2 / 3, 1, 1]);
    expect(start(make(), listed(2)).pick({ key: 'k' }).why.candidates).toEqual([
      { node: '10.0.0.0:50051' },
      { node: '10.0.0.1:50051' },
    ]);
  });
});
