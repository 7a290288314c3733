import fc from 'fast-check';
import { BehaviorSubject, of } from 'rxjs';
import type { Picker } from '../../src/balancer/picker.js';
import { priorityFailover, type PriorityFailoverOptions } from '../../src/balancer/priorityFailover.js';
import { priorityLoads } from '../../src/balancer/priorityFailover/priorityLoads.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { nodesOf } from '../../src/discovery/xds/nodesOf.js';
import { HealthStatus } from '../../src/gen/envoy/core_pb.js';

const calm = { panicThreshold: 0 };
const node = (id: string, priority: number, more: NodeInit = {}) =>
  createNode({ id, address: `${id}.example:1`, metadata: { priority: String(priority) }, ...more });
const sick = { health: 'notServing' } as const;
/** So many nodes of a priority, of which so many are healthy. */
const level = (priority: number, total: number, healthy: number) =>
  Array.from({ length: total }, (_, i) => node(`p${priority}-${i}`, priority, i < healthy ? {} : sick));
const priorityIn = ({ metadata }: Node) => Number(metadata.priority);

function pickerOf(nodes: readonly Node[], options: PriorityFailoverOptions = {}): Picker {
  let picker: Picker | undefined;
  of(NodeSet.of(nodes))
    .pipe(priorityFailover(options))
    .subscribe((next) => (picker = next));
  return picker!;
}

/** The percentage of the calls that each priority gets, with chance in a thousand even steps. */
function percentages(nodes: readonly Node[], options: PriorityFailoverOptions = {}): number[] {
  let step = 0;
  const picker = pickerOf(nodes, { ...options, random: () => ((step++ % 1_000) + 0.5) / 1_000 });
  const counts = new Array<number>(1 + Math.max(...nodes.map(priorityIn))).fill(0);
  for (let i = 0; i < 1_000; i++) {
    const pick = picker.pick({});
    counts[priorityIn(pick.node!)]!++;
    if (pick.node) pick.end({ status: 'ok', latencyMs: 1 });
  }
  return counts.map((count) => count / 10);
}

/** Which priorities take nodes that are not healthy. */
function panicking(nodes: readonly Node[], options: PriorityFailoverOptions = {}): boolean[] {
  const picker = pickerOf(nodes, options);
  const panics: boolean[] = [];
  for (let i = 0; i < 2_000; i++) {
    const { node: picked } = picker.pick({ key: `key-${i}` });
    const priority = priorityIn(picked!);
    panics[priority] ||= nodes.find(({ id }) => id === picked!.id)!.health === 'notServing';
  }
  return Array.from({ length: 1 + Math.max(...nodes.map(priorityIn)) }, (_, i) => panics[i] ?? false);
}

const hundreds = (...healthy: number[]) => healthy.flatMap((count, priority) => level(priority, 100, count));
/** Envoy rounds each share down to hundredths, and gives what is left to the first. */
const expectAbout = (found: readonly number[], expected: readonly number[]) => {
  expect(found).toHaveLength(expected.length);
  const rounding = Math.max(1, expected.length - 1);
  expected.forEach((share, i) =>
    expect(Math.abs(found[i]! - share), `${found} for ${expected}`).toBeLessThanOrEqual(rounding),
  );
};

describe('the tables of the Envoy documentation on priority levels', () => {
  it.each([
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 100],
      [100, 0],
    ],
    [
      [71, 100],
      [99, 1],
    ],
    [
      [50, 100],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [0, 100],
      [0, 100],
    ],
    [
      [72, 72],
      [100, 0],
    ],
    [
      [71, 71],
      [99, 1],
    ],
    [
      [50, 50],
      [70, 30],
    ],
    [
      [25, 25],
      [50, 50],
    ],
    [
      [100, 100, 100],
      [100, 0, 0],
    ],
    [
      [72, 72, 100],
      [100, 0, 0],
    ],
    [
      [71, 71, 100],
      [99, 1, 0],
    ],
    [
      [50, 50, 100],
      [70, 30, 0],
    ],
    [
      [25, 100, 100],
      [35, 65, 0],
    ],
    [
      [25, 25, 100],
      [35, 35, 30],
    ],
  ])('%j healthy: %j of the calls', (healthy, expected) => {
    expectAbout(percentages(hundreds(...healthy)), expected);
  });

  it('[25, 25, 20] healthy: [36, 36, 28], which the page tells without panic', () => {
    expectAbout(percentages(hundreds(25, 25, 20), calm), [36, 36, 28]);
  });

  it('healths of 20 and 30 are scaled to 40 and 60', () => {
    const { loads } = priorityLoads(
      [
        { healthy: 2, total: 10 },
        { healthy: 3, total: 10 },
      ],
      1,
      0,
    );
    expect(loads).toEqual([0.4, 0.6]);
  });
});

