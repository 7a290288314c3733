import fc from 'fast-check';
import { aimdLimit } from '../../src/call/aimdLimit.js';
import { fixedLimit } from '../../src/call/fixedLimit.js';
import { gradientLimit } from '../../src/call/gradientLimit.js';
import { requireBounds, type LimitAlgorithm } from '../../src/call/limit.js';
import { vegasLimit } from '../../src/call/vegasLimit.js';

const bounds = fc
  .record({ min: fc.integer({ min: 1, max: 50 }), more: fc.integer({ min: 0, max: 200 }) })
  .map(({ min, more }) => ({ min, max: min + more }));
const samples = fc.array(
  fc.record({
    latencyMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 5_000, noNaN: true }), fc.constant(1e12)),
    inFlight: fc.integer({ min: 1, max: 500 }),
    dropped: fc.boolean(),
    gapMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 3_000, noNaN: true }), fc.constant(1e9), fc.constant(-50)),
  }),
  { maxLength: 300 },
);

const algorithms: Record<string, (bounds: { min: number; max: number }) => LimitAlgorithm> = {
  aimdLimit,
  gradientLimit: (options) => gradientLimit({ ...options, measureCalls: 5 }),
  vegasLimit: (options) => vegasLimit({ ...options, windowMs: 100 }),
};

describe.each(Object.entries(algorithms))('%s', (name, algorithm) => {
  it('stays a whole number from min to max, whatever it is told', () => {
    fc.assert(
      fc.property(bounds, samples, fc.double({ min: 0, max: 0.999, noNaN: true }), ({ min, max }, told, chance) => {
        const limit = algorithm({ min, max })({ random: () => chance });
        let now = 0;
        const seen = [limit.limit];
        for (const { gapMs, ...sample } of told) {
          now += gapMs;
          limit.onSample({ ...sample, now });
          seen.push(limit.limit);
        }
        expect(seen.every((value) => Number.isInteger(value) && value >= min && value <= max)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('is one limit for each client, node or key that asks for one', () => {
    const make = algorithm({ min: 1, max: 100 });
    const [one, other] = [make({ random: () => 0 }), make({ random: () => 0 })];
    const before = other.limit;
    for (let i = 0; i < 500; i++) one.onSample({ latencyMs: 10, inFlight: 100, dropped: i % 2 === 0, now: i * 50 });
    expect(other.limit).toBe(before);
  });

  it.each([
    [{ min: 0, max: 1 }, `${name}.min`],
    [{ min: 1.5, max: 2 }, `${name}.min`],
    [{ min: NaN, max: 2 }, `${name}.min`],
    [{ min: 3, max: 2 }, `${name}.max`],
    [{ min: 3, max: NaN }, `${name}.max`],
    [{ min: 3, max: Infinity }, `${name}.max`],
  ])('refuses %j by name', (options, field) => {
    expect(() => algorithm(options)).toThrow(field);
  });
});

describe('requireBounds', () => {
  it('wants the first limit to be within the bounds', () => {
    expect(() => requireBounds('x', { min: 1, max: 9, initial: 10 })).toThrow('x.initial');
    expect(() => requireBounds('x', { min: 2, max: 9, initial: 1 })).toThrow('x.initial');
    expect(() => requireBounds('x', { min: 2, max: 9, initial: 2 })).not.toThrow();
  });
});

describe('fixedLimit', () => {
  it('is what was said, whatever happens', () => {
    const limit = fixedLimit(7)({ random: () => 0 });
    limit.onSample({ latencyMs: 1, inFlight: 7, dropped: true, now: 0 });
    expect(limit.limit).toBe(7);
  });

  it.each([0, -1, 1.5, NaN, Infinity])('refuses %d', (n) => {
    expect(() => fixedLimit(n)).toThrow('fixedLimit must be a whole number from 1');
  });
});
