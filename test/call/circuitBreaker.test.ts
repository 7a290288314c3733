import fc from 'fast-check';
import { catchError, filter, firstValueFrom, of, throwError, VirtualTimeScheduler } from 'rxjs';
import type { CallInfo } from '../../src/call/call.js';
import type { BreakerChanged, BreakerState, CallEvent } from '../../src/call/callEvent.js';
import { circuitBreaker, type CircuitBreakerOptions } from '../../src/call/circuitBreaker.js';
import type { BreakerReport } from '../../src/call/circuitBreaker/breakerFigures.js';
import type { BreakerSeat } from '../../src/call/circuitBreaker/breakerSeat.js';
import { breakerRules } from '../../src/call/circuitBreaker/breakerOptions.js';
import { clientPoolBreaker } from '../../src/call/clientPoolBreaker.js';
import { createCircuitBreaker, type CreateCircuitBreakerOptions } from '../../src/call/createCircuitBreaker.js';
import { fyerBreaker } from '../../src/call/fyerBreaker.js';
import type { PolicyPorts } from '../../src/call/policy.js';
import { createPool, type PoolOptions } from '../../src/client/pool.js';
import type { FleetError } from '../../src/core/fleetError.js';
import { createNode, updateNode, type Ejection, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Outcome } from '../../src/core/nodeStats.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { BreakerModel, type ModelAttempt, type Verdict } from './circuitBreaker/breakerModel.js';

let calls = 0;
const callOf = (name: string): CallInfo =>
  ({ id: ++calls, name, options: {}, startedAt: 0, deadline: Infinity, attempts: [] }) as unknown as CallInfo;

/** The gate of a policy between a client and its nodes that are both played by the test. */
function gateOf(options: CircuitBreakerOptions) {
  const scheduler = new VirtualTimeScheduler();
  const ejected = new Map<string, Ejection>();
  const events: CallEvent[] = [];
  const ports: PolicyPorts = {
    by: 'circuitBreaker',
    scheduler,
    random: () => 0.5,
    clock: () => scheduler.now(),
    events: { observed: true, next: (event) => void events.push(event) },
    // Somebody who takes calls, so that no breaker has to look after the others.
    nodes: () => NodeSet.of([createNode({ id: 'well', address: 'well:1', availability: 'ready' })]),
    eject: (id, ejection) => void ejected.set(id, ejection),
    readmit: (id) => void ejected.delete(id),
  };
  const policy = circuitBreaker(options);
  const running = policy.start(ports);
  const wait = (ms: number) => {
    scheduler.maxFrames = scheduler.now() + ms;
    scheduler.flush();
    scheduler.frame = scheduler.maxFrames;
  };
  /** As the pickers show it; in a panic as if it were not taken out. */
  const node = (id: string) => {
    const ejection = ejected.get(id);
    return updateNode(createNode({ id, address: `${id}:1` }), { ejections: ejection ? [ejection] : [] });
  };
  return { scheduler, ejected, events, policy, running, gate: running.nodeGate!, wait, node };
}

const anyStep = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(15) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('enter' as const), node: fc.constantFrom('x', 'y'), method: fc.nat(1) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('leave' as const, 'leave' as const, 'leave' as const, 'answered' as const, 'undo' as const),
      which: fc.nat(1_000),
      how: fc.constantFrom('ok', 'failed', 'failed', 'refused', 'cancelled', 'left') as fc.Arbitrary<How>,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), node: fc.constantFrom('x', 'y') }) },
);

type How = 'ok' | 'failed' | 'refused' | 'cancelled' | 'left';

/** `refused`: by its own fault. `left`: cancelled after its first answer. */
function outcomeOf(how: How, latencyMs: number, at: number): Outcome {
  if (how === 'ok') return { status: 'ok', latencyMs, at };
  if (how === 'failed') return { status: 'failed', latencyMs, at, code: 'UNAVAILABLE', blame: 'network' };
  if (how === 'refused') return { status: 'failed', latencyMs, at, code: 'NOT_FOUND', blame: 'request' };
  return { status: 'cancelled', latencyMs, at, ...(how === 'left' ? { firstMessageMs: latencyMs } : {}) };
}