describe('the tables of the Envoy documentation on panic', () => {
  // Two more rows there, 50 and 60 healthy, and 25 and 100, say 50:50 and 25:75: from before the factor of 1.4, by which
  // the page on priorities has 70:30 and 35:65.
  it.each([
    [
      [72, 100],
      [100, 0],
      [false, false],
    ],
    [
      [71, 100],
      [99, 1],
      [false, false],
    ],
    [
      [50, 100],
      [70, 30],
      [false, false],
    ],
    [
      [25, 100],
      [35, 65],
      [false, false],
    ],
    [
      [0, 100],
      [0, 100],
      [false, false],
    ],
    [
      [72, 72],
      [100, 0],
      [false, false],
    ],
    [
      [71, 71],
      [99, 1],
      [false, false],
    ],
    [
      [25, 25],
      [50, 50],
      [true, true],
    ],
    [
      [5, 65],
      [7, 93],
      [true, false],
    ],
  ])('%j healthy: %j of the calls, panic %j', (healthy, expected, panics) => {
    const nodes = hundreds(...healthy);
    expectAbout(percentages(nodes), expected);
    expect(panicking(nodes)).toEqual(panics);
  });
});

describe('the cases of the tests of Envoy', () => {
  /** [nodes, healthy] of each priority. */
  const of = (...levels: readonly (readonly [number, number])[]) =>
    levels.flatMap(([total, healthy], priority) => level(priority, total, healthy));
  it.each([
    ['gentle failover', of([2, 1], [2, 1]), [70, 30], [false, false]],
    ['one bad priority before a good one', of([4, 1], [2, 2]), [35, 65], [false, false]],
    ['too few everywhere', of([4, 1], [4, 1]), [50, 50], [true, true]],
    ['all bear a third', of([5, 1], [5, 1], [5, 1]), [34, 33, 33], [true, true, true]],
    ['only the last is there', of([5, 0], [5, 0], [5, 5]), [0, 0, 100], [false, false, false]],
    ['only the last is there, and enough of it', of([5, 0], [5, 0], [5, 4]), [0, 0, 100], [false, false, false]],
    ['only the last is there, and too little of it', of([5, 0], [5, 0], [5, 2]), [34, 33, 33], [true, true, true]],
    ['nobody is healthy: by the number of nodes', of([5, 0], [3, 0], [2, 0]), [50, 30, 20], [true, true, true]],
    ['all in panic: by the number of nodes', of([5, 0], [6, 2], [3, 1]), [37, 42, 21], [true, true, true]],
    ['an empty priority', of([0, 0], [6, 0], [3, 0]), [0, 67, 33], [false, true, true]],
  ] as const)('%s', (_, nodes, expected, panics) => {
    expectAbout(percentages(nodes), expected);
    expect(panicking(nodes)).toEqual(panics);
  });

  it('another factor', () => {
    expectAbout(percentages(of([4, 2], [4, 2]), { overprovisioningFactor: 1 }), [50, 50]);
  });

  it('nodes that drain count on neither side', () => {
    const draining = [1, 2, 3].map((i) => node(`d${i}`, 0, { availability: 'draining' }));
    expectAbout(percentages([node('a', 0), ...draining, ...level(1, 5, 1)]), [100, 0]);
  });
});

