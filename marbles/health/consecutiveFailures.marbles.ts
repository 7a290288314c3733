import { map } from 'rxjs';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { consecutiveFailures, type ConsecutiveFailuresOptions } from '../../src/health/consecutiveFailures.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { cancelled, drawnFleet, failed, nodesOf, ok, type DrawnOptions, type Ended } from './drawnFleet.js';

/** Of x and y: f, g: failures; s: a success of x; q: its request was bad; c: it was cancelled; d: late; i: INTERNAL. */
const letters: Record<string, readonly Ended[]> = {
  f: [{ id: 'x', outcome: failed() }],
  F: [{ id: 'x', outcome: failed(), times: 3 }],
  g: [{ id: 'y', outcome: failed() }],
  G: [{ id: 'y', outcome: failed(), times: 3 }],
  s: [{ id: 'x', outcome: ok }],
  q: [{ id: 'x', outcome: failed('INVALID_ARGUMENT') }],
  c: [{ id: 'x', outcome: cancelled }],
  d: [{ id: 'x', outcome: failed('DEADLINE_EXCEEDED') }],
  i: [{ id: 'x', outcome: failed('INTERNAL') }],
};
const values = {
  o: 'x out: 3 calls in a row failed, the last with UNAVAILABLE',
  d: 'x out: 3 calls in a row failed, the last with DEADLINE_EXCEEDED',
  i: 'x out: 3 calls in a row failed, the last with INTERNAL',
  r: 'x in',
  p: 'y out: 3 calls in a row failed, the last with UNAVAILABLE',
  q: 'y in',
  s: 'x spared (max_ejection_overflow)',
  t: 'y spared (max_ejection_overflow)',
  e: 'x spared (enforcement_percentage)',
};

const run = (m: MarbleHelpers, calls: string, options: ConsecutiveFailuresOptions = {}, drawn?: DrawnOptions) => {
  const terms = { failures: 3, baseEjectionTimeMs: 10, maxEjectionTimeMs: 35, intervalMs: 20 };
  return drawnFleet(m, nodesOf('xyz'), [consecutiveFailures({ ...terms, ...options })], calls, letters, drawn);
};

