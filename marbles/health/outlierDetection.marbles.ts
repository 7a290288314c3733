import { map } from 'rxjs';
import { updateNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { outlierDetection } from '../../src/health/outlierDetection.js';
import type { OutlierDetectionOptions } from '../../src/health/outlierDetection/outlierRules.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { cancelled, drawnFleet, failed, nodesOf, ok, type DrawnOptions, type Ended } from './drawnFleet.js';

const calls = (ids: string, good: number, bad: number): readonly Ended[] =>
  [...ids].flatMap((id) => [
    { id, outcome: ok, times: good },
    { id, outcome: failed('INTERNAL'), times: bad },
  ]);
/** All ten nodes have 100 calls; of the others all succeed. */
const letters: Record<string, readonly Ended[]> = {
  g: calls('abcdefghij', 100, 0),
  // a fails half of its calls; nine of ten; and b, too.
  h: [...calls('a', 50, 50), ...calls('bcdefghij', 100, 0)],
  n: [...calls('a', 10, 90), ...calls('bcdefghij', 100, 0)],
  N: [...calls('ab', 10, 90), ...calls('cdefghij', 100, 0)],
  // All fail alike: nobody is an outlier, and everybody is over the threshold.
  w: calls('abcdefghij', 0, 100),
  // Too few calls on a.
  l: [...calls('a', 0, 49), ...calls('bcdefghij', 100, 0)],
  // Requests that were bad, or given up.
  q: [
    { id: 'a', outcome: failed('INVALID_ARGUMENT'), times: 100 },
    { id: 'a', outcome: cancelled, times: 100 },
    ...calls('bcdefghij', 100, 0),
  ],
  // Four nodes are called.
  f: [...calls('a', 0, 100), ...calls('bcd', 100, 0)],
  t: calls('abc', 5, 5),
};

// Judged at 10, 20, 30, …; out for 20 the first time, at most for 50.
const times = { intervalMs: 10, baseEjectionTimeMs: 20, maxEjectionTimeMs: 50 };
const run = (
  m: MarbleHelpers,
  drawn: string,
  options: OutlierDetectionOptions = {},
  { ids = 'abcdefghij', ...rest }: DrawnOptions & { readonly ids?: string } = {},
) => drawnFleet(m, nodesOf(ids), [outlierDetection({ ...times, ...options })], drawn, letters, rest);

const values = {
  // The mean is 95 %, the standard deviation 15 %.
  o: 'a out: 50.0 % of its 100 calls succeeded, under 66.5 % (95.0 % less 1.9 standard deviations)',
  // The mean is 91 %, the standard deviation 27 %.
  O: 'a out: 10.0 % of its 100 calls succeeded, under 39.7 % (91.0 % less 1.9 standard deviations)',
  p: 'a out: 90.0 % of its 100 calls failed, over 85 %',
  q: 'b out: 90.0 % of its 100 calls failed, over 85 %',
  r: 'a in',
  R: 'b in',
  s: 'a spared (enforcement_percentage)',
  t: 'b spared (max_ejection_overflow)',
};
/** What an inert detector says that there is. */
const shortage = () => map((told: string) => /there are .* calls/.exec(told)?.[0]);
const successRate = { failurePercentage: false } as const;
const failurePercentage = { successRate: false } as const;

describe('outlierDetection by success rate', () => {
  marble('a node far below the others is out for a while, then in again', (m) => {
    m.expectObservable(run(m, '-h', successRate).told$, '60ms !').toBe('10ms o 19ms r', values);
  });

  marble('where all succeed, or all fail, nobody is an outlier', (m) => {
    m.expectObservable(run(m, '-g 9ms w 9ms g', successRate).told$, '60ms !').toBe('');
  });

  marble('a node with too few calls is not judged, and calls that say nothing of it are not counted', (m) => {
    m.expectObservable(run(m, '-l 9ms q', successRate).told$, '60ms !').toBe('');
  });

  marble('each interval is judged by its own calls', (m) => {
    // Half of the calls that it takes in one interval, the other half in the next.
    const half = { ...letters, x: [...calls('a', 0, 60), ...calls('bcdefghij', 60, 0)] };
    const detectors = [outlierDetection({ ...times, ...successRate })];
    const apart = drawnFleet(m, nodesOf('abcdefghij'), detectors, '-x 9ms x', half);
    m.expectObservable(apart.told$, '60ms !').toBe('');
    const together = drawnFleet(m, nodesOf('abcdefghij'), detectors, '-x-x', half);
    m.expectObservable(together.told$, '25ms !').toBe('10ms o', {
      o: 'a out: 0.0 % of its 120 calls succeeded, under 33.0 % (90.0 % less 1.9 standard deviations)',
    });
  });

  marble('with fewer nodes that were called than minimumHosts nobody is judged', (m) => {
    m.expectObservable(run(m, '-f', successRate).told$, '60ms !').toBe('');
    m.expectObservable(
      run(m, '-f', { ...successRate, ...{ successRate: { minimumHosts: 4, stdevFactor: 1_000 } } }).told$,
      '25ms !',
    ).toBe('10ms o', {
      o: 'a out: 0.0 % of its 100 calls succeeded, under 31.7 % (75.0 % less 1 standard deviations)',
    });
  });
});

describe('outlierDetection by failure percentage', () => {
  marble('a node of which too many calls fail is out, whatever the others do', (m) => {
    m.expectObservable(run(m, '-n', failurePercentage).told$, '60ms !').toBe('10ms p 19ms r', values);
    const exactly = { ...letters, x: calls('a', 15, 85) };
    const { told$ } = drawnFleet(
      m,
      nodesOf('abcde'),
      [outlierDetection({ ...times, ...failurePercentage })],
      '-x',
      exactly,
    );
    m.expectObservable(told$, '60ms !').toBe('');
  });

  marble('minimumHosts counts the nodes that there are, called or not', (m) => {
    m.expectObservable(run(m, '-f', failurePercentage, { ids: 'abcde' }).told$, '25ms !').toBe('10ms o', {
      o: 'a out: 100.0 % of its 100 calls failed, over 85 %',
    });
    const { told$ } = run(m, '-f', failurePercentage, { ids: 'abcd' });
    m.expectObservable(told$.pipe(shortage()), '12ms !').toBe('10ms i', {
      i: 'there are 4 nodes, the busiest with 100 calls',
    });
  });
});

describe('outlierDetection', () => {
  marble('both algorithms find a node, and it is out once', (m) => {
    m.expectObservable(run(m, '-n').told$, '60ms !').toBe('10ms O 19ms r', values);
  });

  marble('each time in a row it is out longer, up to the longest', (m) => {
    // Out for 20, 40, 50, 50.
    const failing = '-h 29ms h 49ms h 59ms h';
    m.expectObservable(run(m, failing, successRate).told$, '250ms !').toBe(
      '10ms o 19ms r 9ms o 39ms r 9ms o 49ms r 9ms o 49ms r',
      values,
    );
  });

  marble('each interval in which it stays in makes the next time shorter again', (m) => {
    // Out for 20; out for 40; in for three intervals, of which two are clean: out for 20 again.
    const failing = '-h 29ms h 49ms 30ms h';
    m.expectObservable(run(m, failing, successRate).told$, '250ms !').toBe(
      '10ms o 19ms r 9ms o 39ms r 39ms o 19ms r',
      values,
    );
  });

  marble('no more than the budget allows: the second one stays in, and is found again', (m) => {
    const budget = { maxEjectionPercent: 10 };
    m.expectObservable(run(m, '-N 9ms N', failurePercentage, { budget }).told$, '60ms !').toBe(
      '10ms (pt) 6ms t 9ms r',
      values,
    );
  });

  marble('of enforcementPercentage in a hundred that are found, the node is really taken out', (m) => {
    const chances = [0.995, 0.3, 0.2999];
    const options = { failurePercentage: false, successRate: { enforcementPercentage: 30 } } as const;
    const { told$ } = run(m, '-h 9ms h 9ms h', options, { random: () => chances.shift()! });
    m.expectObservable(told$, '60ms !').toBe('10ms s 9ms s 9ms o 19ms r', values);
  });

  marble('a node that leaves and comes back starts clean', (m) => {
    const all = nodesOf('abcdefghij');
    const sets$ = m.hot('a 14ms b-a', { a: NodeSet.of(all), b: NodeSet.of(all.slice(1)) });
    // It would be out until 30; and longer the second time.
    m.expectObservable(run(m, '-h 19ms h', successRate, { sets$ }).told$, '80ms !').toBe(
      '10ms o 19ms o 19ms r',
      values,
    );
  });

  marble('a node that moves to another address is another process: it is let in', (m) => {
    const all = nodesOf('abcdefghij');
    const moved = updateNode(all[0]!, { address: { host: '10.0.0.9', port: 1 } });
    const sets$ = m.hot('a 14ms b', { a: NodeSet.of(all), b: NodeSet.of([moved, ...all.slice(1)]) });
    m.expectObservable(run(m, '-h', successRate, { sets$ }).told$, '80ms !').toBe('10ms o----r', values);
  });

  marble('a user may let it in before its time, and is not overruled until it fails again', (m) => {
    const { directory, told$ } = run(m, '-h 29ms h', successRate);
    m.cold('12ms r').subscribe(() => directory.readmit('a', 'outlierDetection'));
    m.expectObservable(told$, '80ms !').toBe('10ms o 29ms o 19ms r', values);
  });

  marble('unsubscribing ends the timer', (m) => {
    m.expectObservable(run(m, '-h', successRate).told$, '15ms !').toBe('10ms o', values);
  });
});

describe('outlierDetection where it can judge nobody', () => {
  marble('says so once, in a fleet that is too small', (m) => {
    const { told$ } = run(m, '-t 9ms t 9ms t', {}, { ids: 'abc' });
    m.expectObservable(told$, '80ms !').toBe('10ms i', {
      i:
        'inert: it judges nobody: in 10 ms it needs for successRate 5 nodes with 100 calls each, for failurePercentage 5 nodes, ' +
        'and 50 calls on the one it judges; there are 3 nodes, the busiest with 10 calls: ' +
        'use consecutiveFailures() as well, or lower minimumHosts and requestVolume',
    });
  });

  marble('says nothing where nothing is called', (m) => {
    m.expectObservable(run(m, '', {}, { ids: 'abc' }).told$, '80ms !').toBe('');
  });

  marble('is patient with a fleet that is large enough: six intervals with too few calls in a row', (m) => {
    const quiet = '-t 9ms t 9ms t 9ms t 9ms t 9ms t';
    const inert = 'there are 10 nodes, the busiest with 10 calls';
    m.expectObservable(run(m, quiet).told$.pipe(shortage()), '90ms !').toBe('60ms i', { i: inert });
    m.expectObservable(run(m, '-t 9ms t 9ms t 9ms g 9ms t 9ms t 9ms t').told$, '90ms !').toBe('');
  });
});
