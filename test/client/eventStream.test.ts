/** Listeners that act amid an event, and those who listen after them. */

import { firstValueFrom, lastValueFrom, Subject, takeUntil } from 'rxjs';
import { createPool, type Pool } from '../../src/client/pool.js';
import type { FleetEvent } from '../../src/client/fleetEvent.js';
import { FleetError } from '../../src/core/fleetError.js';
import { prometheusMetrics } from '../../src/metrics/prometheus.js';
import { valueOf } from '../metrics/prometheus/scriptedFleet.js';

let pool: Pool<object>;
let told: string[];
beforeEach(() => {
  told = [];
  pool = createPool({
    members: [
      { id: 'a', resource: {} },
      { id: 'b', resource: {} },
    ],
    calls: { failover: true, retry: { initialBackoffMs: 1, maxAttempts: 3 } },
  });
});
afterEach(() => pool.close());

const down = () => Promise.reject(new FleetError('UNAVAILABLE', 'down', { sent: true }));
const onEach = (act: (event: FleetEvent) => void) => pool.events$.subscribe(act);
/** After those who act. */
const listen = () => onEach((event) => 'call' in event && told.push(event.type));

const first = ['callStarted', 'decision', 'attemptStarted', 'attemptEnded', 'retryScheduled'];

it.each([
  ['retryScheduled', 0, []],
  // Of an attempt that is given up before it begins nobody hears that it ended.
  ['decision', 1, ['decision']],
  ['attemptStarted', 1, ['decision', 'attemptStarted', 'attemptEnded']],
] as const)('a call that is given up amid its %s %i ends after it for everybody', async (type, nth, second) => {
  const stop$ = new Subject<void>();
  let met = 0;
  onEach((event) => event.type === type && met++ === nth && stop$.next());
  listen();
  await lastValueFrom(pool.use(down).pipe(takeUntil(stop$)), { defaultValue: undefined });
  expect(told).toEqual([...first, ...second, 'callEnded']);
});

it('attempts on a node are balanced, whoever gives calls up amid them', async () => {
  const stop$ = new Subject<void>();
  let turn = 0;
  onEach((event) => ['decision', 'attemptStarted'].includes(event.type) && turn++ % 3 === 0 && stop$.next());
  const { registry } = prometheusMetrics(pool, { perNode: true });
  for (let i = 0; i < 30; i++) await lastValueFrom(pool.use(() => [1]).pipe(takeUntil(stop$)), { defaultValue: 0 });
  for (const node of ['a', 'b']) {
    expect(await valueOf(registry, 'rxfleet_node_attempts_in_flight', { node })).toBe(0);
  }
  expect(await valueOf(registry, 'rxfleet_calls_in_flight')).toBe(0);
});

it('a client that is closed amid an event tells everybody of the ends of its calls, and then of its own', async () => {
  onEach((event) => void (event.type === 'attemptStarted' && pool.close({ drainMs: 0 })));
  const over = new Promise<void>((complete) => {
    pool.events$.subscribe({ next: (event) => 'call' in event && told.push(event.type), complete });
  });
  await expect(lastValueFrom(pool.use(() => new Promise(() => undefined)))).rejects.toMatchObject({ code: 'CLOSED' });
  await over;
  expect(told).toEqual(['callStarted', 'decision', 'attemptStarted', 'attemptEnded', 'callEnded']);
});

it('a call that is begun amid an event of another asks for its headers before it begins', async () => {
  const order: string[] = [];
  const another = new Promise((resolve) => {
    const life = onEach(({ type }) => {
      if (type !== 'callEnded') return;
      life.unsubscribe();
      resolve(firstValueFrom(pool.use(() => [order.push('begins')])));
    });
  });
  onEach(({ type }) => type === 'attemptStarted' && order.push('asked'));
  await lastValueFrom(pool.use(() => [0]));
  await another;
  expect(order).toEqual(['asked', 'asked', 'begins']);
});
