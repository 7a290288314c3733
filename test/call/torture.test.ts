/**
 * Calls through policies of all kinds, retried, hedged and resumed, whose users leave at any moment: within an answer, an event or the
 * beginning of the work, or in between. Whatever they do, nothing may be left behind.
 *
 * On virtual time. `RXFLEET_SEED` plays one world again; `RXFLEET_LONG` plays many more.
 */

import {
  concat,
  identity,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  Subscription,
  take,
  throwError,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import { aimdLimit } from '../../src/call/aimdLimit.js';
import { circuitBreaker } from '../../src/call/circuitBreaker.js';
import { concurrencyLimit } from '../../src/call/concurrencyLimit.js';
import { gradientLimit } from '../../src/call/gradientLimit.js';
import type { Policy } from '../../src/call/policy.js';
import { rateLimit } from '../../src/call/rateLimit.js';
import { recover } from '../../src/call/recover.js';
import { vegasLimit } from '../../src/call/vegasLimit.js';
import { createPool } from '../../src/client/pool.js';
import type { FleetErrorCode } from '../../src/core/errorCodes.js';
import { FleetError } from '../../src/core/fleetError.js';
import { seededRandom } from '../../src/testing/seededRandom.js';

const firstSeed = Number(process.env.RXFLEET_SEED ?? 1);
const worlds = process.env.RXFLEET_LONG ? 5_000 : process.env.RXFLEET_SEED ? 1 : 150;

/** Plays one world to its end, and says what is left of it. */
function play(seed: number) {
  const random = seededRandom(seed);
  const scheduler = new VirtualTimeScheduler(undefined, 1e6);
  const upTo = (least: number, most: number) => least + Math.floor(random() * (most - least + 1));
  const oneOf = <T>(...all: readonly T[]): T => all[upTo(0, all.length - 1)]!;
  const chance = (of: number) => random() < of;
  const after = (ms: number) => timer(ms, scheduler);

  let working = 0;
  const work = (): Observable<number> => {
    const failing = (ms: number, code: FleetErrorCode) => {
      const said = oneOf({}, { sent: false }, { trailers: { 'grpc-retry-pushback-ms': oneOf('-1', '5') } });
      return after(ms).pipe(mergeMap(() => throwError(() => new FleetError(code, 'drawn', said))));
    };
    const answers$ = oneOf<Observable<number>>(
      of(1),
      NEVER,
      after(upTo(1, 30)).pipe(map(() => 1)),
      failing(upTo(0, 20), oneOf<FleetErrorCode>('UNAVAILABLE', 'UNAVAILABLE', 'INTERNAL', 'RESOURCE_EXHAUSTED')),
      concat(of(1, 2), failing(5, 'UNAVAILABLE')),
      concat(of(1), NEVER),
    );
    return new Observable<number>((subscriber) => {
      working++;
      subscriber.add(() => working--);
      subscriber.add(answers$.subscribe(subscriber));
    });
  };

  const policies: readonly (() => Policy)[] = [
    () => circuitBreaker({ consecutiveFailures: upTo(1, 3), cooldownMs: upTo(5, 50), perMethod: chance(0.2) }),
    () =>
      concurrencyLimit({
        per: oneOf('node', 'client'),
        max: upTo(1, 3),
        queue: oneOf<false | { size: number }>(false, { size: upTo(1, 5) }),
      }),
    () => concurrencyLimit({ limit: oneOf(aimdLimit({ initial: 2 }), gradientLimit(), vegasLimit()) }),
    () => rateLimit({ perSecond: upTo(50, 500), burst: upTo(1, 4), maxWaitMs: oneOf(0, 20, 1e6) }),
  ];
  const chosen = policies.filter(() => chance(0.5)).sort(() => random() - 0.5);
  const pool = createPool<number>({
    members: Array.from({ length: upTo(1, 4) }, (_, i) => ({ id: 'abcd'[i]!, resource: i })),
    use: [...(chance(0.3) ? [recover()] : []), ...chosen.map((policy) => policy())],
    ...{ scheduler, random, retryBudget: { minPerSecond: upTo(0, 10) } },
  });

  const calls: Subscription[] = [];
  const leaveOne = () => calls[upTo(0, calls.length - 1)]?.unsubscribe();
  const disturbing = chance(0.5);
  pool.events$.subscribe(() => void (disturbing && chance(0.03) && leaveOne()));
  let ends = 0;
  const begin = (depth: number): void => {
    let over = false;
    const end = () => {
      if (over) throw new Error('a call ended twice');
      over = true;
      ends++;
      if (depth < 2 && chance(0.3)) begin(depth + 1);
    };
    const options = {
      ...{ name: oneOf('one', 'other'), deadlineMs: upTo(5, 200), waitForReady: chance(0.3), priority: upTo(0, 1) },
      ...{ failover: chance(0.5), retry: oneOf({}, { initialBackoffMs: upTo(1, 10), maxAttempts: upTo(1, 4) }) },
      ...(chance(0.3) && { firstResponseTimeoutMs: 10 }),
      ...(chance(0.5) && { hedge: { delayMs: upTo(0, 10), maxAttempts: upTo(2, 4) } }),
    };
    const next = () => void (chance(0.1) && leaveOne());
    let mine: Subscription | undefined = undefined;
    const leave = () => mine?.unsubscribe();
    const leaving = () => {
      if (chance(0.1)) leave();
      return work();
    };
    const answers$ = pool.use(leaving, options).pipe(chance(0.3) ? take(1) : identity);
    mine = answers$.subscribe({ next, error: end, complete: end });
    calls.push(mine);
    if (chance(0.2)) after(upTo(0, 50)).subscribe(leave);
  };
  for (let i = upTo(5, 60); i > 0; i--) after(upTo(0, 150)).subscribe(() => begin(0));
  after(upTo(20, 200)).subscribe(() => pool.reweight('a', 2));
  if (chance(0.3)) after(upTo(20, 100)).subscribe(() => pool.remove('b'));
  scheduler.flush();

  const { calls: figures, policies: reports } = pool.snapshot();
  const left = Object.values(reports as Record<string, { inFlight?: number; waiting?: number }>);
  return {
    ends,
    left: {
      ...{ calls: figures.inFlight, work: working },
      attempts: pool.nodes$.value.nodes.map(({ stats }) => stats.inFlight).filter((count) => count !== 0),
      places: left.map(({ inFlight = 0 }) => inFlight).filter((count) => count !== 0),
      waiting: left.map(({ waiting = 0 }) => waiting).filter((count) => count !== 0),
    },
  };
}

it(`${worlds} worlds leave no call, no work, no place and nobody waiting, whoever leaves when`, () => {
  let ends = 0;
  for (let seed = firstSeed; seed < firstSeed + worlds; seed++) {
    const world = play(seed);
    ends += world.ends;
    expect(world.left, `RXFLEET_SEED=${seed}`).toEqual({ calls: 0, work: 0, attempts: [], places: [], waiting: [] });
  }
  expect(ends).toBeGreaterThan(0);
}, 120_000);
