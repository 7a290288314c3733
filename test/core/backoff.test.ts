import fc from 'fast-check';
import { exponentialBackoff } from '../../src/core/backoff.js';

describe('exponentialBackoff', () => {
  it('follows the formula of gRFC A6', () => {
    const backoff = exponentialBackoff({ initialBackoffMs: 100, maxBackoffMs: 1_000, backoffMultiplier: 3 });
    const middle = () => 0.5;
    expect([1, 2, 3, 4, 5].map((retry) => backoff(retry, middle))).toEqual([100, 300, 900, 1_000, 1_000]);
  });

  it('starts at 50 ms, doubles, and ends at 5 s by default', () => {
    const backoff = exponentialBackoff();
    expect(backoff(1, () => 0.5)).toBe(50);
    expect(backoff(2, () => 0.5)).toBe(100);
    expect(backoff(100, () => 0.5)).toBe(5_000);
    expect(backoff(1_000_000, () => 0.5)).toBe(5_000);
  });

  it('never asks for more than a timer can wait, which would fire at once', () => {
    const backoff = exponentialBackoff({ initialBackoffMs: 3e9, maxBackoffMs: Infinity });
    expect(backoff(1, () => 0.5)).toBe(2 ** 31 - 1);
    expect(backoff(1_000, () => 0.5)).toBe(2 ** 31 - 1);
  });

  it('spreads each wait over plus and minus the jitter, whatever the options', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000 }),
        fc.integer({ min: 0, max: 100_000 }),
        fc.double({ min: 0.1, max: 10, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 2_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (initialBackoffMs, maxBackoffMs, backoffMultiplier, jitter, retry, chance) => {
          const backoff = exponentialBackoff({ initialBackoffMs, maxBackoffMs, backoffMultiplier, jitter });
          const power = Math.min(backoffMultiplier ** (retry - 1), Number.MAX_VALUE);
          const base = Math.min(initialBackoffMs * power, maxBackoffMs);
          const wait = backoff(retry, () => chance);
          expect(wait).toBeGreaterThanOrEqual(base * (1 - jitter) * (1 - 1e-9));
          expect(wait).toBeLessThanOrEqual(base * (1 + jitter) * (1 + 1e-9));
          expect(backoff(retry, () => 0)).toBeLessThanOrEqual(wait * (1 + 1e-9));
        },
      ),
    );
  });

  it('never waits for something that is no number, also after thousands of retries', () => {
    expect(exponentialBackoff({ initialBackoffMs: 0 })(5_000, Math.random)).toBe(0);
  });

  it.each([
    [{ initialBackoffMs: -1 }, /initialBackoffMs/],
    [{ maxBackoffMs: -1 }, /maxBackoffMs/],
    [{ backoffMultiplier: 0 }, /backoffMultiplier/],
    [{ jitter: 1.5 }, /jitter/],
    [{ jitter: NaN }, /jitter/],
  ])('refuses %j by name', (options, message) => {
    expect(() => exponentialBackoff(options)).toThrow(message);
  });
});
