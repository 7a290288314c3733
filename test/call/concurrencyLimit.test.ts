import fc from 'fast-check';
import {
  BehaviorSubject,
  defer,
  finalize,
  map,
  mergeMap,
  Observable,
  tap,
  throwError,
  timer,
  VirtualTimeScheduler,
  type Subscription,
} from 'rxjs';
import { drawnClient, node } from '../../marbles/call/drawnClient.js';
import { aimdLimit } from '../../src/call/aimdLimit.js';
import { concurrencyLimit, type ConcurrencyLimitOptions } from '../../src/call/concurrencyLimit.js';
import type { PlaceReport } from '../../src/call/concurrencyLimit/placeReport.js';
import { gradientLimit } from '../../src/call/gradientLimit.js';
import type { NodeGate, Policy } from '../../src/call/policy.js';
import { rateLimit } from '../../src/call/rateLimit.js';
import { before, type Waiter } from '../../src/call/waitingLine.js';
import { FleetError } from '../../src/core/fleetError.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { arrive, startPolicy, type TestEntrant } from './entrants.js';

const step = fc.record({
  gapMs: fc.constantFrom(0, 0, 0, 1, 5, 20),
  what: fc.constantFrom('call', 'call', 'call', 'end', 'leave'),
  priority: fc.constantFrom(0, 0, 1, 2),
  deadlineMs: fc.constantFrom(20, 100, 500, Infinity),
  which: fc.nat(),
  code: fc.constantFrom('OK', 'UNAVAILABLE', 'CANCELLED', 'NOT_FOUND'),
} as const);

const asWaiter = ({ call }: TestEntrant): Waiter => ({
  entrant: undefined as never,
  priority: call.options.priority ?? 0,
  due: call.deadline,
  number: call.id,
});

