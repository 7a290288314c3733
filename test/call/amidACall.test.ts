/** Calls that end, begin or are given up while another part of the client is amid them. */

import {
  EMPTY,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  NEVER,
  Observable,
  Subject,
  takeUntil,
  throwError,
  timer,
} from 'rxjs';
import type { Balancer } from '../../src/balancer/picker.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { aimdLimit } from '../../src/call/aimdLimit.js';
import { circuitBreaker } from '../../src/call/circuitBreaker.js';
import { concurrencyLimit } from '../../src/call/concurrencyLimit.js';
import type { Policy } from '../../src/call/policy.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createPool, type Pool, type PoolOptions } from '../../src/client/pool.js';
import { until } from '../support/until.js';

let pool: Pool<string> | undefined;
afterEach(() => pool?.close({ drainMs: 0 }));

const poolOf = (ids: readonly string[], options: Partial<PoolOptions<string>>, use: readonly Policy[] = []) =>
  (pool = createPool<string>({ members: ids.map((id) => ({ id, resource: id })), use, ...options }));
const silent = { error: () => undefined };

it('who was sent away may make room for the newcomer, who then runs, and leaves its place at its end', async () => {
  const { use, snapshot } = poolOf(['a'], {}, [concurrencyLimit({ max: 1, queue: { size: 1 } })]);
  // One runs and one waits; when one fails both are given up.
  merge(
    use(() => NEVER),
    use(() => NEVER, { priority: 0 }),
  ).subscribe(silent);
  const answers: string[] = [];
  use(() => timer(1), { priority: 1 }).subscribe({ complete: () => answers.push('newcomer') });
  await until('it has run', () => answers.length === 1);
  use(() => timer(1)).subscribe({ complete: () => answers.push('later') });
  await until('another runs', () => answers.length === 2);
  expect(snapshot().calls.inFlight).toBe(0);
});

it('a call that is given up as it is let in after a wait leaves its place, and does not run', async () => {
  const { use, events$, nodes$ } = poolOf(['a'], {}, [concurrencyLimit({ per: 'node', max: 1 })]);
  const stop$ = new Subject<void>();
  events$.subscribe((event) => event.type === 'limited' && event.result === 'waited' && stop$.next());
  const ran: string[] = [];
  use(() => timer(5)).subscribe();
  await new Promise<void>((complete) =>
    use(() => [ran.push('given up')])
      .pipe(takeUntil(stop$))
      .subscribe({ complete }),
  );
  await lastValueFrom(use(() => [ran.push('next')], { deadlineMs: 2_000 }));
  expect(ran).toEqual(['next']);
  expect(nodes$.value.nodes[0]!.stats.inFlight).toBe(0);
});

it('a call that is given up as a queue lets it in leaves its place to the next', async () => {
  const { use, events$ } = poolOf(['a'], {}, [concurrencyLimit({ max: 1 })]);
  const stop$ = new Subject<void>();
  events$.subscribe((event) => event.type === 'limited' && event.result === 'waited' && stop$.next());
  use(() => timer(5)).subscribe();
  await lastValueFrom(use(() => [0]).pipe(takeUntil(stop$)), { defaultValue: 0 });
  expect(await lastValueFrom(use(() => ['next'], { deadlineMs: 2_000 }))).toBe('next');
});

it('no copy of a call is sent that has ended in the same millisecond', async () => {
  let open = 0;
  const hang = () =>
    new Observable<never>(() => {
      open++;
      return () => open--;
    });
  const { use, snapshot } = poolOf(['a', 'b'], {});
  for (let i = 0; i < 10; i++) {
    const late = use(hang, { deadlineMs: 10 });
    const hedged = use(hang, { failover: true, hedge: { delayMs: 10 } });
    await new Promise<void>((over) => merge(late, hedged).subscribe({ error: () => over() }));
  }
  expect(snapshot().calls.inFlight).toBe(0);
  await until('nothing runs any more', () => open === 0);
  expect(pool!.nodes$.value.nodes.map(({ stats }) => stats.inFlight)).toEqual([0, 0]);
});

