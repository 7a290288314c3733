import fc from 'fast-check';
import type { BreakerState } from '../../../src/call/callEvent.js';
import { Breaker } from '../../../src/call/circuitBreaker/breaker.js';
import { breakerRules, type BreakerOptions } from '../../../src/call/circuitBreaker/breakerOptions.js';
import { seededRandom } from '../../../src/testing/seededRandom.js';
import { BreakerModel, type ModelAttempt } from './breakerModel.js';

/** Small numbers, so that short histories meet every corner. */
const anyOptions: fc.Arbitrary<BreakerOptions> = fc
  .record({
    consecutiveFailures: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(false as const)),
    failureRate: fc.option(
      fc.record({
        ratio: fc.constantFrom(0.1, 0.3, 0.5, 1),
        windowMs: fc.constantFrom(10, 50, 100),
        minimumCalls: fc.integer({ min: 1, max: 5 }),
      }),
      { nil: undefined },
    ),
    slowCallMs: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
    cooldownMs: fc.integer({ min: 1, max: 40 }),
    maxCooldownMs: fc.integer({ min: 40, max: 200 }),
    cooldownMultiplier: fc.constantFrom(1, 1.5, 2),
    jitter: fc.constantFrom(0, 0.1, 1),
    halfOpen: fc.record({
      probes: fc.integer({ min: 1, max: 3 }),
      successes: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
      probeTimeoutMs: fc.integer({ min: 1, max: 60 }),
    }),
  })
  .filter(({ consecutiveFailures, failureRate }) => consecutiveFailures !== false || failureRate !== undefined);

/**
 * `wait` for so long, which may be back; `waitForIt`, until just before, when or just after something is due; `begin`; `end` one
 * of those that run, be they of now or of long ago; `endAgain` a probe that timed out.
 */
const anyStep = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: -20, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('waitForIt' as const), ms: fc.constantFrom(-1, 0, 1) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('begin' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('end' as const, 'end' as const, 'end' as const, 'endAgain' as const),
      which: fc.nat(1_000),
      how: fc.constantFrom('answered', 'answered', 'failed', 'failed', 'failed', 'undone'),
    }),
  },
);

const watched = (options: BreakerOptions, seed = 1, now = 1_000) => {
  const rules = breakerRules(options, 'breaker');
  const changes: BreakerState[] = [];
  const breaker = new Breaker(rules, seededRandom(seed), now, { changed: (_, to) => changes.push(to) });
  return { rules, breaker, changes };
};

