import { distinctUntilChanged, map, type Observable } from 'rxjs';
import { fyerBreaker, type FyerBreakerOptions } from '../../src/call/fyerBreaker.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnClient, type Answers } from './drawnClient.js';

const down = new FleetError('UNAVAILABLE', 'down');

/** One node behind it, called at each of these moments, and the states of its breaker. */
function states(
  m: MarbleHelpers,
  x: Answers,
  times: readonly number[],
  options?: FyerBreakerOptions,
): Observable<string> {
  const breaker = fyerBreaker(options);
  const client = drawnClient(m, { x }, { policies: [breaker] });
  for (const ms of times) {
    m.cold(`${ms}ms x`).subscribe(() => client.call({ retry: false }).subscribe({ error: () => undefined }));
  }
  return breaker.states$.pipe(
    map(([x]) => x?.state[0] ?? 'c'),
    distinctUntilChanged(),
  );
}

const quick = { circuitBreakThreshold: 1, circuitBreakTimeoutMs: 10 };

describe('fyerBreaker', () => {
  marble('opens after five failures in a row, for 30 seconds', (m) => {
    const state$ = states(m, m.cold('#', {}, down), [0, 1, 2, 3, 4, 5]);
    m.expectObservable(state$, '^ 40s !').toBe('c---o 29999ms h');
  });

  marble(
    'each opening is longer than the one before, by its own factors: 1, 2, 3, 4.5, 6.75, at most 10 times',
    (m) => {
      // Half-open, it is called each millisecond, and two of three failures open it again.
      const times = Array.from({ length: 700 }, (_, ms) => ms);
      const at: number[] = [];
      const state$ = states(m, m.cold('#', {}, down), times, quick);
      state$.subscribe((state) => {
        if (state !== 'c') at.push(m.scheduler.now());
      });
      m.flush();
      const lengths = at.slice(0, 14).flatMap((ms, i) => (i % 2 ? [ms - at[i - 1]!] : []));
      expect(lengths).toEqual([10, 20, 30, 45, 68, 100, 100]);
    },
  );

  marble('half of its three half-open calls must succeed, and none of them goes uncounted', (m) => {
    const bad = m.cold('#', {}, down);
    const good = m.cold('a|');
    m.expectObservable(states(m, [bad, good, good], [0, 11, 13], quick), '^ 60ms !').toBe('(co) 6ms h--c');
    m.expectObservable(states(m, [bad, bad, good, good], [0, 11, 13, 15], quick), '^ 60ms !').toBe('(co) 6ms h----c');
    m.expectObservable(states(m, [bad, bad, good, bad], [0, 11, 13, 15], quick), '^ 30ms !').toBe('(co) 6ms h----o');
  });

  marble('calls that are cancelled or never end do not leave it half-open for ever', (m) => {
    const bad = m.cold('#', {}, down);
    const state$ = states(m, [bad, m.cold('-'), m.cold('-'), m.cold('-'), bad], [0, 11, 12, 13], quick);
    // After 30 s two of them have failed.
    m.expectObservable(state$, '^ 31s !').toBe('(co) 6ms h 30001ms o 19ms h');
  });
});
