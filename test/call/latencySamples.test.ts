import fc from 'fast-check';
import { LatencySamples } from '../../src/call/latencySamples.js';

describe('latencySamples', () => {
  it('says what a sorted list of the latest 512 says', () => {
    const latencies = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 1_200 });
    fc.assert(
      fc.property(latencies, fc.double({ min: 0.001, max: 1, noNaN: true }), (all, fraction) => {
        const samples = new LatencySamples();
        for (const latencyMs of all) samples.record(latencyMs);
        const sorted = all.slice(-512).sort((a, b) => a - b);
        expect(samples.count).toBe(all.length);
        expect(samples.quantile(fraction)).toBe(sorted[Math.ceil(fraction * sorted.length) - 1]);
      }),
    );
  });

  it('knows nothing of what was before it was cleared', () => {
    const samples = new LatencySamples();
    samples.record(900);
    samples.clear();
    samples.record(1);
    expect([samples.count, samples.quantile(1)]).toEqual([1, 1]);
  });
});
