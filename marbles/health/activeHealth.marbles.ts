import { map, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { activeHealth, type ActiveHealthOptions } from '../../src/health/activeHealth.js';
import type { HealthTarget, Verdict } from '../../src/health/healthCheck.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { health, verdicts } from './letters.js';

const target = {} as HealthTarget;

/** One check after another, every 10 ms, without jitter unless asked for. */
const run = (
  { scheduler }: MarbleHelpers,
  checks: Observable<Verdict> | Observable<Verdict>[],
  options: ActiveHealthOptions = {},
) => {
  let next = 0;
  const check = () => (Array.isArray(checks) ? checks[Math.min(next++, checks.length - 1)]! : checks);
  const all = { intervalMs: 10, timeoutMs: 5, initialJitterMs: 0, jitter: 0, scheduler, random: () => 0.5, ...options };
  return activeHealth(check, all)(target);
};

describe('activeHealth', () => {
  marble('asks again after each interval, counted from the end of the check', (helpers) => {
    const check$ = helpers.cold('-(g|)', verdicts);
    helpers.expectObservable(run(helpers, check$).pipe(health()), '^ 30ms !').toBe('-s');
    helpers.expectSubscriptions(check$.subscriptions).toBe(['^!', '11ms ^!', '22ms ^!']);
  });

  marble('three failed checks take the node out, two good ones bring it back', (helpers) => {
    const good$ = helpers.cold('(g|)', verdicts);
    const bad$ = helpers.cold('(b|)', verdicts);
    const checks = [good$, bad$, bad$, bad$, good$, good$];
    helpers.expectObservable(run(helpers, checks).pipe(health()), '^ 55ms !').toBe('s 29ms n 19ms s');
  });

  marble('a check without an answer in time has failed, and is given up', (helpers) => {
    const silent$ = helpers.cold<Verdict>('-');
    const health$ = run(helpers, silent$, { failuresOut: 2 }).pipe(map(({ health, reason }) => `${health}: ${reason}`));
    helpers.expectObservable(health$, '^ 25ms !').toBe('20ms a', {
      a: 'notServing: 2 health checks failed in a row, the last: no answer within 5 ms',
    });
    helpers.expectSubscriptions(silent$.subscriptions).toBe(['^----!', '15ms ^----!']);
  });

  marble('a check that errors has failed, and does not end the checking', (helpers) => {
    const error = new FleetError('UNAVAILABLE', 'connection refused');
    const failing$ = helpers.cold<Verdict>('-#', {}, error);
    const good$ = helpers.cold('(g|)', verdicts);
    const health$ = run(helpers, [failing$, good$, good$], { failuresOut: 1 });
    helpers.expectObservable(health$, '^ 30ms !').toBe('-n 19ms s', {
      n: { health: 'notServing', reason: 'UNAVAILABLE: connection refused' },
      s: { health: 'serving', reason: undefined },
    });
  });

  marble('a watch stays open, and what it says counts at once', (helpers) => {
    const watch$ = helpers.cold('-G--B--G', verdicts);
    helpers.expectObservable(run(helpers, watch$).pipe(health()), '^ 30ms !').toBe('-s--n--s');
    helpers.expectSubscriptions(watch$.subscriptions).toBe('^ 30ms !');
  });

  marble('the first check is put off by chance, each interval spread by chance', (helpers) => {
    const check$ = helpers.cold('(g|)', verdicts);
    const chances = [0.25, 1, 0, 0.5];
    const options = { initialJitterMs: 8, jitter: 0.5, random: () => chances.shift() ?? 0.5 };
    helpers.expectObservable(run(helpers, check$, options).pipe(health()), '^ 33ms !').toBe('--s');
    // 8 × 0.25, then 10 × 1.5, then 10 × 0.5, then 10 × 1.
    const subscriptions = ['--(^!)', '17ms (^!)', '22ms (^!)', '32ms (^!)'];
    helpers.expectSubscriptions(check$.subscriptions).toBe(subscriptions);
  });

  marble('unsubscribing ends the check that runs', (helpers) => {
    const check$ = helpers.cold('---(g|)', verdicts);
    helpers.expectObservable(run(helpers, check$).pipe(health()), '^-!').toBe('-');
    helpers.expectSubscriptions(check$.subscriptions).toBe('^-!');
  });

  marble('unsubscribing between two checks leaves no timer behind', (helpers) => {
    const check$ = helpers.cold('(g|)', verdicts);
    helpers.expectObservable(run(helpers, check$).pipe(health()), '^ 15ms !').toBe('s');
    helpers.expectSubscriptions(check$.subscriptions).toBe(['(^!)', '10ms (^!)']);
  });

  marble('cold: each subscriber asks on its own', (helpers) => {
    const check$ = helpers.cold('(g|)', verdicts);
    const health$ = run(helpers, check$).pipe(health());
    helpers.expectObservable(health$, '^---!').toBe('s');
    helpers.expectObservable(health$, '-^--!').toBe('-s');
    helpers.expectSubscriptions(check$.subscriptions).toBe(['(^!)', '-(^!)']);
  });
});
