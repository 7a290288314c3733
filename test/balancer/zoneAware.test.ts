import fc from 'fast-check';
import { BehaviorSubject, of, Subject } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import type { Picker } from '../../src/balancer/picker.js';
import { zoneAware, type ZoneAwareOptions } from '../../src/balancer/zoneAware.js';
import { zoneShares } from '../../src/balancer/zoneAware/zoneShares.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

const node = (id: string, zone: string | undefined, more: NodeInit = {}) =>
  createNode({ id, address: `${id}.example:1`, zone, ...more });
/** So many nodes in each zone. */
const inZones = (zones: Readonly<Record<string, number>>, more: NodeInit = {}) =>
  Object.entries(zones).flatMap(([zone, count]) =>
    Array.from({ length: count }, (_, i) => node(`${zone}${i}`, zone, more)),
  );

function pickerOf(nodes: readonly Node[], options: ZoneAwareOptions): Picker {
  let picker: Picker | undefined;
  of(NodeSet.of(nodes))
    .pipe(zoneAware(options))
    .subscribe((next) => (picker = next));
  return picker!;
}

/** The percentage of the calls that each zone gets, with chance in ten thousand even steps. */
function percentages(nodes: readonly Node[], options: ZoneAwareOptions, context = {}): Record<string, number> {
  let step = 0;
  const picker = pickerOf(nodes, { ...options, random: () => ((step++ % 10_000) + 0.5) / 10_000 });
  const counts: Record<string, number> = {};
  for (let i = 0; i < 10_000; i++) {
    const pick = picker.pick(context);
    const { zone = 'none' } = pick.node!;
    counts[zone] = (counts[zone] ?? 0) + 1;
    if (pick.node) pick.end({ status: 'ok', latencyMs: 1 });
  }
  return Object.fromEntries(Object.entries(counts).map(([zone, count]) => [zone, count / 100]));
}

const expectShares = (found: Record<string, number>, expected: Record<string, number>) => {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [zone, share] of Object.entries(expected)) expect(found[zone]).toBeCloseTo(share, 1);
};
const strategyOf = (nodes: readonly Node[], options: ZoneAwareOptions) =>
  pickerOf(nodes, options).pick({}).why.strategy;

describe('the cases of Envoy', () => {
  it('callers 40, 40, 20 and nodes 25, 50, 25: 62.5 % stay, the rest goes 2 to 1 to those with room', () => {
    const nodes = inZones({ a: 5, b: 10, c: 5 });
    const clients = { a: 40, b: 40, c: 20 };
    expectShares(percentages(nodes, { zone: 'a', clients }), { a: 62.5, b: 25, c: 12.5 });
  });

  it('20 % of the callers and 10 % of the nodes: half of the calls stay', () => {
    const nodes = inZones({ a: 1, b: 9 });
    expectShares(percentages(nodes, { zone: 'a', clients: { a: 2, b: 8 } }), { a: 50, b: 50 });
  });

  it('as many nodes as callers in each zone: all calls stay', () => {
    expectShares(percentages(inZones({ a: 2, b: 2, c: 2 }), { zone: 'b' }), { b: 100 });
  });

  it('zones of callers and nodes that do not match: what is left counts by zone, not by place', () => {
    const clients = { a: 2, b: 2, c: 1, d: 1 };
    const found = percentages(inZones({ a: 1, c: 3, d: 3, e: 1 }), { zone: 'a', clients });
    const rest = 62.5 / (20.83 + 20.83 + 12.5);
    expectShares(found, { a: 37.5, c: 20.83 * rest, d: 20.83 * rest, e: 12.5 * rest });
  });

  it('a zone without nodes gives everything to those that have more nodes than callers', () => {
    const found = percentages(inZones({ a: 1, c: 5 }), { zone: 'b', clients: { a: 1, b: 1, c: 1 } });
    expectShares(found, { c: 100 });
  });

  it('no zone of the callers has nodes: even shares', () => {
    const found = percentages(inZones({ d: 2, e: 2, f: 2 }), { zone: 'a', clients: { a: 1, b: 1, c: 1 } });
    expectShares(found, { d: 100 / 3, e: 100 / 3, f: 100 / 3 });
  });

  it('a zone of callers that has no nodes needs room in the others', () => {
    const options = { zone: 'b', minNodes: 3, clients: { a: 1, b: 1 } };
    expectShares(percentages(inZones({ a: 1, b: 1, c: 1 }), options), { b: 66.67, c: 33.33 });
  });

  it('by weight: two callers of 100 are one of 200', () => {
    const callers = [node('x', 'a', { weight: 100 }), node('y', 'a', { weight: 100 }), node('z', 'b', { weight: 200 })];
    const nodes = inZones({ a: 1, b: 1 }, { weight: 100 });
    const options = { zone: 'a', minNodes: 2, clients: new BehaviorSubject(NodeSet.of(callers)) };
    expectShares(percentages(nodes, { ...options, useNodeWeight: true }), { a: 100 });
    expectShares(percentages(nodes, options), { a: 75, b: 25 });
  });
});

