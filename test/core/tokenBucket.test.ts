import fc from 'fast-check';
import { tokenBucket, type TokenBucketOptions } from '../../src/core/tokenBucket.js';

const rates = fc.record({
  perSecond: fc.oneof(fc.double({ min: 0.01, max: 5_000, noNaN: true }), fc.integer({ min: 1, max: 100_000 })),
  burst: fc.integer({ min: 1, max: 500 }),
});

/** What a bucket holds, worked out each time from all that was ever taken from it. Time that goes back stands still. */
function held(perSecond: number, burst: number, moves: readonly { at: number; by: number }[], now: number): number {
  let level = burst;
  let last = moves[0]?.at ?? now;
  for (const { at, by } of [...moves, { at: now, by: 0 }]) {
    const ms = Math.max(0, at - last);
    last = Math.max(last, at);
    level = Math.min(burst, Math.min(burst, level + (ms / 1_000) * perSecond) + by);
  }
  return level;
}

describe('tokenBucket', () => {
  it('holds its burst at first, and says how long the next one takes', () => {
    const bucket = tokenBucket({ perSecond: 10, burst: 2 });
    expect([bucket.take(1, 0), bucket.take(1, 0), bucket.take(1, 0), bucket.take(1, 40)]).toEqual([0, 0, 100, 60]);
    expect(bucket.take(1, 100)).toBe(0);
    expect(bucket.take(3, 10_000)).toBe(Infinity);
  });

  it('holds a second of its rate by default, but one token at least', () => {
    expect(tokenBucket({ perSecond: 50 }).burst).toBe(50);
    expect(tokenBucket({ perSecond: 0.1 }).burst).toBe(1);
  });

  it('is refilled however often it is asked in vain', () => {
    // Symptom elsewhere: a limiter that was asked more often than once a token never let anybody through again. Cause: each
    // question rounded the refill down to whole tokens and moved the time of the last one on.
    const bucket = tokenBucket({ perSecond: 1, burst: 1 });
    bucket.take(1, 0);
    let passed = 0;
    for (let ms = 0.5; ms <= 10_000; ms += 0.5) if (bucket.take(1, ms) === 0) passed++;
    expect(passed).toBe(10);
  });

  it('neither loses nor wins a token over a hundred thousand seconds of questions at odd times', () => {
    const bucket = tokenBucket({ perSecond: 7, burst: 3 });
    let passed = 0;
    const end = 100_000_000;
    for (let ms = 0; ms <= end; ms += 13.7) if (bucket.take(1, ms) === 0) passed++;
    // The burst, then what comes; the last may be short of a token by the step.
    expect(passed).toBeGreaterThanOrEqual((end / 1_000) * 7 + 3 - 1);
    expect(passed).toBeLessThanOrEqual((end / 1_000) * 7 + 3);
  });

  it('does as a simple model does, whatever is asked and when, also when the clock goes back', () => {
    const steps = fc.array(
      fc.record({
        what: fc.constantFrom('take', 'take', 'take', 'reserve', 'cancel'),
        cost: fc.integer({ min: 0, max: 20 }),
        gap: fc.oneof(fc.integer({ min: -50, max: 400 }), fc.double({ min: 0, max: 3, noNaN: true })),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(rates, steps, ({ perSecond, burst }, asked) => {
        const bucket = tokenBucket({ perSecond, burst });
        const moves: { at: number; by: number }[] = [];
        const near = burst * 1e-6;
        let now = 0;
        for (const { what, cost, gap } of asked) {
          now += gap;
          const left = held(perSecond, burst, moves, now) - cost;
          if (what === 'cancel') {
            bucket.cancel(cost, now);
            moves.push({ at: now, by: cost });
          } else if (cost > burst) {
            expect(bucket[what](cost, now)).toBe(Infinity);
          } else if (what === 'reserve') {
            expect(bucket.reserve(cost, now)).toBeCloseTo((Math.max(0, -left) / perSecond) * 1_000, 3);
            moves.push({ at: now, by: -cost });
          } else {
            const waitMs = bucket.take(cost, now);
            if (left > near) expect(waitMs).toBe(0);
            else if (left < -near) expect(waitMs).toBeCloseTo((-left / perSecond) * 1_000, 3);
            if (waitMs === 0) moves.push({ at: now, by: -cost });
          }
          expect(Math.abs(bucket.available(now) - held(perSecond, burst, moves, now))).toBeLessThan(near);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('lets at most burst + rate × t pass in any interval of t', () => {
    const gaps = fc.array(fc.double({ min: 0, max: 200, noNaN: true }), { minLength: 1, maxLength: 150 });
    fc.assert(
      fc.property(rates, gaps, fc.integer({ min: 1, max: 5 }), ({ perSecond, burst }, waits, cost) => {
        const bucket = tokenBucket({ perSecond, burst });
        const passed: { at: number; cost: number }[] = [];
        let now = 0;
        for (const gap of waits) {
          now += gap;
          while (passed.length < 2_000 && bucket.take(cost, now) === 0) passed.push({ at: now, cost });
        }
        let most = -Infinity;
        for (let from = 0; from < passed.length; from += 7) {
          let sum = 0;
          for (let to = from; to < passed.length; to++) {
            sum += passed[to]!.cost;
            most = Math.max(most, sum - (perSecond * (passed[to]!.at - passed[from]!.at)) / 1_000);
          }
        }
        expect(most).toBeLessThanOrEqual(burst * (1 + 1e-6));
      }),
      { numRuns: 200 },
    );
  });

  it('who tries again after the wait that was told gets through', () => {
    fc.assert(
      fc.property(
        rates,
        fc.integer({ min: 1, max: 100 }),
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        (rate, cost, t) => {
          const bucket = tokenBucket(rate);
          if (cost > bucket.burst) return;
          while (bucket.take(cost, t) === 0);
          const waitMs = bucket.take(cost, t);
          // A time of day is a number with a last digit.
          expect(bucket.take(cost, t + waitMs + 1e-6)).toBe(0);
        },
      ),
    );
  });

  it('reservations wait in order, and one that is given up lets the next come sooner', () => {
    const bucket = tokenBucket({ perSecond: 10, burst: 1 });
    expect([bucket.reserve(1, 0), bucket.reserve(1, 0), bucket.reserve(1, 0)]).toEqual([0, 100, 200]);
    bucket.cancel(1, 0);
    expect(bucket.reserve(1, 0)).toBe(200);
    expect(bucket.take(1, 250)).toBe(50);
  });

  it('never holds more than its burst, whatever is given back', () => {
    const bucket = tokenBucket({ perSecond: 10, burst: 2 });
    bucket.cancel(5, 0);
    expect(bucket.available(0)).toBe(2);
  });

  it.each<[TokenBucketOptions, RegExp]>([
    [{ perSecond: 0 }, /tokenBucket\.perSecond/],
    [{ perSecond: -1 }, /tokenBucket\.perSecond/],
    [{ perSecond: NaN }, /tokenBucket\.perSecond/],
    [{ perSecond: Infinity }, /tokenBucket\.perSecond/],
    [{ perSecond: 1, burst: 0.5 }, /tokenBucket\.burst/],
    [{ perSecond: 1, burst: NaN }, /tokenBucket\.burst/],
    [{ perSecond: 1, burst: Infinity }, /tokenBucket\.burst/],
  ])('refuses %j by name', (options, message) => {
    expect(() => tokenBucket(options)).toThrow(message);
  });
});
