/** Weighted round robin by the load reports of the nodes: gRFC A58. */

import fc from 'fast-check';
import { BehaviorSubject, Subject, VirtualAction, VirtualTimeScheduler } from 'rxjs';
import type { BalancerEvent, LoadWeightState } from '../../src/balancer/balancerEvent.js';
import type { Balancer, Picker } from '../../src/balancer/picker.js';
import { priorityFailover } from '../../src/balancer/priorityFailover.js';
import { randomSubset } from '../../src/balancer/randomSubset.js';
import { splitByWeight } from '../../src/balancer/splitByWeight.js';
import { stickySessions } from '../../src/balancer/stickySessions.js';
import { weightedRoundRobin, type LoadReportWeights } from '../../src/balancer/weightedRoundRobin.js';
import { zoneAware } from '../../src/balancer/zoneAware.js';
import { LoadWeights, loadWeight } from '../../src/balancer/weightedRoundRobin/loadWeights.js';
import { createFleet } from '../../src/client/fleet.js';
import { FleetError } from '../../src/core/fleetError.js';
import type { LoadReport } from '../../src/core/loadReport.js';
import { createNode, updateNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { grpcTransport } from '../../src/transport/grpc.js';

const report = (more: Partial<LoadReport>): LoadReport => ({
  ...{ cpuUtilization: 0, memoryUtilization: 0, applicationUtilization: 0, requestsPerSecond: 0, errorsPerSecond: 0 },
  ...{ utilization: {}, requestCost: {}, named: {} },
  ...more,
});
/** One that comes to this weight. */
const worth = (weight: number) => report({ cpuUtilization: 0.5, requestsPerSecond: weight / 2 });
const node = (id: string, more = {}) => createNode({ id, address: '10.0.0.1:1', availability: 'ready', ...more });

/** A clock that the test moves. */
class Clock extends VirtualTimeScheduler {
  constructor() {
    super(VirtualAction, Infinity);
  }
  goTo(ms: number): void {
    this.maxFrames = ms;
    this.flush();
    this.frame = ms;
  }
}

function bedOf(nodes: readonly Node[], loadReports: LoadReportWeights | true = {}, random?: () => number) {
  const scheduler = new Clock();
  const nodes$ = new BehaviorSubject(NodeSet.of(nodes));
  let picker: Picker | undefined;
  const life = nodes$
    .pipe(weightedRoundRobin({ loadReports, scheduler, ...(random ? { random } : {}) }))
    .subscribe((next) => (picker = next));
  const pick = () => picker!.pick({});
  return {
    ...{ scheduler, nodes$, life, pick },
    picker: () => picker!,
    tell: (id: string, told: LoadReport) => nodes$.value.get(id)!.stats.reported(told, scheduler.now()),
    shares(picks: number): Record<string, number> {
      const counts: Record<string, number> = {};
      for (let i = 0; i < picks; i++) {
        const { id } = pick().node!;
        counts[id] = (counts[id] ?? 0) + 1;
      }
      return counts;
    },
  };
}
const atOnce = { blackoutPeriodMs: 0, weightUpdateMs: 100 };

describe('loadWeight', () => {
  it('is the formula of gRFC A58', () => {
    expect(loadWeight(report({ requestsPerSecond: 100, cpuUtilization: 0.5 }), 1)).toBe(200);
    const failing = report({ requestsPerSecond: 100, errorsPerSecond: 50, cpuUtilization: 0.5 });
    expect(loadWeight(failing, 1)).toBe(100);
    expect(loadWeight(failing, 3)).toBe(50);
    expect(loadWeight(failing, 0)).toBe(200);
  });

  it('prefers what the application says to what the processors say', () => {
    const told = { requestsPerSecond: 100, cpuUtilization: 0.1 };
    expect(loadWeight(report({ ...told, applicationUtilization: 0.8 }), 1)).toBe(125);
  });

  it('makes nothing of a report without requests or utilization, or of nonsense', () => {
    for (const bad of [
      {},
      { cpuUtilization: 0.5 },
      { requestsPerSecond: 100 },
      // Errors alone say nothing of what it can bear.
      { requestsPerSecond: 100, errorsPerSecond: 100 },
      { requestsPerSecond: Number.NaN, cpuUtilization: 0.5 },
      { requestsPerSecond: 100, cpuUtilization: Number.NaN },
      { requestsPerSecond: 100, cpuUtilization: -1 },
      { requestsPerSecond: 100, cpuUtilization: 0.5, errorsPerSecond: Infinity },
    ]) {
      expect(loadWeight(report(bad), 1)).toBe(0);
    }
    expect(loadWeight(report({ requestsPerSecond: Infinity, cpuUtilization: 1e-300 }), 1)).toBe(2 ** 32);
  });
});

describe('LoadWeights', () => {
  type Event = { readonly ticks: number } & ({ readonly weight: number } | { readonly ready: boolean });
  const event: fc.Arbitrary<Event> = fc.oneof(
    fc.record({ ticks: fc.integer({ min: 0, max: 25 }), weight: fc.constantFrom(0, 10, 20, 30) }),
    fc.record({ ticks: fc.integer({ min: 0, max: 25 }), ready: fc.boolean() }),
  );

  it('is what the pseudocode of gRFC A58 says, whatever comes when', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.constantFrom(0, 300, 2_000), (events, blackoutPeriodMs) => {
        const scheduler = new Clock();
        const terms = { blackoutPeriodMs, weightExpirationMs: 4_000, weightUpdateMs: 100, errorUtilizationPenalty: 1 };
        const weights = new LoadWeights(terms, scheduler);
        weights.start();
        let current = node('a');
        weights.follow(NodeSet.of([current]));

        // UpdateWeight, OnSubchannelBecomesReady and GetWeight of the gRFC, and what A78 calls what they find.
        let nonEmptySince = Infinity;
        let lastUpdated = -Infinity;
        let weight = 0;
        const getWeight = (now: number): { state: LoadWeightState; weight: number } => {
          if (lastUpdated === -Infinity) return { state: 'notYetUsable', weight: 0 };
          if (now - lastUpdated >= terms.weightExpirationMs) {
            nonEmptySince = Infinity;
            return { state: 'stale', weight: 0 };
          }
          const early = blackoutPeriodMs > 0 && now - nonEmptySince < blackoutPeriodMs;
          return early ? { state: 'notYetUsable', weight: 0 } : { state: 'usable', weight };
        };

        let now = 0;
        const tick = () => {
          now = (Math.floor(now / 100) + 1) * 100;
          scheduler.goTo(now);
          expect(weights.of('a')).toMatchObject(getWeight(now));
        };
        for (const each of events) {
          for (let i = 0; i < each.ticks; i++) tick();
          scheduler.goTo((now += 50));
          if ('weight' in each) {
            current.stats.reported(worth(each.weight), now);
            if (each.weight > 0) {
              if (nonEmptySince === Infinity) nonEmptySince = now;
              lastUpdated = now;
              weight = each.weight;
            }
          } else {
            const availability = each.ready ? 'ready' : 'unavailable';
            if (each.ready && current.availability !== 'ready') nonEmptySince = Infinity;
            current = updateNode(current, { availability });
            weights.follow(NodeSet.of([current]));
          }
          tick();
        }
      }),
      { numRuns: 300 },
    );
  });

  it('sees a report that is as the one before, when it comes', () => {
    const scheduler = new Clock();
    const weights = new LoadWeights(
      { blackoutPeriodMs: 0, weightExpirationMs: 1_000, weightUpdateMs: 100, errorUtilizationPenalty: 1 },
      scheduler,
    );
    const life = weights.start();
    const a = node('a');
    weights.follow(NodeSet.of([a]));
    const same = worth(10);
    for (const at of [50, 950, 1_850]) {
      scheduler.goTo(at);
      a.stats.reported(same, at);
    }
    scheduler.goTo(2_800);
    expect(weights.of('a')!.weight).toBe(10);
    scheduler.goTo(2_900);
    expect(weights.of('a')!.weight).toBe(0);
    life.unsubscribe();
    scheduler.goTo(1e6);
    expect(scheduler.actions).toHaveLength(0);
  });
});