describe('concurrencyLimit', () => {
  it('keeps to its limit and its queue, and lets in who comes first by priority, deadline and arrival, whatever happens', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 6 }),
        fc.array(step, { maxLength: 150 }),
        (max, size, steps) => {
          const started = startPolicy(concurrencyLimit({ max, queue: { size } }));
          const { running } = started;
          const all: TestEntrant[] = [];
          const inside: TestEntrant[] = [];
          const waiting = () => all.filter(({ state }) => state === 'waiting');
          const admitted = (entrant: TestEntrant) => {
            inside.push(entrant);
            const others = waiting().filter((other) => other.call.deadline > started.scheduler.now());
            for (const other of others) expect(before(asWaiter(other), asWaiter(entrant))).toBe(false);
          };
          const end = (code: (typeof steps)[number]['code'], which: number) => {
            const [ending] = inside.splice(which % inside.length, 1);
            const latencyMs = started.scheduler.now() - ending!.call.startedAt;
            running.gate!.leave(ending!, { code, latencyMs, firstMessageMs: undefined, at: started.scheduler.now() });
          };
          let now = 0;
          for (const { gapMs, what, which, code, ...options } of steps) {
            now += gapMs;
            started.advanceTo(now);
            if (what === 'call') all.push(arrive(started, options, admitted));
            else if (what === 'end' && inside.length > 0) end(code, which);
            else if (what === 'leave' && waiting().length > 0) {
              const leaving = waiting()[which % waiting().length]!;
              leaving.state = 'gone';
              running.gate!.withdraw(leaving);
            }
            expect(inside.length).toBeLessThanOrEqual(max);
            expect(waiting().length).toBeLessThanOrEqual(size);
            // Nobody waits while there is a place.
            if (waiting().length > 0) expect(inside.length).toBe(max);
            expect(running.report!()).toMatchObject({ inFlight: inside.length, waiting: waiting().length });
          }
          for (const { error } of all) if (error) expect(error.code).toBe('CONCURRENCY_LIMITED');
          while (inside.length > 0) end('OK', 0);
          expect(running.report!()).toMatchObject({ inFlight: 0, waiting: 0 });
        },
      ),
      { numRuns: 400 },
    );
  });

  it('lets thousands in one after the other that are over at once, without a stack that grows with them', () => {
    const started = startPolicy(concurrencyLimit({ max: 1, queue: { size: 20_000 } }));
    const { running } = started;
    const over = (entrant: TestEntrant) =>
      running.gate!.leave(entrant, {
        code: 'OK',
        latencyMs: 0,
        firstMessageMs: undefined,
        at: started.scheduler.now(),
      });
    const first = arrive(started, {});
    const waiting = Array.from({ length: 20_000 }, () => arrive(started, {}, over));
    over(first);
    expect(waiting.every(({ state }) => state === 'in')).toBe(true);
    expect(running.report!()).toMatchObject({ inFlight: 0, waiting: 0, waited: 20_000 });
  });

  it('a call that is refused for another may call again at once, and finds everything in order', () => {
    const started = startPolicy(concurrencyLimit({ max: 1, queue: { size: 1 } }));
    arrive(started, {});
    const low = arrive(started, { priority: 0 });
    const refuse = low.refuse.bind(low);
    let again: TestEntrant | undefined;
    low.refuse = (error) => {
      refuse(error);
      again = arrive(started, { priority: 0 });
    };
    const high = arrive(started, { priority: 1 });
    expect([low.state, high.state, again?.state]).toEqual(['refused', 'waiting', 'refused']);
    expect(started.running.report!()).toMatchObject({ inFlight: 1, waiting: 1, refused: 2 });
  });

  it('does not refuse for another who has left, however fast they come and go', () => {
    const started = startPolicy(concurrencyLimit({ max: 1, queue: { size: 1 } }));
    arrive(started, {});
    const low = arrive(started, {});
    expect(arrive(started, { priority: -1 }).state).toBe('refused');
    low.state = 'gone';
    started.running.gate!.withdraw(low);
    const next = arrive(started, {});
    const high = arrive(started, { priority: 1 });
    expect([low.state, next.state, high.state]).toEqual(['gone', 'refused', 'waiting']);
    expect(started.running.report!()).toMatchObject({ waiting: 1, refused: 2 });
  });

  it('holds no timer while nobody waits', () => {
    const started = startPolicy(concurrencyLimit({ max: 1, queue: { maxWaitMs: 50 } }));
    arrive(started, {});
    const waiting = arrive(started, {});
    expect(started.scheduler.actions.length).toBe(1);
    waiting.state = 'gone';
    started.running.gate!.withdraw(waiting);
    expect(started.scheduler.actions.filter(({ closed }) => !closed)).toEqual([]);
  });

  it.each<[ConcurrencyLimitOptions, string]>([
    [{}, 'concurrencyLimit.limit'],
    [{ max: 1, limit: aimdLimit() }, 'concurrencyLimit.limit'],
    [{ limit: 5 as never }, 'concurrencyLimit.limit'],
    [{ max: 0 }, 'concurrencyLimit.max'],
    [{ max: -1 }, 'concurrencyLimit.max'],
    [{ max: 1.5 }, 'concurrencyLimit.max'],
    [{ max: NaN }, 'concurrencyLimit.max'],
    [{ max: '8' as never }, 'concurrencyLimit.max'],
    [{ max: () => 1 }, 'concurrencyLimit.max'],
    [{ max: 1, per: 'method' as never }, 'concurrencyLimit.per'],
    [{ max: 1, queue: { size: 0 } }, 'concurrencyLimit.queue.size'],
    [{ max: 1, queue: { size: NaN } }, 'concurrencyLimit.queue.size'],
    [{ max: 1, queue: { maxWaitMs: 0 } }, 'concurrencyLimit.queue.maxWaitMs'],
    [{ max: 1, queue: { maxWaitMs: NaN } }, 'concurrencyLimit.queue.maxWaitMs'],
    [{ max: 1, latency: 'last' as never }, 'concurrencyLimit.latency'],
    [{ max: 1, maxKeys: 0 }, 'concurrencyLimit.maxKeys'],
  ])('refuses %j by name', (options, field) => {
    expect(() => concurrencyLimit(options)).toThrow(field);
  });
});