describe('zoneShares', () => {
  it('loads every node alike, if all callers keep to it', () => {
    const zones = fc.array(fc.record({ nodes: fc.nat(20), callers: fc.nat(20) }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(zones, (given) => {
        const nodes = given.map((zone, i) => ({ name: `z${i}`, capacity: zone.nodes })).filter((z) => z.capacity > 0);
        const clients = new Map(given.flatMap(({ callers }, i) => (callers > 0 ? [[`z${i}`, callers] as const] : [])));
        fc.pre(nodes.length > 0 && clients.size > 0);
        const load = nodes.map(() => 0);
        for (const [zone, callers] of clients) {
          const shares = zoneShares(nodes, zone, clients);
          expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
          shares.forEach((share, i) => (load[i]! += share * callers));
        }
        const perNode = load.map((sum, i) => sum / nodes[i]!.capacity);
        for (const each of perNode) expect(each).toBeCloseTo(perNode[0]!, 9);
      }),
    );
  });
});

describe('zoneAware', () => {
  it('by default callers are as many in each zone with nodes, and in this one', () => {
    expectShares(percentages(inZones({ a: 1, b: 3, c: 5 }), { zone: 'a' }), { a: 33.33, c: 66.67 });
    expectShares(percentages(inZones({ b: 3, c: 3 }), { zone: 'a' }), { b: 50, c: 50 });
  });

  it('spreads over all zones with few nodes, in one zone, with sick nodes and without callers, and says so', () => {
    const few = inZones({ a: 1, b: 4 });
    expectShares(percentages(few, { zone: 'a' }), { a: 20, b: 80 });
    expect(strategyOf(few, { zone: 'a' })).toBe(
      'zone_aware (all zones, since there are 5 of at least 6 nodes): round_robin',
    );
    expect(strategyOf(inZones({ b: 9 }), { zone: 'a' })).toContain('since all nodes are in one zone');
    const sick = [...inZones({ a: 4, b: 4 }), ...inZones({ c: 9 }, { health: 'notServing' })];
    expect(strategyOf(sick, { zone: 'a' })).toContain('since 8 of 17 nodes are healthy');
    expect(strategyOf(sick, { zone: 'a', panicThreshold: 0 })).toBe('zone_aware (zone a): round_robin');
    expect(strategyOf(inZones({ a: 4, b: 4 }), { zone: 'a', clients: { a: 3 } })).toContain(
      'since all callers are in one zone',
    );
  });

  it('follows the callers, and ignores zones while too few of them are healthy', () => {
    const callers$ = new Subject<NodeSet>();
    const pickers: Picker[] = [];
    const nodes$ = new BehaviorSubject(NodeSet.of(inZones({ a: 5, b: 5 })));
    const life = nodes$
      .pipe(zoneAware({ zone: 'a', clients: callers$, random: () => 0.99 }))
      .subscribe((next) => pickers.push(next));
    const strategy = () => pickers.at(-1)!.pick({}).why.strategy;
    expect(strategy()).toContain('no caller is known yet');
    callers$.next(NodeSet.of(inZones({ a: 3, b: 1 })));
    expect(strategy()).toBe('zone_aware (zone b): round_robin');
    callers$.next(NodeSet.of(inZones({ a: 2, b: 3 })));
    expect(strategy()).toBe('zone_aware (zone a): round_robin');
    callers$.next(NodeSet.of([...inZones({ a: 2 }), ...inZones({ b: 3 }, { health: 'ejected' })]));
    expect(strategy()).toContain('since 2 of 5 callers are healthy');
    callers$.next(NodeSet.of(inZones({ b: 3 })));
    expect(strategy()).toContain('since no caller is known in zone a');
    callers$.next(NodeSet.of(inZones({ a: 1, b: 1 })));
    callers$.error(new Error('their discovery gave up'));
    expect(strategy()).toBe('zone_aware (zone a): round_robin');
    nodes$.next(NodeSet.of(inZones({ a: 6, b: 5 })));
    expect(strategy()).toBe('zone_aware (zone a): round_robin');
    life.unsubscribe();
    expect(nodes$.observed || callers$.observed).toBe(false);
  });

  it('a task that few nodes of the zone offer has shares of its own', () => {
    const offering = (nodes: readonly Node[], ids: readonly string[]) =>
      nodes.map((each) => (ids.includes(each.id) ? updateNode(each, { tags: { ocr: '' } }) : each));
    const nodes = offering(inZones({ a: 8, b: 8 }), ['a0', 'b0', 'b1', 'b2', 'b3', 'b4']);
    const requires = { name: 'task ocr', test: ({ tags }: Node) => 'ocr' in tags };
    expectShares(percentages(nodes, { zone: 'a' }), { a: 100 });
    expectShares(percentages(nodes, { zone: 'a' }, { requires }), { a: 33.33, b: 66.67 });
    const nobody = pickerOf(nodes, { zone: 'a' }).pick({ requires: { name: 'task none', test: () => false } });
    expect(nobody).toMatchObject({ node: undefined, pending: false, code: 'NO_NODE_FOR_TASK' });
  });

  it('equal keys stay in their zone, also when a node comes', () => {
    const nodes$ = new BehaviorSubject(NodeSet.of(inZones({ a: 10, b: 30, c: 30 })));
    const pickers: Picker[] = [];
    nodes$.pipe(zoneAware({ zone: 'a', balancer: consistentHash() })).subscribe((next) => pickers.push(next));
    const homes = () => Array.from({ length: 3_000 }, (_, i) => pickers.at(-1)!.pick({ key: `user-${i}` }).node!.id);
    const before = homes();
    expect(homes()).toEqual(before);
    nodes$.next(NodeSet.of(inZones({ a: 11, b: 30, c: 30 })));
    const moved = homes().filter((home, i) => home !== before[i]).length / 3_000;
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThan(0.15);
  });

  it('a call that failed on all of its zone goes to another one, and why says so', () => {
    const nodes = inZones({ a: 4, b: 3, c: 1 });
    const tried = new Set(['a0', 'a1', 'a2', 'a3']);
    const options = { zone: 'a', random: () => 0.1 };
    const pick = pickerOf(nodes, options).pick({ exclude: tried });
    expect(pick.node!.id).toBe('b0');
    expect(pick.why.strategy).toBe('zone_aware (zone a has nobody, fell to zone b): round_robin');
    expect(pick.why.leftOut.find((each) => each.node === 'c0')).toEqual({
      ...{ node: 'c0', obstacle: 'elsewhere', reason: 'zone c' },
    });
    const all = new Set(nodes.map(({ id }) => id));
    expect(pickerOf(nodes, options).pick({ exclude: all }).node!.zone).toBe('a');
    expect(pickerOf(nodes, options).pick({ exclude: all, strict: true })).toMatchObject({ node: undefined });
  });

  it('says to wait where those that are left are being dialled', () => {
    const nodes = [...inZones({ a: 3, b: 3 }), node('d', 'c', { availability: 'connecting' })];
    const exclude = new Set(nodes.map(({ id }) => id));
    const waiting = pickerOf(nodes, { zone: 'a' }).pick({ exclude, strict: true });
    expect(waiting).toMatchObject({ node: undefined, pending: true });
    expect(pickerOf([node('d', 'a', { availability: 'connecting' })], { zone: 'a' }).pick({})).toMatchObject({
      ...{ node: undefined, pending: true, code: 'NO_NODES' },
    });
  });

  it('nodes of no zone are a zone of their own', () => {
    const nodes = [...inZones({ a: 4 }), ...[1, 2, 3, 4].map((i) => node(`n${i}`, undefined))];
    expectShares(percentages(nodes, { zone: 'a' }), { a: 100 });
    const { leftOut } = pickerOf(nodes, { zone: 'a' }).pick({}).why;
    expect(leftOut[0]).toEqual({ node: 'n1', obstacle: 'elsewhere', reason: 'no zone' });
  });

  it('may keep calls in a region', () => {
    const nodes = inZones({ a: 3, b: 3 }).map((each) => updateNode(each, { region: each.zone === 'a' ? 'eu' : 'us' }));
    expectShares(percentages(nodes, { zone: 'us', zoneOf: ({ region }) => region }), { b: 100 });
  });

  it('refuses what makes no sense, by name', () => {
    for (const [options, field] of [
      [{ zone: '' }, /zone/],
      [{ zone: 'a', clients: { b: 1 } }, /clients\.a/],
      [{ zone: 'a', clients: { a: 0 } }, /clients\.a/],
      [{ zone: 'a', clients: { a: 1, b: Number.NaN } }, /clients\.b/],
      [{ zone: 'a', minNodes: -1 }, /minNodes/],
      [{ zone: 'a', minNodes: Number.NaN }, /minNodes/],
      [{ zone: 'a', panicThreshold: 2 }, /panicThreshold/],
    ] as const) {
      expect(() => zoneAware(options)).toThrow(FleetError);
      expect(() => zoneAware(options)).toThrow(field);
    }
  });
});
