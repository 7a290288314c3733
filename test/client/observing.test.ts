/** What a client lets its users see: events, decisions, figures. */

import {
  endWith,
  filter,
  firstValueFrom,
  ignoreElements,
  lastValueFrom,
  NEVER,
  of,
  Subject,
  take,
  tap,
  throwError,
  toArray,
  VirtualTimeScheduler,
  type Observable,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import {
  circuitBreaker,
  createClient,
  createFleet,
  createPool,
  FleetError,
  leastLoaded,
  roundRobin,
  staticNodes,
  weightedRandom,
  type Balancer,
  type FleetEvent,
  type Policy,
  type Pool,
} from '../../src/index.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter } from '../support/greeter.js';
import { until } from '../support/until.js';

const down = new FleetError('UNAVAILABLE', 'down');

/** A pool of names. */
function poolOf(ids: readonly string[], options: Partial<Parameters<typeof createPool<string>>[0]> = {}): Pool<string> {
  return createPool<string>({
    discovery: staticNodes(ids.map((id) => ({ id, address: `${id}:1` }))),
    open: ({ id }) => id,
    ...options,
  });
}

const retried = { failover: true, retry: { initialBackoffMs: 0 } } as const;

describe('events$', () => {
  it('tells everything that happens to a call, in order', async () => {
    await using pool = poolOf(['a', 'b']);
    const types: string[] = [];
    pool.events$.subscribe(({ type }) => types.push(type));
    await lastValueFrom(pool.use((name) => (name === 'a' ? throwError(() => down) : of(name)), retried));
    expect(types.filter((type) => type !== 'connectionChanged')).toEqual([
      'callStarted',
      ...['decision', 'attemptStarted', 'attemptEnded', 'retryScheduled'],
      ...['decision', 'attemptStarted', 'attemptEnded'],
      'callEnded',
    ]);
  });

  it('is not made while nobody listens', async () => {
    let asked = 0;
    const counting: Balancer = (nodes$) =>
      new (class {
        readonly picker$ = nodes$.pipe(roundRobin());
      })().picker$;
    await using pool = poolOf(['a'], {
      balancer: counting,
      use: [
        {
          name: 'spy',
          start: ({ events }) => {
            asked = Number(events.observed);
            return { close: () => undefined };
          },
        },
      ],
    });
    await lastValueFrom(pool.use((name) => of(name)));
    expect(asked).toBe(0);
  });

  it('tells of connections and of health, to those who listen before and after', async () => {
    await using pool = poolOf(['a', 'b']);
    const events: FleetEvent[] = [];
    pool.events$.subscribe((event) => events.push(event));
    expect(events.map((event) => event.type === 'connectionChanged' && `${event.node} ${event.to}`)).toEqual([
      'a READY',
      'b READY',
    ]);
    pool.eject('a', { by: 'me', obstacle: 'ejected', reason: 'smells', until: undefined });
    pool.readmit('a', 'me');
    expect(events.slice(2)).toMatchObject([
      { type: 'healthChanged', node: { id: 'a' }, from: 'unknown', to: 'ejected', reason: 'me: smells' },
      { type: 'healthChanged', node: { id: 'a' }, from: 'ejected', to: 'unknown' },
    ]);
  });

  it('completes with the client', async () => {
    const pool = poolOf(['a']);
    const ended = lastValueFrom(pool.events$.pipe(toArray()));
    await pool.close();
    await expect(ended).resolves.toBeDefined();
  });

  it('lets a listener add a header to an attempt, and do nothing else', async () => {
    const server = await startGreeter({ name: 'a' });
    await using fleet = createFleet({ discovery: staticNodes([server.address]), transport: grpcTransport() });
    fleet.events$.subscribe((event) => {
      if (event.type === 'attemptStarted') event.addHeader('x-trace', `t-${event.attempt}`);
    });
    await lastValueFrom(createClient(fleet, Greeter).sayHello({ name: 'Ada' }));
    expect(server.lastHeader('x-trace')).toBe('t-1');
    await fleet.close();
    await server.close(0);
  });

  it('says how many bytes the messages of an attempt had', async () => {
    const server = await startGreeter({ name: 'a' });
    await using fleet = createFleet({ discovery: staticNodes([server.address]), transport: grpcTransport() });
    const ended = firstValueFrom(fleet.events$.pipe(filter((event) => event.type === 'attemptEnded')));
    await lastValueFrom(createClient(fleet, Greeter).sayHello({ name: 'Ada', payload: new Uint8Array(1_000) }));
    const { sentBytes, receivedBytes } = await ended;
    expect(sentBytes).toBeGreaterThan(1_000);
    expect(receivedBytes).toBeGreaterThan(1_000);
    await fleet.close();
    await server.close(0);
  });
});

describe('decisions$', () => {
  it('says why this node, and why not the others', async () => {
    await using pool = poolOf(['a', 'b', 'c'], { balancer: leastLoaded() });
    pool.eject('b', { by: 'outliers', obstacle: 'ejected', reason: '9 of 10 failed', until: undefined });
    const decisions = lastValueFrom(pool.decisions$.pipe(take(2), toArray()));
    await lastValueFrom(pool.use((name) => (name === 'a' ? throwError(() => down) : of(name)), retried));
    expect(await decisions).toMatchObject([
      {
        attempt: 1,
        chosen: { id: 'a' },
        strategy: 'least_loaded',
        leftOut: [{ node: 'b', obstacle: 'ejected', reason: 'ejected: outliers: 9 of 10 failed' }],
      },
      {
        attempt: 2,
        chosen: { id: 'c' },
        candidates: [{ node: 'c' }],
        leftOut: [
          { node: 'a', obstacle: 'tried' },
          { node: 'b', obstacle: 'ejected' },
        ],
      },
    ]);
    const [first] = await decisions;
    expect(first!.candidates.every(({ score }) => typeof score === 'number')).toBe(true);
  });

  it('is on the error of a call that failed, for each of its attempts', async () => {
    await using pool = poolOf(['a', 'b']);
    const error = await lastValueFrom(pool.use(() => throwError(() => down), retried)).then(
      () => undefined,
      (thrown: unknown) => thrown as FleetError,
    );
    expect(error!.decisions).toMatchObject([
      { attempt: 1, chosen: { id: 'a' } },
      { attempt: 2, chosen: { id: 'b' }, leftOut: [{ node: 'a', obstacle: 'tried' }] },
      { attempt: 3, strategy: 'round_robin' },
    ]);
  });

  it('is on the error of a call that nobody could take', async () => {
    await using pool = poolOf(['a']);
    pool.annotate('a', { health: 'notServing', healthReason: 'asleep' });
    const call = lastValueFrom(pool.use((name) => of(name)));
    await expect(call).rejects.toMatchObject({
      code: 'NO_NODES',
      decisions: [
        { chosen: undefined, leftOut: [{ node: 'a', obstacle: 'notServing', reason: 'not serving: asleep' }] },
      ],
    });
  });
});

describe('snapshot() and metrics$', () => {
  it('count from the first call on, though nobody looked', async () => {
    await using pool = poolOf(['a', 'b']);
    await lastValueFrom(pool.use((name) => (name === 'a' ? throwError(() => down) : of(name)), retried));
    await lastValueFrom(pool.use(() => throwError(() => new FleetError('NOT_FOUND', 'no')), { name: 'find' })).catch(
      () => undefined,
    );
    const { calls, methods, nodes, balancer, retryBudget } = pool.snapshot();
    expect(calls).toMatchObject({
      ...{ total: 2, succeeded: 1, failed: 1, cancelled: 0, inFlight: 0, successRate: 0.5 },
      ...{ retries: 1, failovers: 1, hedges: 0, codes: { NOT_FOUND: 1 } },
    });
    expect(calls.latencyMs!.p50).toBeGreaterThan(0);
    expect(calls.throughputPerSecond).toBeGreaterThan(0);
    expect(methods['use']).toMatchObject({ total: 1, retries: 1 });
    expect(methods['find']).toMatchObject({ total: 1, failed: 1 });
    expect(nodes.map(({ id, requests, failures, routable }) => [id, requests, failures, routable])).toEqual([
      ['a', 2, 1, true],
      ['b', 1, 0, true],
    ]);
    expect(balancer).toEqual({ strategy: 'round_robin', activeNodes: 2, totalNodes: 2, selections: 3 });
    expect(retryBudget).toBeGreaterThan(90);
  });

  it('shows what each policy stands at', async () => {
    const policy = (n: number): Policy => ({
      name: 'mine',
      start: () => ({ report: () => ({ n }), close: () => undefined }),
    });
    await using pool = poolOf(['a'], { use: [policy(1), policy(2)] });
    expect(pool.snapshot().policies).toEqual({ mine: { n: 1 }, 'mine 2': { n: 2 } });
  });

  it('counts what is given up by its caller as that', async () => {
    await using pool = poolOf(['a']);
    pool
      .use(() => NEVER)
      .subscribe()
      .unsubscribe();
    expect(pool.snapshot().calls).toMatchObject({ total: 1, cancelled: 1, successRate: 1 });
  });

  it('is told now, at most ten times a second while calls end, and each second', () => {
    const scheduler = new TestScheduler(() => undefined);
    scheduler.run(({ flush }) => {
      const pool = poolOf(['a'], { scheduler });
      const times: number[] = [];
      pool.metrics$.subscribe(({ calls }) => times.push(scheduler.now() * 1_000 + calls.total));
      for (let ms = 10; ms <= 200; ms += 10) scheduler.schedule(() => pool.use((name) => of(name)).subscribe(), ms);
      scheduler.schedule(() => void pool.close(), 2_500);
      flush();
      expect(times.map((entry) => [Math.floor(entry / 1_000), entry % 1_000])).toEqual([
        [0, 0],
        [110, 11],
        [220, 20],
        [1_000, 20],
        [2_000, 20],
      ]);
    });
  });
});

describe('the balancer of a call', () => {
  it('takes the place of that of the client, and keeps its turn from call to call', async () => {
    await using pool = poolOf(['a', 'b', 'c'], { balancer: weightedRandom({ random: () => 0 }) });
    const balancer = roundRobin();
    const names = async (options: object) => firstValueFrom(pool.use((name) => of(name), options));
    expect([await names({}), await names({})]).toEqual(['a', 'a']);
    const turns = [await names({ balancer }), await names({ balancer }), await names({ balancer })];
    expect(turns).toEqual(['a', 'b', 'c']);
  });

  it('made anew for each call is refused once that shows, since its turn would never advance', async () => {
    await using pool = poolOf(['a']);
    const call = () => firstValueFrom(pool.use((name) => of(name), { balancer: roundRobin() }));
    for (let i = 0; i < 64; i++) await call();
    await expect(call()).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('make each balancer once') as string,
    });
  });
});