/** A guard of nodes that is shut now and then, as a breaker is: what others have taken before it must be undone. */
function fickle(random: () => number): Policy {
  const barred = { code: 'CIRCUIT_OPEN', obstacle: 'circuitOpen', reason: 'not now' } as const;
  let inside = 0;
  const nodeGate: NodeGate = {
    enter: () => (random() < 0.2 ? barred : void inside++),
    leave: () => void inside--,
    undo: () => void inside--,
  };
  return {
    name: 'fickle',
    start: () => ({ nodeGate, report: () => ({ inFlight: inside, waiting: 0 }), close: () => undefined }),
  };
}

describe('limits in the pipeline', () => {
  const nodes = ['x', 'y', 'z'];
  const places = fc.constantFrom<readonly ConcurrencyLimitOptions[]>(
    [{ max: 2, per: 'node' }],
    [{ max: 4 }, { max: 1, per: 'node', queue: { size: 5, maxWaitMs: 40 } }],
    [{ limit: aimdLimit({ initial: 2 }), per: 'node' }],
    [{ per: 'client', limit: gradientLimit({ measureCalls: 5 }), queue: { size: 3 } }],
    [{ max: 1, per: ({ metadata }) => metadata?.tenant as string }],
    [{ max: ({ id }) => (id === 'x' ? 1 : id === 'y' ? 3 : 0), per: 'node', queue: false }],
  );
  const call = fc.record({
    at: fc.integer({ min: 0, max: 300 }),
    leavesAfter: fc.constantFrom(undefined, undefined, 0, 5, 40),
    options: fc.record({
      priority: fc.constantFrom(0, 1),
      deadlineMs: fc.constantFrom(30, 200, 5_000),
      metadata: fc.constantFrom({ tenant: 'a' }, { tenant: 'b' }),
      hedge: fc.constantFrom(false as const, { delayMs: 4 }),
      firstResponseTimeoutMs: fc.constantFrom(undefined, 15),
      single: fc.boolean(),
    }),
  });

  it('never loses a place or a token, however calls end: answers, errors, deadlines, retries, hedges, leaving, other gates', () => {
    fc.assert(
      fc.property(
        places,
        fc.boolean(),
        fc.array(call, { maxLength: 60 }),
        fc.integer(),
        (limits, rated, calls, seed) => {
          const random = seededRandom(seed);
          const scheduler = new VirtualTimeScheduler();
          const running = new Map(nodes.map((id) => [id, 0]));
          const most = new Map(nodes.map((id) => [id, 0]));
          /** Answers, fails, or is silent; sometimes all at once. */
          const answer = (id: string): Observable<string> =>
            defer(() => {
              let runs = true;
              running.set(id, running.get(id)! + 1);
              most.set(id, Math.max(most.get(id)!, running.get(id)!));
              const over = () => {
                if (runs) running.set(id, running.get(id)! - 1);
                runs = false;
              };
              const luck = random();
              const error = () => new FleetError(luck < 0.2 ? 'UNAVAILABLE' : 'NOT_FOUND', 'no', { sent: luck > 0.1 });
              const answered = timer(random() < 0.2 ? 0 : Math.floor(random() * 20), scheduler).pipe(map(() => id));
              const failed = luck < 0.05 ? throwError(error) : answered.pipe(mergeMap(() => throwError(error)));
              const what = luck < 0.4 ? failed : luck < 0.45 ? new Observable<string>() : answered;
              return what.pipe(tap({ next: over, error: over, complete: over, unsubscribe: over }));
            });
          const rates = [
            rateLimit({
              perSecond: 400,
              burst: 3,
              maxWaitMs: 50,
              by: 'calls',
              per: ({ metadata }) => metadata?.tenant as string,
            }),
            rateLimit({ perSecond: 200, burst: 2, maxWaitMs: 50, per: 'node' }),
          ];
          const policies = [...limits.map(concurrencyLimit), ...(rated ? rates : []), fickle(random)];
          const client = drawnClient({ scheduler } as never, Object.fromEntries(nodes.map((id) => [id, answer(id)])), {
            policies,
          });
          let open = 0;
          const ends: string[] = [];
          for (const { at, leavesAfter, options } of calls) {
            let subscription: Subscription;
            scheduler.schedule(() => {
              open++;
              subscription = client
                .call({ ...options, retry: { initialBackoffMs: 2, maxAttempts: 3 } })
                .pipe(finalize(() => open--))
                .subscribe({ error: ({ code }: FleetError) => ends.push(code) });
            }, at);
            if (leavesAfter !== undefined) scheduler.schedule(() => subscription.unsubscribe(), at + leavesAfter);
          }
          scheduler.maxFrames = 100_000;
          scheduler.flush();
          // Everybody is done, long before the last deadline but for a margin.
          expect(open).toBe(0);
          expect([...running.values()]).toEqual([0, 0, 0]);
          expect(client.leases.open).toBe(0);
          for (const policy of client.running) {
            const report = policy.report!() as PlaceReport;
            expect(report.waiting).toBe(0);
            expect(report.inFlight ?? 0).toBe(0);
          }
          expect(ends.filter((code) => code === 'UNKNOWN' || code === 'INTERNAL')).toEqual([]);
          const fixed = limits.find(({ per, max }) => per === 'node' && typeof max === 'number');
          if (fixed) for (const count of most.values()) expect(count).toBeLessThanOrEqual(fixed.max as number);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('nobody waits while a node has a place, also when nodes come and go', () => {
    const arrivals = fc.array(
      fc.record({
        at: fc.integer({ min: 0, max: 200 }),
        takesMs: fc.integer({ min: 1, max: 60 }),
        needs: fc.constantFrom(undefined, undefined, 'x', 'y'),
        leavesAfter: fc.constantFrom(undefined, undefined, 3, 30),
      }),
      { maxLength: 60 },
    );
    const changes = fc.array(
      fc.record({ at: fc.integer({ min: 1, max: 300 }), known: fc.subarray(nodes, { minLength: 1 }) }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(arrivals, changes, fc.integer({ min: 1, max: 3 }), (calls, sets, max) => {
        const scheduler = new VirtualTimeScheduler();
        let known = nodes;
        const set$ = new BehaviorSubject(NodeSet.of(nodes.map((id) => node(id))));
        const durations: number[] = [];
        const answer = defer(() => timer(durations.shift()!, scheduler).pipe(map(() => 'a')));
        const client = drawnClient({ scheduler } as never, Object.fromEntries(nodes.map((id) => [id, answer])), {
          sets: set$,
          policies: [concurrencyLimit({ max, per: 'node', queue: { size: 1_000 } })],
        });
        for (const { at, takesMs, needs, leavesAfter } of calls) {
          const requires = needs && { name: needs, test: ({ id }: { id: string }) => id === needs };
          scheduler.schedule(() => {
            durations.push(takesMs);
            const subscription = client.call({ requires, retry: false }).subscribe({ error: () => undefined });
            if (leavesAfter !== undefined) scheduler.schedule(() => subscription.unsubscribe(), leavesAfter);
          }, at);
        }
        for (const { at, known: next } of sets) {
          scheduler.schedule(() => {
            known = next;
            set$.next(NodeSet.of(next.map((id) => set$.value.get(id) ?? node(id))));
          }, at);
        }
        /** Those who were called and have not come to a node. */
        const waiting = new Map<number, string | undefined>();
        let seen = 0;
        for (let ms = 0; ms < 4_000; ms++) {
          scheduler.maxFrames = ms;
          scheduler.flush();
          for (; seen < client.events.length; seen++) {
            const event = client.events[seen]!;
            if (event.type === 'callStarted') waiting.set(event.call.id, event.call.options.requires?.name);
            else if (event.type === 'attemptStarted' || event.type === 'callEnded') waiting.delete(event.call.id);
          }
          const { used, inFlight } = client.running[0]!.report!() as PlaceReport;
          if (ms > 300 && waiting.size === 0 && inFlight === 0) break;
          const free = known.filter((id) => (used[id]?.inFlight ?? 0) < max);
          for (const needs of waiting.values()) {
            expect(free.filter((id) => needs === undefined || id === needs)).toEqual([]);
          }
          for (const { inFlight } of Object.values(used)) expect(inFlight).toBeLessThanOrEqual(max);
        }
        expect(client.running[0]!.report!()).toMatchObject({ inFlight: 0, waiting: 0 });
      }),
      { numRuns: 300 },
    );
  });
});
