import { aimdLimit, type AimdLimitOptions } from '../../src/call/aimdLimit.js';
import { runQueueingServer, summaryOf, type Load } from './queueingServer.js';

const limitOf = (options?: AimdLimitOptions) => aimdLimit(options)({ random: () => 0.5 });
const sample = { latencyMs: 10, inFlight: 100, dropped: false, now: 0 };

describe('aimdLimit', () => {
  it('doubles each round until the first drop, then grows by one a round', () => {
    const limit = limitOf({ initial: 4 });
    for (let i = 0; i < 4; i++) limit.onSample(sample);
    expect(limit.limit).toBe(8);
    limit.onSample({ ...sample, dropped: true, now: 100 });
    expect(limit.limit).toBe(7);
    for (let i = 0; i < 7; i++) limit.onSample({ ...sample, now: 200 });
    expect(limit.limit).toBe(7);
    for (let i = 0; i < 8; i++) limit.onSample({ ...sample, now: 200 });
    expect(limit.limit).toBe(8);
  });

  it('steps back once for all the drops of a round, and again for those of the next', () => {
    const limit = limitOf({ initial: 100 });
    for (let i = 0; i < 50; i++) limit.onSample({ ...sample, dropped: true, now: 10 + i / 100 });
    expect(limit.limit).toBe(90);
    limit.onSample({ ...sample, dropped: true, now: 30 });
    expect(limit.limit).toBe(81);
  });

  it('takes one away at least, so that small limits shrink too', () => {
    const limit = limitOf({ initial: 3 });
    limit.onSample({ ...sample, dropped: true, now: 100 });
    expect(limit.limit).toBe(2);
  });

  it('does not grow while half of it is enough', () => {
    const limit = limitOf({ initial: 10 });
    for (let i = 0; i < 100; i++) limit.onSample({ ...sample, inFlight: 4 });
    expect(limit.limit).toBe(10);
  });

  it('takes what is too slow for a drop, where it is told to', () => {
    const limit = limitOf({ initial: 10, timeoutMs: 100 });
    limit.onSample({ ...sample, latencyMs: 101, now: 500 });
    expect(limit.limit).toBe(9);
  });

  it.each([
    [{ backoffRatio: 1 }, 'aimdLimit.backoffRatio'],
    [{ backoffRatio: 0.4 }, 'aimdLimit.backoffRatio'],
    [{ backoffRatio: NaN }, 'aimdLimit.backoffRatio'],
    [{ timeoutMs: 0 }, 'aimdLimit.timeoutMs'],
    [{ initial: 0 }, 'aimdLimit.initial'],
  ])('refuses %j by name', (options, field) => {
    expect(() => aimdLimit(options)).toThrow(field);
  });

  it('comes to rest just below where a node begins to refuse, and follows it down and up', () => {
    // 20 at work and 20 in its queue, then 5 and 20, then as before; twice as many calls come as it can take.
    const load: Load = {
      ...{ serviceMs: 20, queue: 20, untilMs: 180_000, perMs: () => 2 },
      workers: (at) => (at > 60_000 && at <= 120_000 ? 5 : 20),
    };
    const seconds = runQueueingServer(limitOf(), load);
    for (const [from, capacity] of [
      [20_000, 40],
      [80_000, 25],
      [140_000, 40],
    ] as const) {
      const { limit, swing, use, dropped } = summaryOf(seconds, from, from + 40_000, load);
      expect(limit.median).toBeGreaterThan(0.85 * capacity);
      expect(limit.median).toBeLessThan(1.05 * capacity);
      expect(swing).toBeLessThan(0.2);
      expect(use).toBeGreaterThan(0.95);
      expect(dropped).toBeLessThan(0.03);
    }
  });

  it('keeps the timeouts of a node rare that queues without end', () => {
    const load: Load = {
      ...{ workers: () => 20, serviceMs: 20, perMs: () => 2, deadlineMs: 200, untilMs: 60_000 },
    };
    const { dropped, use, swing } = summaryOf(runQueueingServer(limitOf(), load), 20_000, 60_000, load);
    expect(dropped).toBeLessThan(0.01);
    expect(use).toBeGreaterThan(0.95);
    expect(swing).toBeLessThan(0.4);
  });
});