describe('who takes calls', () => {
  it('is counted as calls find it: in a panic nodes that do not serve are ready and active', async () => {
    await using pool = poolOf(['a', 'b'], { panic: {} });
    for (const id of ['a', 'b']) pool.annotate(id, { health: 'notServing' });
    expect(await firstValueFrom(pool.use((name) => [name]))).toMatch(/a|b/);
    expect(await firstValueFrom(pool.ready({ nodes: 2, deadlineMs: 50 }))).toBe(pool.nodes$.value);
    expect(pool.snapshot().balancer).toMatchObject({ activeNodes: 2, totalNodes: 2 });
  });

  it('is counted as calls find it: with awaitHealth nobody is ready before the health check has spoken', async () => {
    const word$ = new Subject<string>();
    const health = { initialJitterMs: 0 };
    await using pool = poolOf(['a'], { probe: () => word$, health, awaitHealth: true });
    let ready = false;
    const waiting = firstValueFrom(pool.ready().pipe(tap(() => (ready = true))));
    await firstValueFrom(pool.node$('a').pipe(filter(({ availability }) => availability === 'ready')));
    expect([ready, pool.snapshot().balancer.activeNodes]).toEqual([false, 0]);
    await until('the check has asked', () => word$.observed);
    word$.next('well');
    await waiting;
    expect(pool.snapshot().balancer.activeNodes).toBe(1);
  });
});

