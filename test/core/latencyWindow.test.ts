import fc from 'fast-check';
import { LatencyWindow, quantilesOf } from '../../src/core/latencyWindow.js';

/** The smallest value that the fraction of all does not exceed. */
function exact(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(fraction * sorted.length)) - 1]!;
}

describe('LatencyWindow', () => {
  it('is off by 6 % at most, whatever the latencies are', () => {
    const latencies = fc.array(fc.double({ min: 0, max: 1_000_000, noNaN: true }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(latencies, fc.double({ min: 0, max: 1, noNaN: true }), (values, fraction) => {
        const window = new LatencyWindow(0);
        for (const value of values) window.record(value, 0);
        const [found, truth] = [window.quantile(fraction, 0)!, exact(values, fraction)];
        // Below 16 µs a bucket is a microsecond.
        expect(Math.abs(found - truth)).toBeLessThanOrEqual(Math.max(0.001, truth * 0.0625 + 1e-9));
      }),
    );
  });

  it('says nothing before the first latency', () => {
    const window = new LatencyWindow(0);
    expect(window.quantile(0.5, 0)).toBeUndefined();
    expect(window.count(0)).toBe(0);
  });

  it('forgets what is older than two windows, and keeps what is younger than one', () => {
    const window = new LatencyWindow(0, 1_000);
    window.record(5, 900);
    expect(window.count(1_800)).toBe(1);
    window.record(50, 1_900);
    expect(window.quantile(0.5, 1_900)).toBeCloseTo(5, 0);
    expect(window.quantile(0.5, 2_900)!).toBeGreaterThan(40);
    expect(window.count(9_000)).toBe(0);
    window.record(7, 9_100);
    expect(window.count(9_100)).toBe(1);
  });

  it('takes what makes no sense as the nearest that does', () => {
    const window = new LatencyWindow(0);
    for (const value of [-5, NaN, Infinity, 1e12]) window.record(value, 0);
    expect(window.count(0)).toBe(4);
    expect(window.quantile(0.5, 0)!).toBeLessThan(0.01);
    expect(window.quantile(1, 0)!).toBeGreaterThan(1_800_000);
  });

  it('gives the quantiles of several together', () => {
    const [a, b] = [new LatencyWindow(0), new LatencyWindow(0)];
    for (let i = 0; i < 90; i++) a.record(10, 0);
    for (let i = 0; i < 10; i++) b.record(1_000, 0);
    const [p50, p90, p95] = quantilesOf([a, b], [0.5, 0.9, 0.95], 0)!;
    expect([p50!, p90!].every((ms) => Math.abs(ms - 10) < 1)).toBe(true);
    expect(p95!).toBeGreaterThan(900);
    expect(quantilesOf([], [0.5], 0)).toBeUndefined();
  });
});
