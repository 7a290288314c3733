/** Our series against those of prom-client: what a registry writes must be the same. */

import fc from 'fast-check';
import { Counter, Histogram as PromHistogram, Registry } from 'prom-client';
import { MetricScope } from '../../../src/metrics/prometheus/metricScope.js';

const help = 'In a sentence.';
const bounds = fc
  .uniqueArray(
    // Of 0 and -0, which it takes for two buckets of one name, prom-client makes nonsense.
    fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((bound) => bound || 0),
    { minLength: 1, maxLength: 50, comparator: 'IsStrictlyEqual' },
  )
  .map((list) => list.sort((x, y) => x - y));
const value = fc.oneof(fc.double({ min: -2e6, max: 2e6, noNaN: true }), fc.constantFrom(0, -0, 0.1, 1, 1e6));
const label = fc.oneof(fc.constantFrom('', 'a"b', 'back\\slash', 'new\nline', 'ä', '{le="1"}'), fc.string());

describe('a histogram', () => {
  it('writes what that of prom-client writes, whatever the buckets, labels and values', async () => {
    await fc.assert(
      fc.asyncProperty(bounds, fc.array(value), label, label, async (buckets, values, one, two) => {
        const theirs = new Registry();
        const reference = new PromHistogram({
          ...{ name: 'h', help, labelNames: ['one', 'two'], buckets: [...buckets], registers: [theirs] },
        });
        const ours = new Registry();
        const scope = new MetricScope(ours, { prefix: '', labels: { one } });
        const metric = scope.metric({ name: 'h', type: 'histogram', help, labels: ['two'], buckets });
        const histogram = metric.histogram({ two });
        reference.zero({ one, two });
        for (const each of values) {
          reference.observe({ one, two }, each);
          histogram.observe(each);
        }
        expect(await ours.metrics()).toBe(await theirs.metrics());
        expect(histogram.count).toBe(values.length);
        // As numbers, too, for those who add up the processes of a cluster.
        const [json] = await ours.getMetricsAsJSON();
        const [reading] = await theirs.getMetricsAsJSON();
        const plain = ({ values: list }: { values: readonly unknown[] }) =>
          (list as { metricName: string; value: number; labels: object }[]).map(({ metricName, value, labels }) => ({
            ...{ metricName, value, labels },
          }));
        expect(plain(json!)).toEqual(plain(reading!));
        expect(json).toMatchObject({ name: 'h', help, type: 'histogram', aggregator: 'sum' });
        scope.close();
        expect(ours.getMetricsAsArray()).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a registry that holds our metrics beside those of others', () => {
  it('writes them in OpenMetrics and in the older format, one after the other, without a change', async () => {
    const { inOpenMetrics } = await import('../../../src/metrics/prometheus/registry.js');
    const registry = new Registry();
    registry.setDefaultLabels({ host: 'h-1' });
    const theirs = new Counter({ name: 'theirs_total', help, registers: [registry] });
    const scope = new MetricScope(registry, { prefix: '', labels: {} });
    const ours = scope.metric({ name: 'ours_total', type: 'counter', help, labels: [] }).scalar();
    theirs.inc(2);
    ours.value = 3;
    const before = await registry.metrics();
    const open = await inOpenMetrics(registry).metrics();
    expect(open).toContain('# TYPE ours counter\nours_total{host="h-1"} 3');
    expect(open).toContain('# TYPE theirs counter\ntheirs_total{host="h-1"} 2');
    expect(open.endsWith('# EOF\n')).toBe(true);
    expect(await registry.metrics()).toBe(before);
    expect(before).toContain('# TYPE ours_total counter\nours_total{host="h-1"} 3');
  });

  it('can be reset, and counts on', async () => {
    const registry = new Registry();
    const scope = new MetricScope(registry, { prefix: '', labels: {} });
    const count = scope.metric({ name: 'c_total', type: 'counter', help, labels: [] }).scalar();
    const spread = scope.metric({ name: 'h', type: 'histogram', help, labels: [], buckets: [1] }).histogram();
    count.value++;
    spread.observe(0.5);
    registry.resetMetrics();
    count.value++;
    spread.observe(2);
    const text = await registry.metrics();
    expect(text).toContain('c_total 1');
    expect(text).toContain('h_bucket{le="1"} 0\nh_bucket{le="+Inf"} 1\nh_sum 2\nh_count 1');
  });
});