describe('slowStart', () => {
  it('is refused with a balancer on which it would have no effect', () => {
    expect(() => poolOf(['a'], { balancer: roundRobin(), slowStart: { windowMs: 1_000 } })).toThrow(
      /slowStart must be used with a balancer that heeds weights, not round_robin/,
    );
  });
});

describe('close', () => {
  it('fails the calls that are not over, tells of their ends, and then ends what there is to see', async () => {
    const pool = poolOf(['a']);
    const told: string[] = [];
    pool.events$.subscribe({
      next: ({ type }) => told.push(type),
      complete: () => told.push('complete'),
    });
    const failures: unknown[] = [];
    let aborted = false;
    for (let i = 0; i < 3; i++) {
      pool
        .use((_, { signal }) => {
          signal.addEventListener('abort', () => (aborted = true));
          return NEVER;
        })
        .subscribe({ error: (error: FleetError) => failures.push([error.code, pool.snapshot().calls.inFlight]) });
    }
    await pool.close({ drainMs: 0 });
    expect(failures).toEqual([
      ['CLOSED', 2],
      ['CLOSED', 1],
      ['CLOSED', 0],
    ]);
    expect(aborted).toBe(true);
    expect(told.filter((type) => type === 'callEnded')).toHaveLength(3);
    expect(told.at(-1)).toBe('complete');
    // Whoever looks later is told so, instead of waiting for ever.
    for (const seen$ of [pool.events$, pool.decisions$, pool.metrics$] as Observable<unknown>[]) {
      expect(await lastValueFrom(seen$, { defaultValue: 'over' })).toBe('over');
    }
  });

  it.each(['callStarted', 'decision', 'attemptStarted', 'attemptEnded', 'retryScheduled', 'callEnded'] as const)(
    'may come from whoever is told of %s: every call ends once, and nothing goes round for ever',
    async (type) => {
      const pool = poolOf(['a', 'b']);
      let closed: Promise<void> | undefined;
      pool.events$.subscribe((event) => {
        if (event.type === type) closed ??= pool.close({ drainMs: 0 });
      });
      const ends: string[] = [];
      let begun = 0;
      for (let i = 0; i < 2; i++) {
        pool
          .use((name) => {
            begun++;
            return name === 'a' ? throwError(() => down) : NEVER;
          }, retried)
          .subscribe({ error: ({ code }: FleetError) => ends.push(code) });
      }
      if (type === 'callEnded') pool.use(() => of(1)).subscribe();
      // Failures have their back-off first.
      await firstValueFrom(pool.events$.pipe(ignoreElements(), endWith(undefined)));
      await closed;
      // The second call may have come when the client was closed already.
      expect(ends.filter((code) => code === 'CLOSED')).toHaveLength(2);
      expect(ends).toHaveLength(2);
      if (type !== 'callEnded') expect(begun).toBe(type === 'attemptEnded' || type === 'retryScheduled' ? 1 : 0);
      expect(pool.snapshot().calls.inFlight).toBe(0);
    },
  );

  it('fails a call that a node never answers, which would else hang for good', async () => {
    const server = await startGreeter({ name: 'a', faults: { hang: true } });
    const fleet = createFleet({ discovery: staticNodes([server.address]), transport: grpcTransport() });
    const answer = firstValueFrom(createClient(fleet, Greeter).sayHello({ name: 'Ada' }));
    await firstValueFrom(fleet.events$.pipe(filter(({ type }) => type === 'attemptStarted')));
    await Promise.all([
      expect(answer).rejects.toMatchObject({ code: 'CLOSED', message: /was not over when its client was closed/ }),
      fleet.close({ drainMs: 0 }),
    ]);
    await server.close(0);
  });
});