it('calls that wait at a breaker and at a limit do not pass a place to and fro for ever', async () => {
  const breaker = circuitBreaker({ consecutiveFailures: 1, cooldownMs: 20, jitter: 0 });
  const limit = concurrencyLimit({ limit: aimdLimit({ initial: 3 }) });
  const members = ['a', 'b', 'c'].map((id) => ({ id, resource: id, weight: id === 'c' ? 0 : 1 }));
  const { use, events$, eject, readmit, snapshot } = poolOf([], { members, calls: { retry: false } }, [breaker, limit]);
  const down = (ms: number) => () =>
    timer(ms).pipe(mergeMap(() => throwError(() => new FleetError('UNAVAILABLE', 'down'))));
  // One is at its limit with two that hang; the probe of the other will hang.
  const plans: Record<string, (() => Observable<unknown>)[]> = {
    a: [() => NEVER, () => NEVER, down(2)],
    b: [down(3), () => timer(0), () => NEVER],
  };
  const next = (id: string) => (plans[id]!.shift() ?? (() => NEVER))();
  const probed = new Set<string>();
  events$.subscribe((event) => event.type === 'breakerChanged' && event.to === 'halfOpen' && probed.add(event.node));
  for (let i = 0; i < 5; i++) use(next).subscribe(silent);
  await until('both are half-open', () => probed.size === 2);
  use(next).subscribe(silent);
  for (let i = 0; i < 2; i++) use(() => NEVER, { waitForReady: true }).subscribe(silent);
  // Any change of any node.
  eject('c', { by: 'me', obstacle: 'ejected', reason: 'to see', until: undefined });
  readmit('c', 'me');
  expect(snapshot().calls.inFlight).toBe(5);
});

it('who waits for a place and leaves makes room in the queue for the next', () => {
  const { use, snapshot } = poolOf(['a'], {}, [concurrencyLimit({ per: 'node', max: 1, queue: { size: 1 } })]);
  const waiting = () => snapshot().policies['concurrencyLimit'];
  const ends: string[] = [];
  const told = (who: string) => ({ error: ({ code }: FleetError) => ends.push(`${who}: ${code}`) });
  use(() => NEVER).subscribe(told('runs'));
  const waits = use(() => NEVER).subscribe(told('waits'));
  expect(waiting()).toMatchObject({ waiting: 1 });
  waits.unsubscribe();
  expect(waiting()).toMatchObject({ waiting: 0 });
  use(() => NEVER).subscribe(told('next'));
  expect(waiting()).toMatchObject({ waiting: 1 });
  expect(ends).toEqual([]);
});

it('who waits for a node and leaves asks the balancer no more', async () => {
  const asked: unknown[] = [];
  const counted: Balancer = (set$, ports) =>
    roundRobin()(set$, ports).pipe(
      map((picker) => ({
        set: picker.set,
        pick: (context) => {
          asked.push(context.key);
          return picker.pick(context);
        },
      })),
    );
  const { use, add } = poolOf([], { balancer: counted });
  const waits = use(() => NEVER, { key: 'left', waitForReady: true }).subscribe(silent);
  waits.unsubscribe();
  add({ id: 'a', resource: 'a' });
  await lastValueFrom(use(() => [1], { key: 'later', waitForReady: true }));
  expect(asked.filter((key) => key === 'left')).toHaveLength(1);
  expect(asked).toContain('later');
});

it('copies of a call that ends without an answer are told as outrun', async () => {
  const { use, events$ } = poolOf(['a', 'b'], {});
  const ends: (boolean | string)[] = [];
  events$.subscribe((event) => event.type === 'attemptEnded' && ends.push(event.outcome.status, event.outrun));
  const plans = [NEVER, EMPTY];
  await lastValueFrom(
    use(() => plans.shift()!, { failover: true, hedge: { delayMs: 1, maxAttempts: 2 } }),
    { defaultValue: undefined },
  );
  expect(ends).toEqual(['ok', false, 'cancelled', true]);
});