describe('breaker', () => {
  it('is in the state in which a model is that keeps all that happened in a list, after every step', () => {
    fc.assert(
      fc.property(
        anyOptions,
        fc.nat(),
        fc.array(anyStep, { minLength: 150, maxLength: 250 }),
        (options, seed, steps) => {
          let now = 1_000;
          const { rules, breaker, changes } = watched(options, seed, now);
          const model = new BreakerModel(rules, seededRandom(seed));
          const begun: { readonly pass: number; readonly at: number; readonly attempt: ModelAttempt }[] = [];

          for (const step of steps) {
            if (step.do === 'wait' || step.do === 'waitForIt') {
              const due = model.due === Infinity ? 0 : Math.ceil(model.due - model.time);
              const ms = step.do === 'wait' ? step.ms : due + step.ms;
              now += ms;
              model.pass(ms);
              breaker.advance(now);
              model.settle();
            } else if (step.do === 'begin') {
              const pass = breaker.enter(now);
              const attempt = model.begin();
              expect(pass !== 0).toBe(attempt !== undefined);
              if (attempt) begun.push({ pass, at: model.time, attempt });
            } else {
              const timedOut = step.do === 'endAgain';
              const candidates = begun.filter(
                ({ attempt: { ended, stint } }) =>
                  Boolean(ended) === timedOut && (!timedOut || stint.state === 'halfOpen'),
              );
              if (candidates.length === 0) continue;
              const { pass, at, attempt } = candidates[step.which % candidates.length]!;
              const tookMs = model.time - at;
              const slow = step.how === 'answered' && tookMs > rules.slowCallMs;
              model.end(
                attempt,
                step.how === 'undone' ? 'nothing' : step.how === 'failed' || slow ? 'failure' : 'success',
              );
              if (step.how === 'answered') breaker.answered(pass, tookMs, now);
              else if (step.how === 'failed') breaker.failed(pass, now, 'UNAVAILABLE');
              else breaker.undone(pass, now);
            }
            expect(breaker.state).toBe(model.now.state);
            expect(breaker.dueIn(now)).toBeCloseTo(model.due - model.time, 6);
            expect(changes.length).toBe(model.stints.length - 1);
            if (breaker.state === 'halfOpen') expect(model.running().length).toBeLessThanOrEqual(rules.probes);
          }
        },
      ),
      { numRuns: process.env.RXFLEET_LONG ? 20_000 : 300 },
    );
  });

  /** A breaker that has just opened, whatever opens it. */
  const opened = (options: BreakerOptions, seed: number) => {
    const { breaker, rules } = watched(options, seed, 0);
    for (let i = 0; breaker.state === 'closed'; i++) {
      expect(i).toBeLessThan(10);
      breaker.failed(breaker.enter(0), 0, 'UNAVAILABLE');
    }
    return { breaker, rules };
  };

  it('becomes half-open when it said that it would, and not before', () => {
    fc.assert(
      fc.property(anyOptions, fc.nat(), (options, seed) => {
        const { breaker } = opened(options, seed);
        const due = breaker.dueIn(0);
        if (due > 0.01) {
          breaker.advance(due - 0.01);
          expect(breaker.state).toBe('open');
        }
        breaker.advance(due + 1e-9);
        expect(breaker.state).toBe('halfOpen');
      }),
    );
  });

  it('closes in the end for a node that has recovered, however often its probes are cancelled or hang before', () => {
    const end = fc.constantFrom('answered', 'undone', 'hangs');
    fc.assert(
      fc.property(anyOptions, fc.nat(), fc.array(end, { maxLength: 30 }), (options, seed, ends) => {
        const { breaker, rules } = opened({ ...options, slowCallMs: undefined }, seed);
        let now = 0;
        // After what happens at first, all goes well.
        for (let step = 0; breaker.state !== 'closed' && step < 100; step++) {
          if (breaker.state === 'open') now += breaker.dueIn(now) + 1e-6;
          const pass = breaker.enter(now);
          const how = ends[step] ?? 'answered';
          if (pass === 0) now += rules.probeTimeoutMs + 1e-6;
          else if (how === 'answered') breaker.answered(pass, 0, now);
          else if (how === 'undone') breaker.undone(pass, now);
        }
        expect(breaker.state).toBe('closed');
      }),
    );
  });

  it('lets no more than its probes through a cooldown to a node that goes on failing, however many call', () => {
    fc.assert(
      fc.property(
        anyOptions,
        fc.nat(),
        fc.array(fc.nat(9), { minLength: 40, maxLength: 80 }),
        (options, seed, dice) => {
          const { breaker, rules } = opened(options, seed);
          const most = Math.max(rules.probes, rules.successes);
          let now = 0;
          let through = 0;
          let running: number[] = [];
          for (const die of dice) {
            if (breaker.state === 'open') {
              now += breaker.dueIn(now) + 1e-6;
              through = 0;
              running = [];
            }
            for (let caller = 0; caller < 20; caller++) {
              const pass = breaker.enter(now);
              if (pass === 0) continue;
              through++;
              running.push(pass);
            }
            expect(through).toBeLessThanOrEqual(most);
            breaker.failed(running.splice(die % running.length, 1)[0]!, now, 'UNAVAILABLE');
            expect(breaker.state).not.toBe('closed');
          }
        },
      ),
    );
  });

  it('grows its cooldowns while its probes fail, up to the longest, and begins anew once it has closed', () => {
    const { breaker } = watched({ consecutiveFailures: 1, cooldownMs: 10, maxCooldownMs: 50, jitter: 0 }, 1, 0);
    let now = 0;
    const cooldown = (): number => {
      breaker.failed(breaker.enter(now), now, 'UNAVAILABLE');
      const ms = breaker.dueIn(now);
      now += ms;
      return ms;
    };
    expect([cooldown(), cooldown(), cooldown(), cooldown(), cooldown()]).toEqual([10, 20, 40, 50, 50]);
    breaker.answered(breaker.enter(now), 0, now);
    expect(breaker.state).toBe('closed');
    expect([cooldown(), cooldown()]).toEqual([10, 20]);
  });

  it('spreads its cooldowns over the fraction of its jitter, so that clients do not come back all at once', () => {
    const cooldowns = Array.from({ length: 200 }, (_, seed) => {
      const { breaker } = watched({ consecutiveFailures: 1, cooldownMs: 1_000, jitter: 0.1 }, seed, 0);
      breaker.failed(breaker.enter(0), 0, 'UNAVAILABLE');
      return breaker.dueIn(0);
    });
    expect(Math.min(...cooldowns)).toBeGreaterThanOrEqual(900);
    expect(Math.max(...cooldowns)).toBeLessThanOrEqual(1_100);
    expect(Math.max(...cooldowns) - Math.min(...cooldowns)).toBeGreaterThan(150);
  });

  it('comes out of its cooldown although the clock is set back in the middle of it', () => {
    const { breaker } = watched({ consecutiveFailures: 1, cooldownMs: 100, jitter: 0 }, 1, 1e9);
    breaker.failed(breaker.enter(1e9), 1e9, 'UNAVAILABLE');
    breaker.advance(1e9 + 60);
    breaker.advance(5);
    expect(breaker.dueIn(5)).toBe(40);
    breaker.advance(44);
    expect(breaker.state).toBe('open');
    breaker.advance(45);
    expect(breaker.state).toBe('halfOpen');
  });

  it('counts what ended in its window, give or take a tenth, and forgets the rest', () => {
    const failureRate = { ratio: 0.5, windowMs: 1_000, minimumCalls: 4 };
    const failAt = (...times: readonly number[]) => {
      const { breaker } = watched({ consecutiveFailures: false, failureRate }, 1, 0);
      for (const at of times) breaker.failed(breaker.enter(at), at, 'UNAVAILABLE');
      return breaker.state;
    };
    expect(failAt(0, 99, 500, 999)).toBe('open');
    expect(failAt(0, 99, 500, 1_000)).toBe('closed');
    expect(failAt(100, 199, 500, 1_099)).toBe('open');
    expect(failAt(100, 199, 500, 1_100)).toBe('closed');
    expect(failAt(0, 0, 0, 1e7)).toBe('closed');
  });

  it('opens at a rate that is reached exactly, as seven of a hundred at seven per cent', () => {
    const { breaker } = watched({ consecutiveFailures: false, failureRate: { ratio: 0.07, minimumCalls: 100 } }, 1, 0);
    for (let i = 0; i < 93; i++) breaker.answered(breaker.enter(0), 1, 0);
    for (let i = 0; i < 6; i++) breaker.failed(breaker.enter(0), 0, 'UNAVAILABLE');
    expect(breaker.state).toBe('closed');
    breaker.failed(breaker.enter(0), 0, 'UNAVAILABLE');
    expect(breaker.state).toBe('open');
  });

  it('takes part in what a listener does at a change: half-open, one that calls at once is a probe', () => {
    const seen: string[] = [];
    const rules = breakerRules({ consecutiveFailures: 1, cooldownMs: 10, jitter: 0 }, 'breaker');
    let now = 0;
    const breaker: Breaker = new Breaker(rules, () => 0.5, 0, {
      changed(from, to) {
        seen.push(`${from} ${to}`);
        if (to !== 'halfOpen' || seen.length > 4) return;
        const pass = breaker.enter(now);
        expect(breaker.enter(now)).toBe(0);
        breaker.failed(pass, now, 'UNAVAILABLE');
      },
    });
    breaker.failed(breaker.enter(now), now, 'UNAVAILABLE');
    now = 10;
    expect(breaker.enter(now)).toBe(0);
    now = 30;
    breaker.advance(now);
    expect(seen).toEqual(['closed open', 'open halfOpen', 'halfOpen open', 'open halfOpen', 'halfOpen open']);
  });
});
