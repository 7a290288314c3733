import { BehaviorSubject, firstValueFrom, map, queueScheduler } from 'rxjs';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { balancerStats } from '../../src/lumen/balancerStats.js';

const a = createNode({ id: 'a', address: '10.0.0.1:1' });
const b = createNode({ id: 'b', address: '10.0.0.2:1', availability: 'unavailable' });

describe('balancerStats', () => {
  it('counts the nodes, and the picks of each that run or are over', async () => {
    const balancer = roundRobin();
    const nodes$ = new BehaviorSubject(NodeSet.of([a, b]));
    const picker = await firstValueFrom(nodes$.pipe(balancer));
    const picked = picker.pick({});
    picker.pick({});
    if (picked.node) picked.end({ status: 'ok', latencyMs: 1 });
    expect(await firstValueFrom(balancerStats(balancer, nodes$, queueScheduler))).toEqual({
      strategy: 'round_robin',
      activeNodes: 1,
      totalNodes: 2,
      selections: 2,
      byNode: { a: 2, b: 0 },
    });
  });

  it('names the strategy as its picks do', async () => {
    const nodes$ = new BehaviorSubject(NodeSet.empty);
    const strategy = (balancer: Parameters<typeof balancerStats>[0]) =>
      firstValueFrom(balancerStats(balancer, nodes$, queueScheduler).pipe(map((stats) => stats.strategy)));
    const picker = await firstValueFrom(nodes$.pipe(leastLoaded()));
    expect(await strategy(leastLoaded())).toBe(picker.pick({}).why.strategy);
  });
});
