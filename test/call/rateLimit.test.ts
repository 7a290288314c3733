import fc from 'fast-check';
import { rateLimit, type RateLimitOptions } from '../../src/call/rateLimit.js';
import type { RateReport } from '../../src/call/rateLimit/rateLanes.js';
import { arrive, startPolicy, type TestEntrant } from './entrants.js';

const step = fc.record({
  gapMs: fc.integer({ min: 0, max: 60 }),
  priority: fc.constantFrom(0, 0, 0, 1, 2),
  deadlineMs: fc.constantFrom(50, 200, Infinity),
  tokens: fc.integer({ min: 0, max: 12 }),
  tenant: fc.constantFrom('a', 'b'),
  leaves: fc.boolean(),
});
const limits = fc.record({
  perSecond: fc.constantFrom(5, 20, 100, 1_000),
  burst: fc.integer({ min: 1, max: 10 }),
  maxWaitMs: fc.constantFrom(0, 30, 300, Infinity),
});

describe('rateLimit', () => {
  it('lets no more through in any interval than burst + rate × t, for each key, whoever comes, waits and leaves', () => {
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 80 }), (limit, steps) => {
        const policy = rateLimit({ ...limit, by: 'tokens', per: ({ metadata }) => metadata?.tenant as string });
        const started = startPolicy(policy);
        const passed: { tenant: string; at: number; tokens: number }[] = [];
        const waiting: TestEntrant[] = [];
        let now = 0;
        for (const { gapMs, priority, deadlineMs, tokens, tenant, leaves } of steps) {
          now += gapMs;
          started.advanceTo(now);
          const entrant = arrive(started, { priority, deadlineMs, cost: { tokens }, metadata: { tenant } }, () =>
            passed.push({ tenant, at: started.scheduler.now(), tokens }),
          );
          if (entrant.state === 'waiting') waiting.push(entrant);
          if (leaves && waiting.length > 0) leave(started.running, waiting.shift()!);
        }
        started.advanceTo(now + 1e7);
        for (const tenant of ['a', 'b']) {
          const own = passed.filter((pass) => pass.tenant === tenant);
          own.forEach(({ at: from }, i) => {
            let sum = 0;
            for (const { at, tokens } of own.slice(i)) {
              sum += tokens;
              expect(sum).toBeLessThanOrEqual(limit.burst + (limit.perSecond * (at - from)) / 1_000 + 1e-6);
            }
          });
        }
        // Nobody is forgotten: who neither left nor was refused was let in.
        expect(waiting.filter(({ state }) => state === 'waiting')).toEqual([]);
        expect(started.running.report!()).toMatchObject({ waiting: 0 });
      }),
      { numRuns: 300 },
    );
  });

  it('lets those in who wait by their priority, then as they came', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 1, maxLength: 40 }), (priorities) => {
        const started = startPolicy(rateLimit({ perSecond: 100, burst: 1, maxWaitMs: Infinity }));
        const order: number[] = [];
        arrive(started, {});
        priorities.forEach((priority, i) => arrive(started, { priority }, () => order.push(i)));
        started.advanceTo(1e6);
        const byPriority = priorities
          .map((priority, i) => ({ priority, i }))
          .sort((a, b) => b.priority - a.priority || a.i - b.i);
        expect(order).toEqual(byPriority.map(({ i }) => i));
      }),
    );
  });

  it('keeps its promise: who is let to wait is let in within maxWaitMs and before the deadline, unless overtaken', () => {
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 80 }), (limit, steps) => {
        const started = startPolicy(rateLimit(limit));
        const entrants: TestEntrant[] = [];
        let now = 0;
        for (const { gapMs, deadlineMs } of steps) {
          now += gapMs;
          started.advanceTo(now);
          entrants.push(
            arrive(started, { deadlineMs }, ({ call }) => {
              const waited = started.scheduler.now() - call.startedAt;
              // Timers ring at whole milliseconds.
              expect(waited).toBeLessThan(limit.maxWaitMs + 1);
              expect(waited).toBeLessThan(deadlineMs);
            }),
          );
        }
        started.advanceTo(now + 1e7);
        for (const { state, error, call } of entrants) {
          expect(state).not.toBe('waiting');
          if (state !== 'refused') continue;
          expect(error!.code).toBe('RATE_LIMITED');
          expect(error!.sent).toBe(false);
          expect(started.scheduler.now()).toBeGreaterThanOrEqual(call.startedAt);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('holds no timer while nobody waits', () => {
    const started = startPolicy(rateLimit({ perSecond: 10, burst: 1, maxWaitMs: Infinity }));
    arrive(started, {});
    const waiting = arrive(started, {});
    expect(started.scheduler.actions.length).toBe(1);
    leave(started.running, waiting);
    started.advanceTo(1);
    expect(started.scheduler.actions.filter(({ closed }) => !closed)).toEqual([]);
  });

  it('forgets tenants whose buckets are full again, so that a million of them cost no more than its bound', () => {
    const policy = rateLimit({
      perSecond: 1_000,
      burst: 1,
      per: ({ metadata }) => metadata?.tenant as string,
      maxKeys: 100,
    });
    const started = startPolicy(policy);
    let refused = 0;
    for (let i = 0; i < 20_000; i++) {
      started.advanceTo(i);
      if (arrive(started, { metadata: { tenant: `t${i}` } }).state === 'refused') refused++;
    }
    expect(refused).toBe(0);
    expect((started.running.report!() as RateReport).buckets).toBeLessThanOrEqual(101);
  });

  it('tells the process of a settle that throws, and goes on', () => {
    const settle = () => {
      throw new Error('no idea');
    };
    const started = startPolicy(rateLimit({ perSecond: 10, settle }));
    const entrant = arrive(started, {});
    started.running.gate!.leave(entrant, { code: 'OK', latencyMs: 1, firstMessageMs: 1, at: 0 });
    expect(() => started.advanceTo(1)).toThrow('no idea');
    expect(arrive(started, {}).state).toBe('in');
  });

  it.each<[Partial<RateLimitOptions>, string]>([
    [{ perSecond: 0 }, 'rateLimit.perSecond'],
    [{ perSecond: -5 }, 'rateLimit.perSecond'],
    [{ perSecond: NaN }, 'rateLimit.perSecond'],
    [{ perSecond: Infinity }, 'rateLimit.perSecond'],
    [{ burst: 0.9 }, 'rateLimit.burst'],
    [{ burst: NaN }, 'rateLimit.burst'],
    [{ maxWaitMs: -1 }, 'rateLimit.maxWaitMs'],
    [{ maxWaitMs: NaN }, 'rateLimit.maxWaitMs'],
    [{ by: '' }, 'rateLimit.by'],
    [{ by: 5 as never }, 'rateLimit.by'],
    [{ per: 'tenant' as never }, 'rateLimit.per'],
    [{ settle: 1 as never }, 'rateLimit.settle'],
    [{ maxKeys: 0 }, 'rateLimit.maxKeys'],
    [{ maxKeys: 1.5 }, 'rateLimit.maxKeys'],
  ])('refuses %j by name', (options, field) => {
    expect(() => rateLimit({ perSecond: 1, ...options })).toThrow(field);
  });
});

function leave(running: ReturnType<typeof startPolicy>['running'], entrant: TestEntrant): void {
  if (entrant.state !== 'waiting') return;
  entrant.state = 'gone';
  running.gate!.withdraw(entrant);
}
