import type { Limit } from '../../src/call/limit.js';
import { vegasLimit, type VegasLimitOptions } from '../../src/call/vegasLimit.js';
import { runQueueingServer, summaryOf, type Load } from './queueingServer.js';

const limitOf = (options?: VegasLimitOptions) => vegasLimit(options)({ random: () => 0.5 });

/** From the first call, which is at 10 ms. */
const firstWindow = 1.01;

/** Calls of one latency, a hundred each second, for so many windows. */
function run(
  limit: Limit,
  latencyMs: number,
  from: number,
  windows: number,
  more: { inFlight?: number; dropped?: boolean } = {},
) {
  const { inFlight = 1_000, dropped = false } = more;
  const to = from + windows * 1_000;
  for (let now = from + 10; now <= to; now += 10) limit.onSample({ latencyMs, inFlight, dropped, now });
  return to;
}

describe('vegasLimit', () => {
  it('learns what is least, and then grows by little at first, and by much while nobody waits', () => {
    const limit = limitOf();
    // In the first window short calls end first; the second is measured.
    let now = run(limit, 10, 0, firstWindow + 1);
    const seen = [limit.limit];
    for (let i = 0; i < 4; i++) {
      now = run(limit, 10, now, 1);
      seen.push(limit.limit);
    }
    expect(seen).toEqual([20, 21, 27, 33, 39]);
  });

  it('stays where enough wait, and shrinks by little while more do', () => {
    const limit = limitOf({ max: 30 });
    let now = run(limit, 10, 0, 10);
    expect(limit.limit).toBe(30);
    // 30 × (1 − 10 / 11.6) is 4.1.
    now = run(limit, 11.6, now, 20);
    expect(limit.limit).toBe(30);
    // With 16 ms it is 11, and six again at 16.
    now = run(limit, 16, now, 5);
    expect(limit.limit).toBeLessThan(30);
    run(limit, 16, now, 30);
    expect(limit.limit).toBe(16);
  });

  it('shrinks when calls are dropped, whatever the latency of the others', () => {
    const limit = limitOf();
    const now = run(limit, 10, 0, firstWindow + 1);
    run(limit, 10, now, 3, { dropped: true });
    expect(limit.limit).toBe(17);
  });

  it('does not grow while half of it is enough', () => {
    const limit = limitOf();
    run(limit, 10, 0, 30, { inFlight: 5 });
    expect(limit.limit).toBe(20);
  });

  it('halves the limit for two windows to learn what is least, and believes what it learns', () => {
    const limit = limitOf({ max: 20 });
    // 120 × 0.75 windows after the first.
    let now = run(limit, 10, 0, 89 + firstWindow);
    expect(limit.limit).toBe(20);
    now = run(limit, 10, now, 1);
    expect(limit.limit).toBe(10);
    // Calls take 30 ms even now: that is least, and nobody waits.
    now = run(limit, 30, now, 2);
    expect(limit.limit).toBe(20);
    run(limit, 30, now, 30);
    expect(limit.limit).toBe(20);
  });

  it('soon looks again what is least when calls are dropped though nobody seemed to wait', () => {
    const limit = limitOf({ max: 20 });
    let now = run(limit, 10, 0, 5);
    now = run(limit, 10, now, 1, { dropped: true });
    expect(limit.limit).toBe(19);
    now = run(limit, 10, now, 9);
    expect(limit.limit).toBe(20);
    run(limit, 10, now, 1.1);
    expect(limit.limit).toBe(10);
  });

  it.each([
    [{ alpha: 0 }, 'vegasLimit.alpha'],
    [{ alpha: NaN }, 'vegasLimit.alpha'],
    [{ alpha: 4, beta: 3 }, 'vegasLimit.beta'],
    [{ beta: NaN }, 'vegasLimit.beta'],
    [{ windowMs: 0 }, 'vegasLimit.windowMs'],
    [{ initial: 2_000 }, 'vegasLimit.initial'],
  ])('refuses %j by name', (options, field) => {
    expect(() => vegasLimit(options)).toThrow(field);
  });

  it.each([
    ['20 workers and an endless queue', 20, Infinity, 20, 150_000],
    ['200 workers and a queue of 100', 200, 100, 20, 150_000],
    ['4 workers that take half a second', 4, 8, 500, 600_000],
  ])('finds what a node can that has %s, and stays there', (_, workers, queue, serviceMs, untilMs) => {
    const load: Load = {
      ...{ workers: () => workers, serviceMs, queue, untilMs },
      perMs: () => (2 * workers) / serviceMs,
    };
    const { limit, use, slowdown } = summaryOf(runQueueingServer(limitOf(), load), untilMs / 2, untilMs, load);
    expect(limit.median).toBeGreaterThanOrEqual(workers);
    expect(limit.median).toBeLessThanOrEqual(workers + 12);
    // But for the probes, which take some seconds a minute.
    expect(limit.p5).toBeGreaterThanOrEqual(workers / 2);
    expect(limit.p95).toBeLessThanOrEqual(workers + 20);
    expect(use).toBeGreaterThan(0.93);
    expect(slowdown).toBeLessThan(2.2);
  });

  it('follows a node that loses three quarters of its workers, and gets them back', () => {
    const load: Load = {
      ...{ serviceMs: 20, untilMs: 180_000, perMs: () => 2 },
      workers: (at) => (at > 60_000 && at <= 120_000 ? 5 : 20),
    };
    const seconds = runQueueingServer(limitOf(), load);
    const less = summaryOf(seconds, 80_000, 120_000, load);
    const again = summaryOf(seconds, 140_000, 180_000, load);
    expect(less.limit.median).toBeLessThan(13);
    expect(less.use).toBeGreaterThan(0.95);
    expect(again.limit.median).toBeGreaterThan(20);
    expect(again.use).toBeGreaterThan(0.95);
  });
});