describe('circuitBreaker', () => {
  const both = { probes: 2, probeTimeoutMs: 25 };
  const either = { ...both, successes: 1 };

  it.each([
    [false, both],
    [false, either],
    [true, both],
    [true, either],
  ])('stands at every node where a model of it stands (perMethod: %s, half-open: %j)', (perMethod, halfOpen) => {
    const base = { consecutiveFailures: 2, slowCallMs: 40, cooldownMs: 10, maxCooldownMs: 30, jitter: 0 };
    const options: CircuitBreakerOptions = { ...base, halfOpen, perMethod };
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 100, maxLength: 250 }), (steps) => {
        const rules = breakerRules(options, 'circuitBreaker');
        const { scheduler, ejected, running, gate, wait, node } = gateOf(options);
        const models = new Map<string, BreakerModel>();
        const keyOf = (id: string, method: string) => (perMethod ? `${id} ${method}` : id);
        const modelOf = (id: string, method: string) => {
          const key = keyOf(id, method);
          let model = models.get(key);
          if (!model) models.set(key, (model = new BreakerModel(rules, () => 0.5)));
          model.time = scheduler.now();
          model.settle();
          return model;
        };
        const settle = () => {
          for (const model of models.values()) {
            model.time = scheduler.now();
            model.settle();
          }
        };
        const open: { id: string; call: CallInfo; at: number; attempt: ModelAttempt | undefined; spoken: boolean }[] =
          [];

        for (const step of steps) {
          if (step.do === 'wait') {
            // One by one, since a model does what is due when it is asked.
            for (let ms = 0; ms < step.ms; ms++) {
              wait(1);
              settle();
            }
          } else if (step.do === 'forget') {
            for (const method of ['/a', '/b'])
              if (models.has(keyOf(step.node, method))) modelOf(step.node, method).reset();
            running.forget!(step.node);
          } else if (step.do === 'enter') {
            const call = callOf(step.method === 0 ? '/a' : '/b');
            const attempt = modelOf(step.node, call.name).begin();
            const shown = node(step.node);
            const barred = gate.enter(shown, call);
            // Who is shown although it is out is so in a panic, and let through for nothing.
            const panicking = shown.ejections.length > 0;
            expect(barred === undefined).toBe(attempt !== undefined || panicking);
            if (!barred) open.push({ id: step.node, call, at: scheduler.now(), attempt, spoken: false });
          } else if (open.length > 0) {
            const place = step.which % open.length;
            const { id, call, at, attempt, spoken } = open[place]!;
            const model = modelOf(id, call.name);
            const latencyMs = scheduler.now() - at;
            const inTime: Verdict = latencyMs > options.slowCallMs! ? 'failure' : 'success';
            if (step.do === 'answered') {
              if (spoken) continue;
              open[place]!.spoken = true;
              if (attempt?.stint === model.now && model.now.state === 'halfOpen') model.end(attempt, inTime);
              gate.answered!(node(id), call, latencyMs);
            } else {
              open.splice(place, 1);
              const verdict: Record<How, Verdict> = {
                ...{ ok: inTime, left: inTime, failed: 'failure', refused: 'nothing', cancelled: 'nothing' },
              };
              if (attempt) model.end(attempt, step.do === 'undo' ? 'nothing' : verdict[step.how]);
              if (step.do === 'undo') gate.undo(node(id), call);
              else gate.leave(node(id), call, outcomeOf(step.how, latencyMs, scheduler.now()));
            }
          }

          const { open: opened, halfOpen, breakers } = running.report!() as BreakerReport;
          settle();
          const states = Object.fromEntries([...models].map(([key, model]) => [key, model.now.state]));
          for (const { node: id, method, state } of breakers) {
            const key = keyOf(id, method ?? '');
            expect([key, state]).toEqual([key, states[key]]);
            delete states[key];
          }
          expect(Object.values(states).filter((state) => state !== 'closed')).toEqual([]);
          expect(opened + halfOpen).toBe(breakers.length);
          const out = perMethod ? [] : breakers.filter(({ state }) => state === 'open').map(({ node: id }) => id);
          expect([...ejected.keys()].sort()).toEqual(out.sort());
        }
      }),
      { numRuns: process.env.RXFLEET_LONG ? 5_000 : 40 },
    );
  });

  it('keeps nothing of attempts that are over, nor of nodes that have gone', () => {
    const { gate, running, wait, node } = gateOf({ consecutiveFailures: 2, cooldownMs: 10, halfOpen: { probes: 2 } });
    const kept = () => (running as unknown as { seats: Map<string, Map<string, BreakerSeat>> }).seats;
    const attempt = (id: string) => {
      const call = callOf('/a');
      expect(gate.enter(node(id), call)).toBeUndefined();
      return (how: How) => gate.leave(node(id), call, outcomeOf(how, 1, 0));
    };
    const late = attempt('x');
    for (let i = 0; i < 2; i++) attempt('x')('failed');
    wait(10);
    const probes = [attempt('x'), attempt('x')];
    for (const probe of probes) probe('ok');
    const seat = kept().get('x')!.get('')!;
    expect(seat.state).toBe('closed');
    // What began before it closed still runs, so the passes of those after it are listed.
    const after = attempt('x');
    expect(seat['passes']!.size).toBe(1);
    late('failed');
    after('ok');
    expect(seat['passes']!.size).toBe(0);
    const [one, two] = [attempt('x'), attempt('x')];
    expect(seat['passes']!.size).toBe(0);

    running.forget!('x');
    expect(kept().size).toBe(1);
    one('ok');
    two('failed');
    expect(kept().size).toBe(0);
    attempt('x')('ok');
    running.forget!('x');
    expect(kept().size).toBe(0);
  });

  it('gives methods past the thousandth a breaker in common, since their names come from callers', () => {
    const { gate, running, node } = gateOf({ perMethod: true, consecutiveFailures: 1 });
    for (let i = 0; i < 3_000; i++) {
      const call = callOf(`/${i}`);
      expect(gate.enter(node('x'), call)).toBeUndefined();
      gate.leave(node('x'), call, outcomeOf('ok', 1, 0));
    }
    expect(running.report!()).toMatchObject({ closed: 1_001, open: 0 });
  });

  it('holds one timer for ten thousand nodes that are open, and none once they have gone', () => {
    const { gate, running, wait, node, scheduler, ejected } = gateOf({ consecutiveFailures: 1, jitter: 0 });
    const ids = Array.from({ length: 10_000 }, (_, i) => `node-${i}`);
    for (const id of ids) {
      const call = callOf('/a');
      gate.enter(node(id), call);
      gate.leave(node(id), call, outcomeOf('failed', 1, scheduler.now()));
    }
    expect(scheduler.actions.length).toBe(1);
    expect(ejected.size).toBe(10_000);
    for (const id of ids.slice(5_000)) running.forget!(id);
    wait(30_000);
    expect(running.report!()).toMatchObject({ closed: 0, open: 0, halfOpen: 5_000 });
    expect(ejected.size).toBe(0);
    for (const id of ids) running.forget!(id);
    expect(running.report!()).toEqual({ closed: 0, open: 0, halfOpen: 0, breakers: [] });
    expect(scheduler.actions.length).toBe(0);
  });

  it('does all of it in real time, in a real pool', async () => {
    const breaker = circuitBreaker({ consecutiveFailures: 2, cooldownMs: 30, jitter: 0 });
    const options = { discovery: staticNodes(['db-1:1']), open: ({ id }: Node) => id, use: [breaker] };
    const pool = createPool(options as PoolOptions<string>);
    let isDown = true;
    const use = () =>
      firstValueFrom(
        pool
          .use(() => (isDown ? throwError(() => new Error('down')) : of('up')))
          .pipe(catchError((error: FleetError) => of(error.code))),
      );
    const reaches = (state: BreakerState) =>
      firstValueFrom(
        pool.events$.pipe(filter((event) => event.type === 'breakerChanged' && event.to === state)),
      ) as Promise<BreakerChanged>;

    const opening = reaches('open');
    const halfOpening = reaches('halfOpen');
    expect([await use(), await use(), await use()]).toEqual(['UNKNOWN', 'UNKNOWN', 'CIRCUIT_OPEN']);
    const opened = await opening;
    expect(opened).toMatchObject({ node: 'db-1:1', from: 'closed', reason: '2 failures in a row, the last: UNKNOWN' });
    expect(opened.retryAt! - opened.at).toBeCloseTo(30, 0);
    expect(pool.snapshot().policies.circuitBreaker).toMatchObject({ open: 1, closed: 0 });
    expect(pool.nodes$.value.get('db-1:1')!.ejections).toMatchObject([{ by: 'circuitBreaker', until: opened.retryAt }]);

    const halfOpened = await halfOpening;
    expect(halfOpened.at - opened.at).toBeGreaterThanOrEqual(29);
    expect(pool.nodes$.value.get('db-1:1')!.ejections).toEqual([]);
    isDown = false;
    const closing = reaches('closed');
    expect(await use()).toBe('up');
    expect((await closing).reason).toBe('the probe succeeded');
    expect(await firstValueFrom(breaker.states$)).toEqual([]);
    await pool.close();
  });

  it('leaves no timer in the process behind a client that was closed while a breaker was open', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const options = {
      ...{ discovery: staticNodes(['db-1:1']), open: ({ id }: Node) => id },
      use: [circuitBreaker({ consecutiveFailures: 1 })],
    };
    const pool = createPool(options as PoolOptions<string>);
    const failing = pool.use(() => throwError(() => new Error('down')));
    await expect(firstValueFrom(failing)).rejects.toMatchObject({ code: 'UNKNOWN' });
    await expect(firstValueFrom(failing)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    expect(timers()).toBeGreaterThan(before);
    await pool.close();
    expect(timers()).toBe(before);
  });

  it('tells who is not closed to those who begin to listen later', async () => {
    const { policy, gate, node } = gateOf({ consecutiveFailures: 1, jitter: 0 });
    const call = callOf('/a');
    gate.enter(node('x'), call);
    gate.leave(node('x'), call, outcomeOf('failed', 1, 0));
    const [x] = await firstValueFrom(policy.states$);
    expect(x).toMatchObject({ node: 'x', state: 'open', since: 0, retryAt: 30_000 });
  });

  it.each([
    [{ consecutiveFailures: 0 }, 'consecutiveFailures'],
    [{ consecutiveFailures: NaN }, 'consecutiveFailures'],
    [{ consecutiveFailures: 1.5 }, 'consecutiveFailures'],
    [{ consecutiveFailures: false }, 'consecutiveFailures'],
    [{ failureRate: { ratio: 0 } }, 'failureRate.ratio'],
    [{ failureRate: { ratio: 1.1 } }, 'failureRate.ratio'],
    [{ failureRate: { ratio: NaN } }, 'failureRate.ratio'],
    [{ failureRate: { ratio: 0.5, windowMs: 9 } }, 'failureRate.windowMs'],
    [{ failureRate: { ratio: 0.5, windowMs: Infinity } }, 'failureRate.windowMs'],
    [{ failureRate: { ratio: 0.5, minimumCalls: 0 } }, 'failureRate.minimumCalls'],
    [{ slowCallMs: 0 }, 'slowCallMs'],
    [{ slowCallMs: NaN }, 'slowCallMs'],
    [{ cooldownMs: 0 }, 'cooldownMs'],
    [{ cooldownMs: NaN }, 'cooldownMs'],
    [{ cooldownMs: Infinity }, 'cooldownMs'],
    [{ cooldownMultiplier: 0.5 }, 'cooldownMultiplier'],
    [{ cooldownMultiplier: NaN }, 'cooldownMultiplier'],
    [{ cooldownMs: 100, maxCooldownMs: 99 }, 'maxCooldownMs'],
    [{ maxCooldownMs: NaN }, 'maxCooldownMs'],
    [{ jitter: -0.1 }, 'jitter'],
    [{ jitter: 1.1 }, 'jitter'],
    [{ jitter: NaN }, 'jitter'],
    [{ halfOpen: { probes: 0 } }, 'halfOpen.probes'],
    [{ halfOpen: { probes: NaN } }, 'halfOpen.probes'],
    [{ halfOpen: { successes: 0 } }, 'halfOpen.successes'],
    [{ halfOpen: { probeTimeoutMs: 0 } }, 'halfOpen.probeTimeoutMs'],
    [{ halfOpen: { probeTimeoutMs: Infinity } }, 'halfOpen.probeTimeoutMs'],
    [{ countsAsFailure: 'UNAVAILABLE' as never }, 'countsAsFailure'],
  ] satisfies [CircuitBreakerOptions, string][])('refuses %j, naming the field', (options, field) => {
    const refusal = expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(`circuitBreaker.${field} must be`),
    });
    expect(() => circuitBreaker(options)).toThrow(refusal);
    if (field === 'countsAsFailure') return;
    const alone = expect.objectContaining({
      message: expect.stringContaining(`createCircuitBreaker.${field} must be`),
    });
    expect(() => createCircuitBreaker(options as CreateCircuitBreakerOptions)).toThrow(alone);
  });

  it.each([
    [() => clientPoolBreaker({ maxFails: -1 }), 'clientPoolBreaker.maxFails'],
    [() => clientPoolBreaker({ maxFails: NaN }), 'clientPoolBreaker.maxFails'],
    [() => clientPoolBreaker({ cooldownMs: 0 }), 'clientPoolBreaker.cooldownMs'],
    [() => fyerBreaker({ circuitBreakThreshold: 0 }), 'fyerBreaker.circuitBreakThreshold'],
    [() => fyerBreaker({ circuitBreakTimeoutMs: NaN }), 'fyerBreaker.circuitBreakTimeoutMs'],
    [() => fyerBreaker({ halfOpenMaxCalls: 0 }), 'fyerBreaker.halfOpenMaxCalls'],
    [() => fyerBreaker({ halfOpenSuccessThreshold: 1.5 }), 'fyerBreaker.halfOpenSuccessThreshold'],
  ])('the presets refuse what makes no sense, too: %s', (make, field) => {
    expect(make).toThrow(expect.objectContaining({ message: expect.stringContaining(`${field} must be`) }));
  });
});