describe('what is told of load reports', () => {
  function told(balancerWith: (scheduler: Clock) => Balancer, nodes: readonly Node[]) {
    const scheduler = new Clock();
    const events = new Subject<BalancerEvent>();
    const seen: BalancerEvent[] = [];
    const listening = events.subscribe((event) => seen.push(event));
    const life = balancerWith(scheduler)(new BehaviorSubject(NodeSet.of(nodes)), { events }).subscribe();
    return { scheduler, seen, listening, life };
  }
  const byReports = (scheduler: Clock, more: LoadReportWeights = {}) =>
    weightedRoundRobin({ scheduler, loadReports: { ...atOnce, ...more } });

  it('says at each look which weights count, which do not and why, and whether all take plain turns', () => {
    const [a, b, c, out] = [node('a'), node('b'), node('c'), node('out', { availability: 'unavailable' })] as const;
    const terms = { blackoutPeriodMs: 150, weightExpirationMs: 400 };
    const { scheduler, seen, life } = told((scheduler) => byReports(scheduler, terms), [a, b, c, out]);
    for (const each of [a, b]) each.stats.reported(worth(10), 0);
    scheduler.goTo(100);
    const unheard = (node: Node) => ({ node, state: 'notYetUsable', weight: 0 });
    const [type, weights] = ['loadWeightsUpdated', [a, b, c].map(unheard)];
    expect(seen).toEqual([{ type, at: 100, weights, plain: true }]);
    b.stats.reported(worth(20), 200);
    scheduler.goTo(200);
    expect(seen.at(-1)).toEqual({
      ...{ type, at: 200, plain: false },
      weights: [{ node: a, state: 'usable', weight: 10 }, { node: b, state: 'usable', weight: 20 }, unheard(c)],
    });
    scheduler.goTo(400);
    expect(seen.at(-1)).toEqual({
      ...{ type, at: 400, plain: true },
      weights: [{ node: a, state: 'stale', weight: 0 }, { node: b, state: 'usable', weight: 20 }, unheard(c)],
    });
    life.unsubscribe();
    scheduler.goTo(10_000);
    expect(seen).toHaveLength(4);
  });

  it('is told through each balancer that works with others, of each group apart', () => {
    const nodes = ['a', 'b', 'c'].map((id, i) =>
      node(id, { zone: `z${i % 2}`, tags: { group: `g${i % 2}`, priority: String(i % 2) } }),
    );
    const wrapped: Record<string, [looks: number, balancer: (inner: Balancer) => Balancer]> = {
      stickySessions: [1, (balancer) => stickySessions({ balancer })],
      randomSubset: [1, (balancer) => randomSubset(2, { balancer })],
      splitByWeight: [2, (balancer) => splitByWeight({ g0: 1, g1: 1 }, { balancer })],
      priorityFailover: [2, (balancer) => priorityFailover({ balancer })],
      // Not the one for all nodes, which picks where zones do not count: each node is told of once.
      zoneAware: [2, (balancer) => zoneAware({ zone: 'z0', balancer })],
    };
    for (const [name, [looks, outer]] of Object.entries(wrapped)) {
      const { scheduler, seen, life } = told((scheduler) => outer(byReports(scheduler)), nodes);
      scheduler.goTo(100);
      expect(seen, name).toHaveLength(looks);
      const ids = seen.flatMap(({ weights }) => weights.map(({ node }) => node.id));
      expect(new Set(ids).size, name).toBe(ids.length);
      expect(
        seen[0]!.weights.every(({ node }) => nodes.includes(node)),
        name,
      ).toBe(true);
      life.unsubscribe();
    }
  });

  it('costs nothing while nobody listens', () => {
    const { scheduler, seen, listening, life } = told(byReports, [node('a')]);
    listening.unsubscribe();
    scheduler.goTo(1_000);
    expect(seen).toEqual([]);
    life.unsubscribe();
  });
});