describe('use', () => {
  it('refuses what is no layer, by its place', () => {
    expect(() => poolOf(['a'], { use: [{} as never] })).toThrow(/use\[0\]/);
    expect(() => poolOf(['a'], { use: [(next) => next, null as never] })).toThrow(/use\[1\]/);
  });

  it('tells policies of one name apart, so that no breaker lets in whom another one holds out', async () => {
    const scheduler = new VirtualTimeScheduler(undefined, 500);
    const [short, long] = [{ cooldownMs: 100 }, { cooldownMs: 1_000_000 }].map((options) =>
      circuitBreaker({ consecutiveFailures: 1, jitter: 0, ...options }),
    );
    const pool = poolOf(['a', 'b'], { scheduler, use: [short!, long!] });
    const told: string[] = [];
    pool.events$.subscribe((event) => {
      if (event.type === 'breakerChanged') told.push(`${event.by} ${event.to}`);
    });
    pool.use((name) => (name === 'a' ? throwError(() => down) : of(name)), retried).subscribe();
    scheduler.flush();
    expect(told).toEqual(['circuitBreaker open', 'circuitBreaker 2 open', 'circuitBreaker halfOpen']);
    expect(pool.nodes$.value.get('a')!.ejections).toMatchObject([{ by: 'circuitBreaker 2' }]);
    expect(Object.keys(pool.snapshot().policies)).toEqual(['circuitBreaker', 'circuitBreaker 2']);
    await pool.close({ drainMs: 0 });
  });
});