describe('consecutiveFailures', () => {
  marble('a node that fails three times in a row is out for a while, then in again', (m) => {
    m.expectObservable(run(m, '-f-f-f-----------').told$, '30ms !').toBe('-----o---------r', values);
  });

  marble('a success between the failures sets the count back', (m) => {
    m.expectObservable(run(m, 'ffsff-sff--------').told$, '30ms !').toBe('', values);
  });

  marble('what is not the fault of the node counts as nothing, neither for it nor against it', (m) => {
    m.expectObservable(run(m, 'fqcfqccqf').told$, '30ms !').toBe('--------o---------r', values);
  });

  marble('every kind of failure counts that the node or the network is to blame for', (m) => {
    m.expectObservable(run(m, 'fid').told$, '30ms !').toBe('--d---------r', values);
  });

  marble('with gatewayOnly any answer of the node itself sets the count back', (m) => {
    m.expectObservable(run(m, 'ffiffqfdf', { gatewayOnly: true }).told$, '30ms !').toBe('--------o---------r', values);
  });

  marble('it comes back with a clean count, and is out longer the next time, up to the longest', (m) => {
    // 10 ms, 20 ms, 30 ms, 35 ms.
    const calls = 'F 9ms --ff-f 22ms F 32ms F';
    m.expectObservable(run(m, calls).told$, '150ms !').toBe('o 9ms r----o 19ms r--o 29ms r--o 34ms r', values);
  });

  marble('each interval from its next success on makes the next time shorter again', (m) => {
    // Out for 10, out for 20; good for 20: once forgiven, so out for 20 again, not 30; good for 40: out for 10.
    const calls = 'F 10ms F 20ms s 19ms F 20ms s 39ms F';
    m.expectObservable(run(m, calls).told$, '190ms !').toBe('o 9ms ro 19ms r 20ms o 19ms r 40ms o 9ms r', values);
  });

  marble('a node that nobody has called since is not forgiven', (m) => {
    m.expectObservable(run(m, 'F 99ms F').told$, '190ms !').toBe('o 9ms r 89ms o 19ms r', values);
    // Whatever it did before.
    m.expectObservable(run(m, 'fsF 99ms F').told$, '190ms !').toBe('--o 9ms r 89ms o 19ms r', values);
  });

  marble('calls that were under way when it was taken out do not prolong its time, nor count afterwards', (m) => {
    m.expectObservable(run(m, 'F-ff-F-----ff-f').told$, '50ms !').toBe('o---------r---o 19ms r', values);
  });

  marble('each node is counted by itself', (m) => {
    m.expectObservable(run(m, 'fgfgfg').told$, '30ms !').toBe('----op--------rq', values);
  });

  marble('within the budget: the second one stays in, and is found again after as many failures', (m) => {
    const budget = { maxEjectionPercent: 10 };
    m.expectObservable(run(m, 'FG--ggg----G', {}, { budget }).told$, '50ms !').toBe('ot----t---rp---------q', values);
  });

  marble('of enforcementPercentage in a hundred that are found, the node is really taken out', (m) => {
    const chances = [0.5, 0.49];
    const random = () => chances.shift()!;
    m.expectObservable(run(m, 'F-F', { enforcementPercentage: 50 }, { random }).told$, '20ms !').toBe(
      'e-o---------r',
      values,
    );
  });

  marble('jitter makes each time out longer by chance', (m) => {
    const chances = [0, 0.5];
    const random = () => chances.shift()!;
    m.expectObservable(run(m, 'F', { jitterMs: 8 }, { random }).told$, '20ms !').toBe('o 13ms r', values);
  });

  marble('a node that leaves and comes back starts clean', (m) => {
    const [x, y] = nodesOf('xy');
    const sets$ = m.hot('a-b-c-----', { a: NodeSet.of([x!, y!]), b: NodeSet.of([y!]), c: NodeSet.of([x!, y!]) });
    // Two failures are forgotten with it, and so is its time out.
    m.expectObservable(run(m, 'ff---ff-f-', {}, { sets$ }).told$, '30ms !').toBe('--------o---------r', values);
    const again$ = m.hot('a-b-c-----', { a: NodeSet.of([x!, y!]), b: NodeSet.of([y!]), c: NodeSet.of([x!, y!]) });
    m.expectObservable(run(m, '-F----F', {}, { sets$: again$ }).told$, '30ms !').toBe('-o----o---------r', values);
  });

  marble('a call to a node that left says nothing of the one that came in its place', (m) => {
    const [x, y] = nodesOf('xy');
    const sets$ = m.hot('a-b-c', { a: NodeSet.of([x!, y!]), b: NodeSet.of([y!]), c: NodeSet.of([x!, y!]) });
    // Three failures of the one that left, and two of the one that is there.
    const { directory, outcomes$, told$ } = run(m, '-------ff', {}, { sets$ });
    let old = x!;
    m.cold('-o').subscribe(() => (old = directory.nodes$.value.get('x')!));
    m.cold('-----ff-f').subscribe(() => outcomes$.next({ node: old, outcome: failed() }));
    m.expectObservable(told$, '30ms !').toBe('');
  });

  marble('a node that moves to another address is another process: it is let in', (m) => {
    const [x, y] = nodesOf('xy');
    const moved = createNode({ ...x!, address: '10.0.0.9:1', addresses: [] });
    const sets$ = m.hot('a---b-', { a: NodeSet.of([x!, y!]), b: NodeSet.of([moved, y!]) });
    m.expectObservable(run(m, '-F---F', {}, { sets$ }).told$, '30ms !').toBe('-o--ro---------r', values);
  });

  marble('a user may let it in before its time; it counts anew', (m) => {
    const { directory, told$ } = run(m, 'F----ff-f');
    m.cold('---r').subscribe(() => directory.readmit('x', 'consecutiveFailures'));
    m.expectObservable(told$, '60ms !').toBe('o-------o 19ms r', values);
  });

  marble('unsubscribing ends every timer', (m) => {
    m.expectObservable(run(m, 'F-').told$, '----!').toBe('o', values);
    m.expectObservable(run(m, '').told$, '----!').toBe('');
  });

  marble('two of them in one client hold a node out each in its own name', (m) => {
    const quick = consecutiveFailures({ failures: 3, baseEjectionTimeMs: 10 });
    const slow = consecutiveFailures({ failures: 3, baseEjectionTimeMs: 20, gatewayOnly: true });
    const { directory, told$ } = drawnFleet(m, nodesOf('xyz'), [quick, slow], '-F', letters);
    m.expectObservable(told$, '40ms !').toBe('-(oo)------r 9ms r', values);
    m.expectObservable(directory.node$('x').pipe(map(({ ejections }) => ejections.map(({ by }) => by).join()))).toBe(
      'a(bc)------d 9ms a',
      { a: '', b: 'consecutiveFailures', c: 'consecutiveFailures,consecutiveFailures 2', d: 'consecutiveFailures 2' },
    );
  });
});
