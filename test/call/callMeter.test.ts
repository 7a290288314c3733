import { CallMeter } from '../../src/call/callMeter.js';

describe('CallMeter', () => {
  const meterAt = () => {
    const clock = { now: 0 };
    return { clock, meter: new CallMeter(() => clock.now) };
  };

  it('counts calls by how they ended for their user', () => {
    const method = meterAt().meter.of('/a/B');
    method.inFlight = 4;
    method.ended('OK', 10, 4, 10);
    method.ended('UNAVAILABLE', 5, undefined, 10);
    method.ended('UNAVAILABLE', 5, undefined, 10);
    method.ended('CANCELLED', 5, 2, 10);
    const { inFlight, succeeded, failed, cancelled, totalLatencyMs } = method;
    expect({ inFlight, succeeded, failed, cancelled, totalLatencyMs }).toEqual({
      inFlight: 0,
      succeeded: 1,
      failed: 2,
      cancelled: 1,
      totalLatencyMs: 10,
    });
    expect(Object.fromEntries(method.codes)).toEqual({ UNAVAILABLE: 2, CANCELLED: 1 });
    expect(method.firstAnswers.count(10)).toBe(2);
    expect(method.latencies.count(10)).toBe(1);
  });

  it('looks a percentile up a few times a second, not with every call', () => {
    const { meter, clock } = meterAt();
    const method = meter.of('/a/B');
    for (let i = 0; i < 30; i++) method.firstAnswers.record(4, 0);
    expect(meter.firstAnswer('/a/B', 0.9).count).toBe(30);
    method.firstAnswers.record(4, 0);
    expect(meter.firstAnswer('/a/B', 0.9).count).toBe(30);
    clock.now = 250;
    expect(meter.firstAnswer('/a/B', 0.9).count).toBe(31);
    expect(meter.firstAnswer('/a/B', 0.5).ms).toBeCloseTo(4, 0);
  });

  it('keeps a bound on the names, since they come from callers', () => {
    const { meter } = meterAt();
    for (let i = 0; i < 3_000; i++) meter.of(`method ${i}`).succeeded++;
    expect(meter.methods.size).toBeLessThanOrEqual(1_001);
    expect([...meter.methods.values()].reduce((sum, { succeeded }) => sum + succeeded, 0)).toBe(3_000);
  });
});