describe('weightedRoundRobin by load reports', () => {
  it('gives each node the share of its weight, once it has been reporting for the blackout period', () => {
    const bed = bedOf([node('a'), node('b'), node('c')], true);
    bed.tell('a', worth(100));
    bed.tell('b', worth(200));
    bed.tell('c', worth(300));
    bed.scheduler.goTo(9_999);
    expect(bed.shares(600)).toEqual({ a: 200, b: 200, c: 200 });
    bed.scheduler.goTo(10_000);
    const { a, b, c } = bed.shares(600);
    expect([a! / 100, b! / 100, c! / 100].map(Math.round)).toEqual([1, 2, 3]);
    bed.scheduler.goTo(180_000);
    expect(bed.shares(600)).toEqual({ a: 200, b: 200, c: 200 });
  });

  it('gives the mean to a node that tells nothing, and nobody a weight of its own while only one tells', () => {
    const bed = bedOf([node('a'), node('b'), node('c')], atOnce);
    bed.tell('a', worth(100));
    bed.scheduler.goTo(100);
    expect(bed.shares(300)).toEqual({ a: 100, b: 100, c: 100 });
    bed.tell('b', worth(300));
    bed.scheduler.goTo(200);
    const { a, b, c } = bed.shares(600);
    expect([a! / 100, b! / 100, c! / 100].map(Math.round)).toEqual([1, 3, 2]);
  });

  it('a node that came back is on probation again, and those that go take their weight out of the mean', () => {
    const [a, b, c] = [node('a'), node('b'), node('c')] as const;
    const bed = bedOf([a, b, c], { blackoutPeriodMs: 1_000, weightUpdateMs: 100 });
    const say = (ms: number) => {
      bed.tell('a', worth(100));
      if (bed.nodes$.value.has('b')) bed.tell('b', worth(400));
      bed.tell('c', worth(100));
      bed.scheduler.goTo(ms);
    };
    say(1_000);
    expect(Math.round(bed.shares(600).b! / 100)).toBe(4);
    bed.nodes$.next(NodeSet.of([a, updateNode(b, { availability: 'unavailable' }), c]));
    expect(bed.shares(600)).toEqual({ a: 300, c: 300 });
    bed.nodes$.next(NodeSet.of([a, b, c]));
    say(1_900);
    const again = bed.shares(600);
    expect([again.a, again.b, again.c].map((count) => Math.round(count! / 100))).toEqual([2, 2, 2]);
    say(2_900);
    expect(Math.round(bed.shares(600).b! / 100)).toBe(4);
    bed.nodes$.next(NodeSet.of([a, c, node('d')]));
    const last = bed.shares(600);
    expect([last.a, last.c, last.d].map((count) => Math.round(count! / 100))).toEqual([2, 2, 2]);
  });

  it('a node that fails everything fast gets less for what it reports, and no more than others when it reports nothing', () => {
    const bed = bedOf([node('a'), node('b'), node('bad')], atOnce);
    bed.tell('a', report({ requestsPerSecond: 100, cpuUtilization: 0.5 }));
    bed.tell('b', report({ requestsPerSecond: 100, cpuUtilization: 0.5 }));
    bed.scheduler.goTo(100);
    expect(bed.shares(300)).toEqual({ a: 100, b: 100, bad: 100 });
    bed.tell('bad', report({ requestsPerSecond: 100, errorsPerSecond: 100, cpuUtilization: 0.01 }));
    bed.scheduler.goTo(200);
    const { a, b, bad } = bed.shares(500);
    expect(Math.abs(a! - b!)).toBeLessThanOrEqual(1);
    expect(bad! / a!).toBeCloseTo(0.5 / 1.01, 1);
  });

  it('a report beyond reason counts for ten times the mean at most, and for a hundredth of it at least', () => {
    const nodes = Array.from({ length: 20 }, (_, i) => node(`n${i}`));
    const bed = bedOf(nodes, atOnce);
    nodes.forEach(({ id }) => bed.tell(id, worth(100)));
    bed.tell('n0', report({ requestsPerSecond: 1e9, cpuUtilization: 1e-9 }));
    bed.tell('n1', report({ requestsPerSecond: 1e-9, cpuUtilization: 100 }));
    bed.scheduler.goTo(100);
    const scores = new Map(bed.pick().why.candidates.map(({ node: id, score }) => [id, score!]));
    const mean = (2 ** 32 + 18 * 100 + 1e-11) / 20;
    expect(scores.get('n0')! / mean).toBeCloseTo(10, 6);
    expect(scores.get('n1')! / mean).toBeCloseTo(0.01, 6);
  });

  it('a client with a call a second does not always begin with the same node, though every weight changes', () => {
    const nodes = [node('a'), node('b'), node('c')];
    const bed = bedOf(nodes, atOnce);
    const counts: Record<string, number> = {};
    for (let second = 1; second <= 600; second++) {
      nodes.forEach(({ id }, i) => bed.tell(id, worth(100 + ((second * 7 + i * 31) % 13))));
      bed.scheduler.goTo(second * 1_000);
      const { id } = bed.pick().node!;
      counts[id] = (counts[id] ?? 0) + 1;
    }
    for (const count of Object.values(counts)) expect(Math.abs(count - 200)).toBeLessThanOrEqual(10);
  });

  it('keeps the shares while nodes come and go', () => {
    const nodes = Array.from({ length: 10 }, (_, i) => node(`n${i}`));
    const bed = bedOf(nodes, atOnce);
    nodes.forEach(({ id }, i) => bed.tell(id, worth(100 + 100 * (i % 3))));
    bed.scheduler.goTo(100);
    const counts: Record<string, number> = {};
    for (let i = 0; i < 20_000; i++) {
      if (i % 7 === 0) bed.nodes$.next(NodeSet.of([...nodes, node(`x${i}`)]));
      const { id } = bed.pick().node!;
      counts[id] = (counts[id] ?? 0) + 1;
    }
    const ofAll = nodes.reduce((sum, { id }) => sum + counts[id]!, 0);
    nodes.forEach(({ id }, i) => {
      const share = (100 + 100 * (i % 3)) / 1_900;
      expect(counts[id]! / ofAll / share).toBeGreaterThan(0.95);
      expect(counts[id]! / ofAll / share).toBeLessThan(1.05);
    });
  });

  it('passes over those that were tried, by the weights of the others', () => {
    const bed = bedOf([node('a'), node('b'), node('c')], atOnce);
    bed.tell('a', worth(500));
    bed.tell('b', worth(300));
    bed.tell('c', worth(100));
    bed.scheduler.goTo(100);
    const counts: Record<string, number> = {};
    for (let i = 0; i < 4_000; i++) {
      const { id } = bed.picker().pick({ exclude: new Set(['a']) }).node!;
      counts[id] = (counts[id] ?? 0) + 1;
    }
    expect(counts.a).toBeUndefined();
    expect(counts.b! / counts.c!).toBeGreaterThan(2.7);
    expect(counts.b! / counts.c!).toBeLessThan(3.3);
  });

  it('heeds no weight of discovery but 0', () => {
    const bed = bedOf([node('a', { weight: 5 }), node('b'), node('none', { weight: 0 })], atOnce);
    expect(bed.shares(100)).toEqual({ a: 50, b: 50 });
    bed.tell('a', worth(100));
    bed.tell('b', worth(100));
    bed.scheduler.goTo(100);
    expect(bed.shares(100)).toEqual({ a: 50, b: 50 });
  });

  it('ten thousand nodes with weights of their own get their shares', () => {
    const nodes = Array.from({ length: 10_000 }, (_, i) => node(`n${i}`));
    const bed = bedOf(nodes, atOnce, () => 0.5);
    expect(bed.pick().node!.id).toBe('n5000');
    nodes.forEach(({ id }, i) => bed.tell(id, worth(100 + (i % 100))));
    bed.scheduler.goTo(100);
    const counts = bed.shares(299_000);
    const heavy = nodes.reduce((sum, { id }, i) => sum + (i % 100 === 99 ? counts[id]! : 0), 0) / 100;
    const light = nodes.reduce((sum, { id }, i) => sum + (i % 100 === 0 ? counts[id]! : 0), 0) / 100;
    expect(heavy / light).toBeCloseTo(1.99, 1);
  });

  it('refuses what makes no sense, by name', () => {
    for (const [loadReports, field] of [
      [{ blackoutPeriodMs: -1 }, /blackoutPeriodMs/],
      [{ blackoutPeriodMs: Number.NaN }, /blackoutPeriodMs/],
      [{ weightExpirationMs: 0 }, /weightExpirationMs/],
      [{ weightUpdateMs: 99 }, /weightUpdateMs/],
      [{ weightUpdateMs: Infinity }, /weightUpdateMs/],
      [{ errorUtilizationPenalty: -0.1 }, /errorUtilizationPenalty/],
    ] as const) {
      expect(() => weightedRoundRobin({ loadReports })).toThrow(FleetError);
      expect(() => weightedRoundRobin({ loadReports })).toThrow(field);
    }
  });

  it('is refused together with a slow start, which works by weights that it does not heed', () => {
    const fleet = (loadReports: boolean) =>
      createFleet({
        ...{ discovery: staticNodes([]), transport: grpcTransport(), slowStart: { windowMs: 1_000 } },
        balancer: weightedRoundRobin({ loadReports }),
      });
    expect(() => fleet(true)).toThrow(/slowStart.*client_side_weighted_round_robin/);
    void fleet(false).close();
  });
});
