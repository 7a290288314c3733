/** The metrics of clientPool and fyer-rpc, counted where those have names for them. */

import { updateNode, type Outcome } from '../../../src/index.js';
import { prometheusMetrics, type PrometheusMetricsOptions } from '../../../src/metrics/prometheus.js';
import { hello, node, scriptedFleet, valueOf } from './scriptedFleet.js';

const ok: Outcome = { status: 'ok', latencyMs: 20 };
const failed: Outcome = { status: 'failed', latencyMs: 30, code: 'UNAVAILABLE', blame: 'node' };

function begin(options: PrometheusMetricsOptions = {}, service = 'greeter') {
  const [a, b] = [node('a'), node('b')];
  const world = scriptedFleet(service, [a, b]);
  const { registry } = prometheusMetrics(world.fleet, { preset: 'seeds', ...options });
  return {
    a,
    b,
    world,
    registry,
    value: (name: string, labels?: Record<string, string>) => valueOf(registry, name, labels),
  };
}

describe('the metrics of clientPool', () => {
  it('count requests as they begin, their time and errors as they end, by client and method', async () => {
    const { a, b, world, value } = begin();
    const call = world.begin(hello);
    world.attempt(call, a);
    const labels = { client: 'a', method: 'SayHello' };
    expect(await value('middleware_requests_total', labels)).toBe(1);
    expect(await value('middleware_request_duration_seconds_count', labels)).toBe(0);
    world.attemptEnds(call, a, failed);
    world.attempt(call, b, { attempt: 2, reason: 'retry' });
    world.attemptEnds(call, b, ok, { attempt: 2 });
    world.end(call);
    expect(await value('middleware_request_duration_seconds_sum', labels)).toBeCloseTo(0.03);
    expect(await value('middleware_request_errors_total', labels)).toBe(1);
    expect(await value('middleware_request_errors_total', { client: 'b', method: 'SayHello' })).toBe(0);
  });

  it('do not count a call that its user gave up as an error', async () => {
    const { a, world, value } = begin();
    const call = world.begin();
    world.attempt(call, a);
    world.attemptEnds(call, a, { status: 'cancelled', latencyMs: 5 });
    expect(await value('middleware_requests_total')).toBe(1);
    expect(await value('middleware_request_duration_seconds_count')).toBe(1);
    expect(await value('middleware_request_errors_total')).toBe(0);
  });
});

describe('the metrics of fyer-rpc', () => {
  it('count responses by service, method, address and status; who gives up is in neither', async () => {
    const { a, world, value } = begin();
    for (const outcome of [ok, failed, failed, { status: 'cancelled', latencyMs: 1 } as const]) {
      const call = world.begin();
      world.attempt(call, a);
      world.attemptEnds(call, a, outcome);
      world.end(call);
    }
    const labels = { service: 'demo.Greeter', method: 'SayHello', instance: 'a:1' };
    expect(await value('rpc_requests_total', { ...labels, status: 'success' })).toBe(1);
    expect(await value('rpc_requests_total', { ...labels, status: 'error' })).toBe(2);
    expect(await value('rpc_response_time_seconds_sum', { ...labels, status: 'success' })).toBeCloseTo(0.02);
    expect(await value('rpc_response_time_seconds_count', { ...labels, status: 'error' })).toBe(2);
  });

  it('count failovers from node to node, and retries by their number', async () => {
    const { a, b, world, value } = begin();
    const call = world.begin();
    world.attempt(call, a);
    world.attemptEnds(call, a, failed);
    world.attempt(call, b, { attempt: 2, reason: 'retry' });
    world.attemptEnds(call, b, failed, { attempt: 2 });
    world.attempt(call, b, { attempt: 3, reason: 'retry' });
    for (const attempt of [12, 13]) world.attempt(call, b, { attempt, reason: 'retry' });
    expect(
      await value('rpc_failover_total', { from_instance: 'a:1', to_instance: 'b:1', service: 'demo.Greeter' }),
    ).toBe(1);
    const retries = (attempt: string) => value('rpc_retry_total', { instance: 'b:1', attempt });
    expect([await retries('1'), await retries('2'), await retries('10+')]).toEqual([1, 1, 2]);
  });

  it('count what becomes of breakers, by the service of the method or of the node', async () => {
    const { world, value } = begin();
    world.tell('breakerChanged', { node: 'a', method: hello, to: 'open' });
    world.tell('breakerChanged', { node: 'a', method: undefined, to: 'halfOpen' });
    world.tell('breakerChanged', { node: 'nobody', method: undefined, to: 'open' });
    const of = (service: string, state: string) =>
      value('rpc_circuit_breaks_total', { service, instance: 'a:1', state });
    expect(await of('demo.Greeter', 'open')).toBe(1);
    expect(await of('greeter', 'half-open')).toBe(1);
  });

  it('tell the rate of failovers over the last five minutes', async () => {
    const clock = { now: () => world.at, schedule: () => undefined as never };
    const world = scriptedFleet('greeter', [node('a'), node('b')]);
    const { registry } = prometheusMetrics(world.fleet, { preset: 'seeds', scheduler: clock });
    const rate = () => valueOf(registry, 'rpc_failover_rate', { service: 'demo.Greeter' });
    const [a, b] = world.fleet.nodes$.value.nodes;
    for (let i = 0; i < 3; i++) {
      const call = world.begin();
      world.attempt(call, a!);
      if (i > 0) continue;
      world.attemptEnds(call, a!, failed);
      world.attempt(call, b!, { attempt: 2, reason: 'retry' });
    }
    expect(await rate()).toBeCloseTo(0.25);
    world.at += 400_000;
    expect(await rate()).toBe(0);
  });

  it('have the service of the fleet for the uses of a pool', async () => {
    const { a, world, value } = begin({}, 'db');
    const call = world.begin('use');
    world.attempt(call, a);
    world.attemptEnds(call, a, ok);
    expect(await value('rpc_requests_total', { service: 'db', method: 'use', status: 'success' })).toBe(1);
  });

  it('have one series for an address that two nodes have, until the last of them is gone', async () => {
    const twins = [node('one', { address: 'x:1' }), node('two', { address: 'x:1' })] as const;
    const world = scriptedFleet('greeter', twins);
    const { registry } = prometheusMetrics(world.fleet, { preset: 'seeds' });
    const run = (on: (typeof twins)[number]) => {
      const call = world.begin();
      world.attempt(call, on);
      world.attemptEnds(call, on, ok);
      world.attemptEnds(call, on, failed);
    };
    run(twins[0]);
    run(twins[1]);
    const count = () => valueOf(registry, 'rpc_requests_total', { instance: 'x:1', status: 'success' });
    expect(await count()).toBe(2);
    world.nodes();
    expect(await registry.metrics()).not.toContain('x:1');
  });

  it('let go of the address that a node had before', async () => {
    const { a, world, registry } = begin();
    const run = (on: typeof a) => {
      const call = world.begin();
      world.attempt(call, on);
      world.attemptEnds(call, on, ok);
    };
    run(a);
    const moved = updateNode(a, { address: { host: 'elsewhere', port: 1 } });
    world.nodes(moved, node('b'));
    expect(await registry.metrics()).not.toContain('instance="a:1"');
    run(moved);
    // A call that began at the old address brings it not back.
    run(a);
    const text = await registry.metrics();
    expect(text).toContain('instance="elsewhere:1"');
    expect(text).not.toContain('instance="a:1"');
  });
});
