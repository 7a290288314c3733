import { gradientLimit, type GradientLimitOptions } from '../../src/call/gradientLimit.js';
import type { Limit } from '../../src/call/limit.js';
import { runQueueingServer, summaryOf, type Load } from './queueingServer.js';

const limitOf = (options?: GradientLimitOptions) => gradientLimit(options)({ random: () => 0.5 });

/** The least latency is measured for a second. */
const measured = 1_005;

/** Calls of one latency, twenty each 100 ms. */
function run(
  limit: Limit,
  latencyMs: number,
  from: number,
  to: number,
  more: { inFlight?: number; dropped?: number } = {},
) {
  const { inFlight = 1_000, dropped = 0 } = more;
  for (let now = from, i = 0; now < to; now += 5, i++) {
    limit.onSample({ latencyMs, inFlight, dropped: dropped > 0 && i % dropped === 0, now });
  }
}

describe('gradientLimit', () => {
  it('lets three run while it learns the least latency, and then grows as long as calls take no longer', () => {
    const limit = limitOf({ smoothing: 1 });
    run(limit, 10, 0, measured);
    expect(limit.limit).toBe(3);
    // 1.25 × 3 + √(1.25 × 3).
    run(limit, 10, measured, measured + 100);
    expect(limit.limit).toBe(Math.floor(3.75 + Math.sqrt(3.75)));
    run(limit, 10, measured + 100, 4_000);
    expect(limit.limit).toBeGreaterThan(100);
  });

  it('shrinks as latency grows: to (least + a quarter) / latency of it, and the root of that', () => {
    const limit = limitOf({ smoothing: 1, min: 100, max: 100_000, measureLimit: Infinity });
    run(limit, 10, 0, measured);
    const before = limit.limit;
    // 12.5 / 20 is 0.625.
    run(limit, 20, measured, measured + 100);
    expect(before).toBe(100);
    expect(limit.limit).toBe(100);
    run(limit, 10, measured + 100, measured + 1_100);
    const grown = limit.limit;
    run(limit, 20, measured + 1_100, measured + 1_200);
    expect(grown).toBeGreaterThan(1_000);
    expect(Math.abs(limit.limit - (grown * 0.625 + Math.sqrt(grown * 0.625)))).toBeLessThan(2);
  });

  it('measures the least latency anew after a minute and its jitter, with three calls at a time', () => {
    const limit = limitOf();
    run(limit, 10, 0, 10_000);
    expect(limit.limit).toBeGreaterThan(100);
    // 60 s × (1 + 0.15 × 0.5), from the end of the first measure on.
    run(limit, 10, 10_000, 65_400);
    expect(limit.limit).toBeGreaterThan(100);
    run(limit, 10, 65_400, 65_700);
    expect(limit.limit).toBe(3);
    run(limit, 10, 65_700, 67_000);
    expect(limit.limit).toBeGreaterThan(100);
  });

  it('leaves the limit alone while it measures, where it is told to', () => {
    const limit = limitOf({ measureLimit: Infinity });
    run(limit, 10, 0, 65_700);
    expect(limit.limit).toBeGreaterThan(100);
  });

  it('doubts the least latency when it is at its lowest for long', () => {
    const limit = limitOf({ smoothing: 1, remeasureMs: 1e9 });
    run(limit, 1, 0, 1_100);
    // From now on calls take a hundred times as long: the limit is 3, until that is taken for the way things are.
    run(limit, 100, 1_100, 8_000);
    expect(limit.limit).toBeGreaterThan(100);
  });

  it('does not move while half of it is enough', () => {
    const limit = limitOf();
    run(limit, 10, 0, measured + 2_000);
    const before = limit.limit;
    expect(before).toBeGreaterThan(10);
    run(limit, 10, measured + 2_000, 5_000, { inFlight: 3 });
    run(limit, 15, 5_000, 8_000, { inFlight: 3 });
    expect(limit.limit).toBe(before);
  });

  it('shrinks by the share of the calls that are dropped, however fast the others are', () => {
    const limit = limitOf({ smoothing: 1 });
    run(limit, 10, 0, measured + 4_000);
    expect(limit.limit).toBe(1_000);
    run(limit, 10, measured + 4_000, measured + 4_100, { dropped: 4 });
    expect(limit.limit).toBe(750);
  });

  it.each([
    [{ sampleMs: 0 }, 'gradientLimit.sampleMs'],
    [{ smoothing: 0 }, 'gradientLimit.smoothing'],
    [{ smoothing: 1.1 }, 'gradientLimit.smoothing'],
    [{ percentile: 0 }, 'gradientLimit.percentile'],
    [{ percentile: 50 }, 'gradientLimit.percentile'],
    [{ buffer: -0.1 }, 'gradientLimit.buffer'],
    [{ buffer: NaN }, 'gradientLimit.buffer'],
    [{ remeasureMs: 0 }, 'gradientLimit.remeasureMs'],
    [{ jitter: 1.5 }, 'gradientLimit.jitter'],
    [{ jitter: NaN }, 'gradientLimit.jitter'],
    [{ measureCalls: 0 }, 'gradientLimit.measureCalls'],
    [{ measureLimit: 0 }, 'gradientLimit.measureLimit'],
  ])('refuses %j by name', (options, field) => {
    expect(() => gradientLimit(options)).toThrow(field);
  });

  it.each([
    ['20 workers and an endless queue', 20, Infinity],
    ['20 workers and a queue of 20', 20, 20],
    ['200 workers and a queue of 100', 200, 100],
  ])('finds what a node can that has %s, and stays there', (_, workers, queue) => {
    const load: Load = { workers: () => workers, serviceMs: 40, queue, untilMs: 60_000, perMs: () => workers / 20 };
    const seconds = runQueueingServer(limitOf(), load);
    const { limit, swing, use, slowdown, dropped } = summaryOf(seconds, 20_000, 60_000, load);
    expect(limit.median).toBeGreaterThanOrEqual(workers);
    expect(limit.median).toBeLessThan(1.8 * workers);
    expect(swing).toBeLessThan(0.25);
    expect(use).toBeGreaterThan(0.95);
    expect(slowdown).toBeLessThan(1.8);
    expect(dropped).toBeLessThan(0.01);
  });

  it('follows a node that loses three quarters of its workers, and gets them back', () => {
    const load: Load = {
      ...{ serviceMs: 20, queue: 20, untilMs: 180_000, perMs: () => 2 },
      workers: (at) => (at > 60_000 && at <= 120_000 ? 5 : 20),
    };
    const seconds = runQueueingServer(limitOf(), load);
    const less = summaryOf(seconds, 80_000, 120_000, load);
    const again = summaryOf(seconds, 140_000, 180_000, load);
    expect(less.limit.median).toBeLessThan(12);
    expect(less.use).toBeGreaterThan(0.9);
    expect(again.limit.median).toBeGreaterThan(18);
    expect(again.use).toBeGreaterThan(0.95);
  });
});
