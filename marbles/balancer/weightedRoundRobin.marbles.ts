import { ignoreElements, VirtualTimeScheduler } from 'rxjs';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import type { LoadReport } from '../../src/core/loadReport.js';
import { createNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

const node = (id: string, weight = 1) => createNode({ id, address: `${id}.example:50051`, weight });

describe('weightedRoundRobin', () => {
  marble('a heavy node takes its turns spread out, not in a row', ({ nodes, picks, expectPicks }) => {
    nodes('a--------------|', { a: [node('x', 5), node('y'), node('z')] }).pipe(weightedRoundRobin());
    picks('-pppppppppppppp|');
    expectPicks('-xyxxzxxxyxxzxx|');
  });

  marble('equal weights: plain turns', ({ nodes, picks, expectPicks }) => {
    nodes('a------|', { a: [node('x', 4), node('y', 4), node('z', 4)] }).pipe(weightedRoundRobin());
    picks('-pppppp|');
    expectPicks('-xyzxyz|');
  });

  marble('the turns carry over a change', ({ nodes, picks, expectPicks }) => {
    const [x, y, z] = [node('x', 2), node('y'), node('z')];
    nodes('a---b-----|', { a: [x, y, z], b: [x, z] }).pipe(weightedRoundRobin());
    picks('-pp--pppp-|');
    expectPicks('-xy--xzxx-|');
  });

  marble(
    'the turns of a heavy node that was tried go to the others by their weights',
    ({ nodes, picks, expectPicks }) => {
      nodes('a-------|', { a: [node('x', 100), node('y', 2), node('z')] }).pipe(weightedRoundRobin());
      picks('-tttttt-|', { t: { exclude: new Set(['x']) } });
      expectPicks('-yyyzyz-|');
    },
  );

  marble('a random start falls anywhere', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [node('x'), node('y'), node('z')] }).pipe(weightedRoundRobin({ random: () => 0.5 }));
    picks('-ppp-|');
    expectPicks('-yzx-|');
  });

  lifecycle(weightedRoundRobin);
});

describe('weightedRoundRobin by load reports', () => {
  const ready = (id: string) => createNode({ id, address: `${id}.example:50051`, availability: 'ready' });
  const worth = (weight: number): LoadReport => ({
    ...{ cpuUtilization: 0.5, memoryUtilization: 0, applicationUtilization: 0, errorsPerSecond: 0 },
    ...{ requestsPerSecond: weight / 2, utilization: {}, requestCost: {}, named: {} },
  });
  /** The reports of each node over time, a digit for its weight. */
  const reports = ({ hot, scheduler }: MarbleHelpers, told: readonly (readonly [Node, string])[]) => {
    for (const [{ stats }, diagram] of told) {
      hot(diagram).subscribe((weight) => stats.reported(worth(Number(weight)), scheduler.now()));
    }
  };
  const quick = { blackoutPeriodMs: 200, weightExpirationMs: 400, weightUpdateMs: 100 };

  marble('a node that reports twice the weight takes twice the turns, after the blackout', (m) => {
    const [x, y] = [ready('x'), ready('y')];
    reports(m, [
      [x, '2'],
      [y, '1'],
    ]);
    m.nodes('a 209ms |', { a: [x, y] }).pipe(weightedRoundRobin({ loadReports: quick, scheduler: m.scheduler }));
    m.picks('-pppp 195ms --pppppp|');
    m.expectPicks('-xyxy 195ms --xyxxyx|');
  });

  marble('a weight that is not told again counts no more: plain turns', (m) => {
    const [x, y] = [ready('x'), ready('y')];
    reports(m, [
      [x, '9'],
      [y, '1'],
    ]);
    m.nodes('a 409ms |', { a: [x, y] }).pipe(
      weightedRoundRobin({ loadReports: { ...quick, blackoutPeriodMs: 0 }, scheduler: m.scheduler }),
    );
    m.picks('--- 98ms pppp 297ms pppp|');
    m.expectPicks('--- 98ms xxxx 297ms yxyx|');
  });

  marble('nothing ticks before somebody subscribes, and nothing after the end', (m) => {
    const balancer = weightedRoundRobin({ loadReports: quick, scheduler: m.scheduler });
    const set$ = m.cold('a 999ms |', { a: NodeSet.of([ready('x')]) });
    m.expectObservable(set$.pipe(balancer, ignoreElements()), '350ms !').toBe('');
    m.expectSubscriptions(set$.subscriptions).toBe('^ 349ms !');
    m.flush();
    // What is left are actions that were scheduled by the diagrams, all of them over.
    expect(m.scheduler.actions).toEqual([]);
  });

  // On a clock that stands still, since its ticks do not end before an endless source does.
  lifecycle(() => weightedRoundRobin({ loadReports: true, scheduler: new VirtualTimeScheduler() }));
});
