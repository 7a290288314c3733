import fc from 'fast-check';
import { Subject } from 'rxjs';
import { createNode } from '../../src/core/node.js';
import type { NodeOutcome } from '../../src/core/nodeOutcome.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { ejections } from '../../src/health/ejections.js';
import { outlierDetection } from '../../src/health/outlierDetection.js';
import { createNodeDirectory } from '../../src/nodes/nodeDirectory.js';
import { VirtualTime } from './virtualTime.js';
import { noEvents } from '../support/noEvents.js';

const seconds = 1_000;
const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

/** gRFC A50 as it is written, for a fixed list of nodes; the share that may be out is left to the caller. */
class A50 {
  readonly entries = new Map(ids.map((id) => [id, { good: 0, bad: 0, ejectedAt: -1, multiplier: 0 }]));

  constructor(
    private readonly rules: {
      base: number;
      max: number;
      stdev: number;
      hosts: number;
      volume: number;
      threshold: number;
    },
    private readonly mayEject: (id: string) => boolean,
  ) {}

  timer(now: number): void {
    const { base, max, stdev, hosts, volume, threshold } = this.rules;
    const all = [...this.entries].map(([id, entry]) => {
      const { good, bad } = entry;
      entry.good = entry.bad = 0;
      return { id, entry, total: good + bad, rate: good / (good + bad) };
    });
    const eject = ({ id, entry }: (typeof all)[number]) => {
      if (entry.ejectedAt >= 0 || !this.mayEject(id)) return;
      entry.ejectedAt = now;
      entry.multiplier++;
    };
    const rated = all.filter(({ total }) => total >= volume);
    if (rated.length >= hosts) {
      const mean = rated.reduce((sum, { rate }) => sum + rate, 0) / rated.length;
      const deviation = Math.sqrt(rated.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0) / rated.length);
      for (const each of rated) if (each.rate < mean - deviation * (stdev / 1_000)) eject(each);
    }
    if (all.length >= hosts) {
      for (const each of rated) if ((1 - each.rate) * 100 > threshold) eject(each);
    }
    for (const entry of this.entries.values()) {
      if (entry.ejectedAt < 0) entry.multiplier = Math.max(0, entry.multiplier - 1);
      else if (now >= entry.ejectedAt + Math.min(base * entry.multiplier, Math.max(base, max))) entry.ejectedAt = -1;
    }
  }

  get out(): string[] {
    return ids.filter((id) => this.entries.get(id)!.ejectedAt >= 0);
  }
}

it('does what gRFC A50 says, interval for interval', () => {
  const calls = fc.record({ good: fc.nat(6), bad: fc.nat(6) });
  const interval = fc.array(calls, { minLength: ids.length, maxLength: ids.length });
  const rules = fc.record({
    base: fc.constantFrom(5 * seconds, 10 * seconds, 25 * seconds, 30 * seconds),
    max: fc.constantFrom(1 * seconds, 45 * seconds, 300 * seconds),
    stdev: fc.constantFrom(0, 500, 1_000, 1_900),
    hosts: fc.integer({ min: 1, max: 8 }),
    volume: fc.integer({ min: 1, max: 6 }),
    threshold: fc.constantFrom(0, 50, 85, 100),
  });
  const budget = fc.constantFrom(0, 15, 30, 100);
  let found = 0;
  fc.assert(
    fc.property(
      rules,
      budget,
      fc.array(interval, { minLength: 1, maxLength: 25 }),
      (given, maxEjectionPercent, all) => {
        const clock = new VirtualTime();
        const source$ = new Subject<NodeSet>();
        const directory = createNodeDirectory(source$);
        source$.next(NodeSet.of(ids.map((id) => createNode({ id, address: '10.0.0.1:1', availability: 'ready' }))));
        const { nodes$, eject, readmit } = directory;
        const outcomes$ = new Subject<NodeOutcome>();
        const detector = outlierDetection({
          intervalMs: 10 * seconds,
          baseEjectionTimeMs: given.base,
          maxEjectionTimeMs: given.max,
          successRate: { stdevFactor: given.stdev, minimumHosts: given.hosts, requestVolume: given.volume },
          failurePercentage: { threshold: given.threshold, minimumHosts: given.hosts, requestVolume: given.volume },
        });
        const ports = { outcomes$, nodes$, nodes: () => nodes$.value, events: noEvents, eject, readmit };
        const rest = { scheduler: clock, random: () => 0.5 };
        const running = ejections([detector], { maxEjectionPercent }, { ...ports, ...rest }).run$.subscribe();

        const allowed = Math.max(1, Math.floor((ids.length * maxEjectionPercent) / 100));
        const model: A50 = new A50(given, () => model.out.length < Math.min(allowed, ids.length - 1));
        for (const each of all) {
          each.forEach(({ good, bad }, i) => {
            const node = nodes$.value.get(ids[i]!)!;
            const entry = model.entries.get(ids[i]!)!;
            entry.good += good;
            entry.bad += bad;
            for (let k = 0; k < good; k++) outcomes$.next({ node, outcome: { status: 'ok', latencyMs: 1 } });
            for (let k = 0; k < bad; k++) {
              outcomes$.next({ node, outcome: { status: 'failed', latencyMs: 1, code: 'INTERNAL', blame: 'node' } });
            }
          });
          clock.advance(10 * seconds);
          model.timer(clock.now());
          const out = nodes$.value.nodes.filter(({ health }) => health === 'ejected').map(({ id }) => id);
          expect(out).toEqual(model.out);
          found += out.length;
        }
        running.unsubscribe();
      },
    ),
    { numRuns: 300 },
  );
  // The property says something only if nodes are taken out at all.
  expect(found).toBeGreaterThan(500);
});

it('judges 10,000 nodes of which each tenth fails, and takes out as many as it may', () => {
  const clock = new VirtualTime();
  const source$ = new Subject<NodeSet>();
  const { nodes$, eject, readmit } = createNodeDirectory(source$);
  const listed = Array.from({ length: 10_000 }, (_, i) =>
    createNode({ id: `n${i}`, address: '10.0.0.1:1', availability: 'ready' }),
  );
  source$.next(NodeSet.of(listed));
  const outcomes$ = new Subject<NodeOutcome>();
  const ports = { outcomes$, nodes$, nodes: () => nodes$.value, events: noEvents, eject, readmit };
  const detector = outlierDetection({ failurePercentage: { requestVolume: 1 }, successRate: false });
  ejections([detector], {}, { ...ports, scheduler: clock, random: () => 0 }).run$.subscribe();
  nodes$.value.nodes.forEach((node, i) => {
    const failed = { status: 'failed', latencyMs: 1, code: 'INTERNAL', blame: 'node' } as const;
    outcomes$.next({ node, outcome: i % 9 === 0 ? failed : { status: 'ok', latencyMs: 1 } });
  });
  clock.advance(10 * seconds);
  expect(nodes$.value.nodes.filter(({ health }) => health === 'ejected')).toHaveLength(1_000);
});
