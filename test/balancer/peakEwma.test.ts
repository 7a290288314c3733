import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Subject, type SchedulerLike } from 'rxjs';
import { peakEwma } from '../../src/balancer/peakEwma.js';
import { Estimates } from '../../src/balancer/peakEwma/estimates.js';
import type { Pick, Picker } from '../../src/balancer/picker.js';
import { RecentTime } from '../../src/balancer/recentTime.js';
import { createNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { NodeStats } from '../../src/core/nodeStats.js';
import { seededRandom } from '../../src/testing/seededRandom.js';

const fresh = (count: number, weight: (i: number) => number = () => 1) =>
  Array.from({ length: count }, (_, i) => createNode({ id: `n${i}`, address: '10.0.0.1:50051', weight: weight(i) }));

/** A balancer on a clock that is set by hand. */
function start(random = seededRandom(1)) {
  const clock = { now: 0 };
  const scheduler = { now: () => clock.now } as SchedulerLike;
  const source = new Subject<NodeSet>();
  let picker: Picker | undefined;
  source.pipe(peakEwma({ random, scheduler })).subscribe((next) => (picker = next));
  return {
    clock,
    set: (nodes: readonly Node[]) => source.next(NodeSet.of(nodes)),
    pick: (context = {}) => picker!.pick(context) as Pick,
  };
}

describe('peakEwma', () => {
  it('puts at most one call more on a node that hangs, since who has calls does not starve', () => {
    const bed = start();
    bed.set(fresh(2));
    let onHanging = 0;
    for (let i = 0; i < 2_000; i++) {
      bed.clock.now += 20;
      const pick = bed.pick();
      if (pick.node.id === 'n0') onHanging++;
      else pick.end({ status: 'ok', latencyMs: 10, at: bed.clock.now });
    }
    expect(onHanging).toBe(1);
  });

  it('tries a slow node once a second while others are called', () => {
    const bed = start();
    bed.set(fresh(4));
    let onSlow = 0;
    for (let i = 0; i < 10_000; i++) {
      bed.clock.now += 10;
      const pick = bed.pick();
      const slow = pick.node.id === 'n0';
      if (slow) onSlow++;
      pick.end({ status: 'ok', latencyMs: slow ? 60_000 : 10, at: bed.clock.now });
    }
    expect(onSlow).toBeGreaterThan(80);
    expect(onSlow).toBeLessThanOrEqual(101);
  });

  it('tries a node that fails ever more seldom', () => {
    const bed = start();
    bed.set(fresh(4));
    const tries: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      bed.clock.now += 10;
      const pick = bed.pick();
      const { now: at } = bed.clock;
      if (pick.node.id !== 'n0') pick.end({ status: 'ok', latencyMs: 10, at });
      else if (tries.push(at)) pick.end({ status: 'failed', latencyMs: 0.01, code: 'INTERNAL', blame: 'node', at });
    }
    expect(tries.filter((at) => at < 20_000).length).toBeLessThan(10);
    expect(tries.filter((at) => at >= 100_000).length).toBeLessThanOrEqual(3);
    expect(tries.at(-1)).toBeGreaterThan(100_000);
  });

  it('hears of a node from calls of any list, whichever was asked last', () => {
    const bed = start(() => 0);
    bed.set(fresh(3));
    const last = { name: 'the last', test: ({ id }: Node) => id === 'n2' };
    const slow = bed.pick({ requires: last });
    bed.pick().end({ status: 'ok', latencyMs: 10, at: 1 });
    slow.end({ status: 'ok', latencyMs: 7_000, at: 2 });
    const [first, second, third] = bed.pick().why.candidates.map(({ score }) => score!);
    expect([first! < 1_000, second! < 1_000, third! > 6_000]).toEqual([true, true, true]);
  });

  it('knows nothing of a node that comes back as another one', () => {
    const bed = start(() => 0);
    const [x, y] = fresh(2);
    bed.set([x!, y!]);
    bed.pick().end({ status: 'ok', latencyMs: 10, at: 1 });
    bed.pick().end({ status: 'ok', latencyMs: 9_000, at: 2 });
    expect([x, y].map((node) => node!.stats.requests)).toEqual([1, 1]);
    const scores = () => bed.pick().why.candidates.map(({ score }) => score!);
    expect(scores()[1]).toBeGreaterThan(8_000);
    bed.set([x!, fresh(2)[1]!]);
    expect(scores()[1]).toBeLessThan(1_000);
  });

  it('is not upset by weights, latencies and times that make no sense', () => {
    const weights = [1e-300, 1e-9, 1, 1e9, 1e300];
    for (const given of [[1], [1, 1], weights]) {
      const bed = start();
      bed.set(fresh(given.length, (i) => given[i]!));
      const latencies = [0, NaN, -1, 1e-9, 5, 1e300, Infinity];
      const times = [undefined, NaN, -5, 0, 1, 1e12, 7];
      for (let i = 0; i < 500; i++) {
        bed.clock.now = (i * 37) % 100;
        const exclude = i % 5 === 0 ? new Set([`n${i % 3}`]) : undefined;
        const pick = bed.pick({ exclude });
        const [latencyMs, at] = [latencies[i % 7]!, times[(i * 3) % 7]];
        if (i % 3 === 0) pick.release();
        else if (i % 4 === 0) pick.end({ status: 'failed', latencyMs, code: 'INTERNAL', blame: 'node', at });
        else pick.end({ status: 'ok', latencyMs, at });
        for (const { score } of bed.pick().why.candidates) expect(Number.isFinite(score)).toBe(true);
      }
    }
  });

  it('lets chance itself make a pick', () => {
    const random = seededRandom(3);
    let depth = 0;
    const bed = start(() => {
      if (depth < 3) {
        depth++;
        bed.pick().end({ status: 'ok', latencyMs: 1 });
        depth--;
      }
      return random();
    });
    bed.set(fresh(3));
    const picks = Array.from({ length: 20 }, () => bed.pick());
    for (const pick of picks) pick.end({ status: 'ok', latencyMs: 1 });
    expect(picks.every(({ node }) => node.stats.inFlight === 0)).toBe(true);
  });

  it('keeps no memory of nodes that are gone', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const estimates = new Estimates(10_000, 1_000, new RecentTime(() => 0));
    const wave = () => new Set(estimates.rowsOf(Array.from({ length: 1_000 }, () => new NodeStats())));
    for (let i = 0; i < 30; i++) {
      expect(wave().size).toBe(1_000);
      // What was looked at through a WeakRef is kept until the turn is over.
      await turn();
      collect();
    }
    const highest = Math.max(...estimates.rowsOf(Array.from({ length: 1_000 }, () => new NodeStats())));
    expect(highest / 4).toBeLessThan(6_000);
  });
});
