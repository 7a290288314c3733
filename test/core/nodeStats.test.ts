import fc from 'fast-check';
import { NodeStats, type Outcome } from '../../src/core/nodeStats.js';

const ok = (latencyMs: number): Outcome => ({ status: 'ok', latencyMs });
const failed = (blame: Outcome['blame']): Outcome => ({ status: 'failed', latencyMs: 1, code: 'UNAVAILABLE', blame });

describe('NodeStats', () => {
  it('charges a node for its own failures and those of the network, and for no others', () => {
    const stats = new NodeStats();
    for (const outcome of [failed('node'), failed('network'), failed('request'), failed('caller'), failed(undefined)]) {
      stats.begin();
      stats.end(outcome);
    }
    stats.begin();
    stats.end({ status: 'cancelled', latencyMs: 1 });
    expect(stats).toMatchObject({
      inFlight: 0,
      requests: 6,
      successes: 0,
      failures: 2,
      excused: 4,
      consecutiveFailures: 2,
    });
  });

  it('does not make a node that fails fast look fast', () => {
    const stats = new NodeStats();
    stats.end(ok(100));
    for (let i = 0; i < 50; i++) stats.end(failed('node'));
    expect(stats.ewmaLatencyMs).toBe(100);
    expect(stats.totalLatencyMs).toBe(100);
  });

  it('starts its average at the first success, then moves a tenth at a time', () => {
    const stats = new NodeStats();
    stats.end(ok(100));
    expect(stats.ewmaLatencyMs).toBe(100);
    stats.end(ok(200));
    expect(stats.ewmaLatencyMs).toBeCloseTo(110);
  });

  it('forgets failures in a row at the first success, but not for a cancelled call', () => {
    const stats = new NodeStats();
    stats.end(failed('node'));
    stats.end({ status: 'cancelled', latencyMs: 1 });
    expect(stats.consecutiveFailures).toBe(1);
    stats.end(ok(1));
    expect(stats.consecutiveFailures).toBe(0);
  });

  it('lets a node that fails every second call stand out, and one failure among many successes be forgotten', () => {
    const stats = new NodeStats();
    for (let i = 0; i < 10; i++) stats.end(failed('network'));
    expect(stats.failureLevel).toBe(6);
    for (let i = 0; i < 10; i++) {
      stats.end(ok(1));
      stats.end(failed('node'));
    }
    expect(stats.failureLevel).toBe(6);
    for (let i = 0; i < 10; i++) stats.end({ status: 'cancelled', latencyMs: 1 });
    expect(stats.failureLevel).toBe(6);
    for (let i = 0; i < 7; i++) stats.end(ok(1));
    expect(stats.failureLevel).toBe(0);
    stats.end(failed('node'));
    stats.end(ok(1));
    expect(stats.failureLevel).toBe(0);
  });

  it('adds up, whatever happens in whatever order', () => {
    const outcome = fc.oneof(
      fc.nat(1_000).map(ok),
      fc.constantFrom(...(['node', 'network', 'request', 'caller'] as const)).map(failed),
      fc.constant<Outcome>({ status: 'cancelled', latencyMs: 5 }),
    );
    fc.assert(
      fc.property(fc.array(outcome), fc.nat(5), (outcomes, open) => {
        const stats = new NodeStats();
        for (let i = 0; i < outcomes.length + open; i++) stats.begin();
        for (const each of outcomes) stats.end(each);
        expect(stats.inFlight).toBe(open);
        expect(stats.requests).toBe(outcomes.length);
        expect(stats.successes + stats.failures + stats.excused).toBe(outcomes.length);
        const latencies = outcomes.filter(({ status }) => status === 'ok').map(({ latencyMs }) => latencyMs);
        if (latencies.length) {
          expect(stats.ewmaLatencyMs).toBeGreaterThanOrEqual(Math.min(...latencies) - 1e-6);
          expect(stats.ewmaLatencyMs).toBeLessThanOrEqual(Math.max(...latencies) + 1e-6);
        }
      }),
    );
  });
});
