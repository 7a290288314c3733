/** Registries that several use, options that make no sense, and the end. */

import { Counter, register as globalRegistry } from 'prom-client';
import { createFleet, createPool, FleetError, staticNodes } from '../../../src/index.js';
import {
  prometheusMetrics,
  Registry,
  type AnyRegistry,
  type PrometheusMetricsOptions,
} from '../../../src/metrics/prometheus.js';
import { hello, node, scriptedFleet, valueOf } from './scriptedFleet.js';

const refusal = (act: () => unknown): FleetError => {
  try {
    act();
  } catch (error) {
    if (error instanceof FleetError) return error;
    throw error;
  }
  throw new Error('it was not refused');
};

describe('a registry', () => {
  it('of ones own is the default: the global one stays as it is', () => {
    const before = globalRegistry.getMetricsAsArray().length;
    const first = prometheusMetrics(scriptedFleet().fleet);
    const second = prometheusMetrics(scriptedFleet().fleet);
    expect(first.registry).not.toBe(second.registry);
    expect(globalRegistry.getMetricsAsArray()).toHaveLength(before);
  });

  it('is shared by clients with targets of their own, whose numbers stay apart and go one by one', async () => {
    const registry = new Registry();
    const [one, two] = [scriptedFleet('one'), scriptedFleet('two')];
    const first = prometheusMetrics(one.fleet, { registry });
    const second = prometheusMetrics(two.fleet, { registry });
    one.end(one.begin());
    two.end(two.begin());
    two.end(two.begin());
    const count = (grpc_target: string) =>
      valueOf(registry, 'grpc_client_call_duration_seconds_count', { grpc_target });
    expect([await count('one'), await count('two')]).toEqual([1, 2]);
    await first.close();
    await first.close();
    expect([await count('one'), await count('two')]).toEqual([0, 2]);
    one.end(one.begin());
    expect(await count('one')).toBe(0);
    await second.close();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('refuses a second client that could not be told from the first, and is left as it was', async () => {
    const registry = new Registry();
    const world = scriptedFleet('one');
    const metrics = prometheusMetrics(world.fleet, { registry });
    const before = await registry.metrics();
    const error = refusal(() => prometheusMetrics(scriptedFleet('one').fleet, { registry, preset: ['grpc', 'seeds'] }));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toMatch(/target or labels of its own/);
    expect(await registry.metrics()).toBe(before);
    // With labels of its own it may.
    const other = prometheusMetrics(scriptedFleet('one').fleet, { registry, labels: { shard: '2' } });
    await other.close();
    expect(await registry.metrics()).toBe(before);
    await metrics.close();
  });

  it('refuses names that somebody else has, saying which and what to do', async () => {
    const registry = new Registry();
    const theirs = new Counter({ name: 'grpc_client_attempt_started_total', help: 'Theirs.', registers: [registry] });
    const error = refusal(() => prometheusMetrics(scriptedFleet().fleet, { registry }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION' });
    expect(error.message).toMatch(/grpc_client_attempt_started_total.*prefix/);
    expect(registry.getMetricsAsArray()).toEqual([theirs]);
    const prefixed = prometheusMetrics(scriptedFleet().fleet, { registry, prefix: 'edge_' });
    await prefixed.close();
    expect(registry.getMetricsAsArray()).toEqual([theirs]);
  });

  it('refuses a second client with other buckets', () => {
    const registry = new Registry();
    prometheusMetrics(scriptedFleet('one').fleet, { registry });
    const error = refusal(() => prometheusMetrics(scriptedFleet('two').fleet, { registry, buckets: [1, 2] }));
    expect(error.message).toMatch(/other buckets/);
  });

  it('that its owner has cleared takes a new client', async () => {
    const registry = new Registry();
    const first = prometheusMetrics(scriptedFleet('one').fleet, { registry });
    registry.clear();
    const second = prometheusMetrics(scriptedFleet('one').fleet, { registry });
    await first.close();
    expect(registry.getMetricsAsArray().length).toBeGreaterThan(0);
    await second.close();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });
});

describe('options that make no sense', () => {
  const openMetrics = new Registry() as unknown as AnyRegistry;
  openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const cases: [string, PrometheusMetricsOptions][] = [
    ['preset', { preset: 'otel' as never }],
    ['preset', { preset: [] }],
    ['registry', { registry: {} as never }],
    ['registry', { registry: openMetrics }],
    ['target', { target: 7 as never }],
    ['prefix', { prefix: '1_' }],
    ['prefix', { prefix: 'a-b' }],
    ['labels', { labels: { 'a-b': 'x' } }],
    ['labels', { labels: { __name: 'x' } }],
    ['labels', { labels: { le: 'x' } }],
    ['labels', { labels: { grpc_target: 'x' } }],
    ['labels', { labels: { grpc_method: 'x' } }],
    ['labels', { preset: 'seeds', labels: { instance: 'x' } }],
    ['labels.a', { labels: { a: 1 as never } }],
    ['buckets', { buckets: [] }],
    ['buckets', { buckets: [1, 1] }],
    ['buckets', { buckets: [2, 1] }],
    ['buckets', { buckets: [NaN] }],
    ['buckets', { buckets: [1, Infinity] }],
    ['optionalLabels', { optionalLabels: ['grpc.lb.weather' as never] }],
    ['optionalLabels', { preset: 'seeds', optionalLabels: ['grpc.lb.locality'] }],
    ['perNode', { preset: 'seeds', perNode: true }],
    ['maxMethods', { maxMethods: 0 }],
    ['maxMethods', { maxMethods: NaN }],
  ];
  it.each(cases)('%s is refused by name: %j', (field, options) => {
    const registry = options.registry ?? new Registry();
    const error = refusal(() => prometheusMetrics(scriptedFleet().fleet, { registry, ...options }));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain(field);
    if (options.registry === undefined) expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('are not those that only look so: labels that a preset does not use', async () => {
    const { registry, close } = prometheusMetrics(scriptedFleet().fleet, {
      labels: { service: 'cart', instance: 'i-1' },
    });
    expect(await registry.metrics()).toContain('rxfleet_panic{service="cart",instance="i-1",grpc_target="greeter"} 0');
    await close();
  });
});

describe('the end', () => {
  it('of the client leaves the figures to be read, and is told', async () => {
    const world = scriptedFleet('one', [node('a')]);
    const metrics = prometheusMetrics(world.fleet);
    world.end(world.begin(hello));
    let ended = false;
    void metrics.ended.then(() => (ended = true));
    await Promise.resolve();
    expect(ended).toBe(false);
    world.close();
    await metrics.ended;
    expect(await valueOf(metrics.registry, 'grpc_client_call_duration_seconds_count')).toBe(1);
    await metrics.close();
  });

  it('of the metrics takes them out of the registry and listens no more', async () => {
    const world = scriptedFleet();
    const metrics = prometheusMetrics(world.fleet, { preset: ['grpc', 'seeds'], perNode: true });
    await metrics[Symbol.asyncDispose]();
    await metrics.ended;
    expect(metrics.registry.getMetricsAsArray()).toEqual([]);
    expect((world.fleet.events$ as unknown as { observed: boolean }).observed).toBe(false);
    expect(world.fleet.nodes$.observed).toBe(false);
  });
});

describe('a real client', () => {
  it('that is a pool of anything is counted like a fleet', async () => {
    const pool = createPool({
      discovery: staticNodes(['db-1:5432', 'db-2:5432']),
      open: ({ id }) => id,
      service: 'db',
    });
    const metrics = prometheusMetrics(pool);
    await new Promise((resolve) => pool.use((id) => [id]).subscribe({ complete: () => resolve(undefined) }));
    expect(await valueOf(metrics.registry, 'grpc_client_call_duration_seconds_count', { grpc_method: 'use' })).toBe(1);
    expect(await valueOf(metrics.registry, 'grpc_subchannel_open_connections', { grpc_target: 'db' })).toBe(2);
    await pool.close();
    await metrics.ended;
    expect(await valueOf(metrics.registry, 'grpc_subchannel_open_connections')).toBe(0);
    await metrics.close();
  });

  it('without a service has an empty target, which Prometheus takes for none', async () => {
    const transport = { name: 'none', open: () => undefined as never };
    const fleet = createFleet({ discovery: staticNodes([]), transport });
    const metrics = prometheusMetrics(fleet);
    expect(await metrics.registry.metrics()).toContain('rxfleet_panic{grpc_target=""} 0');
    await fleet.close({ drainMs: 0 });
    await metrics.close();
  });
});