describe('priorityLoads', () => {
  const levels = fc.array(
    fc
      .integer({ min: 0, max: 50 })
      .chain((total) => fc.record({ total: fc.constant(total), healthy: fc.integer({ min: 0, max: total }) })),
    { minLength: 1, maxLength: 6 },
  );

  it('adds up to all calls, whatever is healthy, and gives none to a priority that is neither healthy nor in panic', () => {
    fc.assert(
      fc.property(
        levels,
        fc.double({ min: 0.5, max: 3, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (given, factor, threshold) => {
          const { loads, panics } = priorityLoads(given, factor, threshold);
          expect(loads.reduce((sum, load) => sum + load, 0)).toBeCloseTo(1, 6);
          expect(loads.every((load) => load >= 0)).toBe(true);
          if (given.some(({ healthy }) => healthy > 0)) {
            given.forEach(({ healthy }, i) => expect(loads[i]! === 0 || healthy > 0 || panics[i]).toBe(true));
          }
        },
      ),
    );
  });

  it('is what the whole percentages of Envoy come to', () => {
    /** Written from the pseudocode of the page, with the whole numbers and the rest that the source of Envoy has. */
    const envoy = (given: readonly { healthy: number; total: number }[]) => {
      const healths = given.map(({ healthy, total }) =>
        total === 0 ? 0 : Math.min(100, Math.floor((140 * healthy) / total)),
      );
      const total = Math.min(
        100,
        healths.reduce((sum, each) => sum + each, 0),
      );
      if (total === 0) return undefined;
      let left = 100;
      const loads = healths.map((each) => {
        const load = Math.min(left, Math.floor((each * 100) / total));
        left -= load;
        return load;
      });
      loads[healths.findIndex((each) => each > 0)]! += left;
      return loads;
    };
    fc.assert(
      fc.property(levels, (given) => {
        const expected = envoy(given);
        fc.pre(expected !== undefined);
        const { loads } = priorityLoads(given, 1.4, 0);
        // Each rounding is off by a hundredth at most, scaled up where little is healthy.
        const health = given.reduce(
          (sum, { healthy, total }) => sum + (total ? Math.min(1, (1.4 * healthy) / total) : 0),
          0,
        );
        const slack = (given.length + 1) / 100 / Math.min(1, health);
        expected!.forEach((load, i) => expect(Math.abs(loads[i]! - load / 100)).toBeLessThanOrEqual(slack));
      }),
    );
  });
});

describe('priorityFailover', () => {
  const set$ = (nodes: readonly Node[]) => new BehaviorSubject(NodeSet.of(nodes));
  const picking = (nodes$: BehaviorSubject<NodeSet>, options: PriorityFailoverOptions = {}) => {
    const pickers: Picker[] = [];
    nodes$.pipe(priorityFailover(options)).subscribe((picker) => pickers.push(picker));
    return () => pickers.at(-1)!;
  };
  const homes = (picker: Picker, keys = 2_000) =>
    Array.from({ length: keys }, (_, i) => priorityIn(picker.pick({ key: `user-${i}` }).node!));

  it('keys that move to the next priority come back, and no others move', () => {
    const nodes$ = set$(hundreds(100, 100));
    const picker = picking(nodes$);
    const before = homes(picker());
    expect(new Set(before)).toEqual(new Set([0]));
    nodes$.next(NodeSet.of(hundreds(50, 100)));
    const half = homes(picker());
    expect(half.filter((priority) => priority === 1).length / 2_000).toBeCloseTo(0.3, 1);
    nodes$.next(NodeSet.of(hundreds(25, 100)));
    const quarter = homes(picker());
    expect(half.every((priority, i) => priority === 0 || quarter[i] === 1)).toBe(true);
    nodes$.next(NodeSet.of(hundreds(100, 100)));
    expect(homes(picker())).toEqual(before);
  });

  it('a call that failed on all of a priority goes to the next one, and why says so', () => {
    const nodes = [node('near', 0), node('far', 1), node('farther', 2)];
    const pick = pickerOf(nodes).pick({ exclude: new Set(['near']) });
    expect(pick.node!.id).toBe('far');
    expect(pick.why).toEqual({
      strategy: 'priority_failover (priority 0 has nobody, fell to priority 1): round_robin',
      candidates: [{ node: 'far' }],
      leftOut: [
        { node: 'near', obstacle: 'tried', reason: 'tried already' },
        { node: 'farther', obstacle: 'elsewhere', reason: 'priority 2' },
      ],
    });
    expect(pickerOf(nodes).pick({ exclude: new Set(['near', 'far']) }).node!.id).toBe('farther');
  });

  it('why tells who is in panic', () => {
    const { why } = pickerOf(level(0, 4, 1)).pick({});
    expect(why.strategy).toBe('priority_failover (priority 0 in panic, 1 of 4 nodes are healthy): round_robin');
    expect(why.candidates).toHaveLength(4);
  });

  it('does not take nodes in panic that cannot be reached', () => {
    const dead = [1, 2, 3].map((i) => node(`dead${i}`, 0, { availability: 'unavailable' }));
    const picker = pickerOf([...dead, node('sick', 0, sick)]);
    for (let i = 0; i < 20; i++) expect(picker.pick({}).node!.id).toBe('sick');
  });

  it('does not wait for a priority that is only being dialled', () => {
    const dialled = [1, 2].map((i) => node(`d${i}`, 0, { availability: 'connecting' }));
    expect(pickerOf([...dialled, node('far', 1)]).pick({}).node!.id).toBe('far');
    expect(pickerOf(dialled).pick({})).toMatchObject({ node: undefined, pending: true, code: 'NO_NODES' });
  });

  it('nobody anywhere is said so, with what keeps each', () => {
    const picked = pickerOf([node('a', 0, sick), node('b', 1, sick)], calm).pick({});
    expect(picked).toMatchObject({ node: undefined, pending: false, code: 'NO_NODES' });
    expect(picked.why.strategy).toBe('priority_failover (priority 0 has nobody, nor has any other group)');
    expect(picked.why.leftOut.map(({ obstacle }) => obstacle)).toEqual(['notServing', 'notServing']);
  });

  it('takes the priorities as xDS discovery tells them', () => {
    const endpoint = (address: string, health: HealthStatus) => ({
      ...{ addresses: [{ host: address, port: 1 }], hostname: '', weight: 1, metadata: {}, health },
    });
    const locality = (zone: string, priority: number, ...healths: HealthStatus[]) => ({
      ...{ region: 'r', zone, subZone: '', priority, weight: 1 },
      endpoints: healths.map((health, i) => endpoint(`${zone}-${i}`, health)),
    });
    const { HEALTHY, UNHEALTHY } = HealthStatus;
    const localities = [locality('near', 0, HEALTHY, UNHEALTHY), locality('far', 1, HEALTHY, HEALTHY)];
    const leaves = [{ cluster: 'c', lbPolicy: 'ROUND_ROBIN', endpoints: { localities, drops: [] } }];
    const nodes = nodesOf([{ name: 'c', share: 1, leaves }] as never, { service: 's', now: 0 });
    expect(nodes).toHaveLength(4);
    expectAbout(percentages(nodes), [70, 30]);
  });

  it('reads a tag where there is no metadata, and takes anything else for 0', () => {
    const nodes = [
      createNode({ id: 'tagged', address: 'a:1', tags: { priority: '1' } }),
      createNode({ id: 'plain', address: 'b:1' }),
      createNode({ id: 'odd', address: 'c:1', metadata: { priority: 'high' } }),
    ];
    const picked = Array.from({ length: 4 }, () => pickerOf(nodes).pick({}).node!.id);
    expect(picked).not.toContain('tagged');
    expect(pickerOf(nodes, { priorityOf: () => Number.NaN }).pick({}).why.strategy).toContain('priority 0');
  });

  it('goes on when priorities come and go, in the order of their numbers', () => {
    const nodes$ = set$([node('c', 10)]);
    const picker = picking(nodes$);
    expect(picker().pick({}).node!.id).toBe('c');
    nodes$.next(NodeSet.of([node('c', 10), node('b', 9)]));
    expect(picker().pick({}).node!.id).toBe('b');
    nodes$.next(NodeSet.of([node('c', 10), node('b', 9), node('a', -1)]));
    expect(picker().pick({}).node!.id).toBe('a');
    nodes$.next(NodeSet.of([]));
    expect(picker().pick({})).toMatchObject({ node: undefined, pending: false, code: 'NO_NODES' });
    nodes$.next(NodeSet.of([updateNode(node('c', 10), { zone: 'x' })]));
    expect(picker().pick({}).node!.id).toBe('c');
  });

  it('refuses what makes no sense, by name', () => {
    for (const [options, field] of [
      [{ overprovisioningFactor: 0 }, /overprovisioningFactor/],
      [{ overprovisioningFactor: Number.NaN }, /overprovisioningFactor/],
      [{ overprovisioningFactor: Infinity }, /overprovisioningFactor/],
      [{ panicThreshold: 1.1 }, /panicThreshold/],
      [{ panicThreshold: Number.NaN }, /panicThreshold/],
    ] as const) {
      expect(() => priorityFailover(options)).toThrow(FleetError);
      expect(() => priorityFailover(options)).toThrow(field);
    }
  });
});
