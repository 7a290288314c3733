/** What happens to nodes and connections, breakers and limiters, as numbers. */

import { TestScheduler } from 'rxjs/testing';
import type { Ejection, NodeEjected } from '../../../src/index.js';
import { prometheusMetrics, type PrometheusMetricsOptions } from '../../../src/metrics/prometheus.js';
import { node, scriptedFleet, valueOf } from './scriptedFleet.js';

function begin(options: PrometheusMetricsOptions = {}) {
  const world = scriptedFleet('greeter', [node('a'), node('b')]);
  const { registry, close } = prometheusMetrics(world.fleet, options);
  return {
    world,
    registry,
    close,
    value: (name: string, labels?: Record<string, string>) => valueOf(registry, name, labels),
  };
}

describe('connections', () => {
  const totals = async (value: ReturnType<typeof begin>['value']) => ({
    made: await value('grpc_subchannel_connection_attempts_succeeded_total'),
    failed: await value('grpc_subchannel_connection_attempts_failed_total'),
    ended: await value('grpc_subchannel_disconnections_total'),
    open: await value('grpc_subchannel_open_connections'),
  });

  it('are there as zeroes before the first, so that an increase of them can be seen', async () => {
    const { value, registry } = begin();
    expect(await totals(value)).toEqual({ made: 0, failed: 0, ended: 0, open: 0 });
    expect(await registry.metrics()).toContain('grpc_subchannel_disconnections_total{grpc_target="greeter"} 0');
  });

  it('count when they are made, fail and end', async () => {
    const { world, value } = begin();
    world.tell('connectionChanged', { node: 'a', from: 'IDLE', to: 'CONNECTING' });
    world.tell('connectFailed', { node: 'a', reason: 'refused' });
    world.tell('connectionChanged', { node: 'a', from: 'CONNECTING', to: 'TRANSIENT_FAILURE' });
    world.tell('connectionChanged', { node: 'a', from: 'TRANSIENT_FAILURE', to: 'READY' });
    world.tell('connectionChanged', { node: 'b', from: 'IDLE', to: 'READY' });
    world.tell('connectionChanged', { node: 'a', from: 'READY', to: 'IDLE' });
    world.tell('connectionChanged', { node: 'a', from: 'IDLE', to: 'CONNECTING' });
    expect(await totals(value)).toEqual({ made: 2, failed: 1, ended: 1, open: 1 });
  });

  it('end with their node, and with the client', async () => {
    const { world, value } = begin();
    world.tell('connectionChanged', { node: 'a', from: 'IDLE', to: 'READY' });
    world.tell('connectionChanged', { node: 'b', from: 'IDLE', to: 'READY' });
    world.nodes(node('b'));
    expect(await totals(value)).toEqual({ made: 2, failed: 0, ended: 1, open: 1 });
    world.close();
    expect(await totals(value)).toEqual({ made: 2, failed: 0, ended: 2, open: 0 });
  });

  it('that break at once after they were made are disconnections, not failed attempts', async () => {
    const { world, value } = begin();
    world.tell('connectionChanged', { node: 'a', from: 'IDLE', to: 'READY' });
    world.tell('connectionChanged', { node: 'a', from: 'READY', to: 'TRANSIENT_FAILURE' });
    expect(await totals(value)).toEqual({ made: 1, failed: 0, ended: 1, open: 0 });
  });
});

describe('ejections', () => {
  const [method, reason] = ['detection_method', 'unenforced_reason'].map(
    (end) => `grpc_lb_outlier_detection_${end}`,
  ) as [string, string];
  const names = { enforced: 'grpc_lb_outlier_detection_ejections_enforced_total' };
  const unenforced = 'grpc_lb_outlier_detection_ejections_unenforced_total';

  it('count by the method that found them', async () => {
    const { world, value } = begin();
    const eject = (detection: NodeEjected['method']) =>
      world.tell('ejected', { node: node('a'), by: 'x', method: detection, reason: 'x', enforced: true });
    eject('success_rate');
    eject('failure_percentage');
    eject('consecutive_failure');
    eject('consecutive_failure');
    expect(await value(names.enforced, { [method]: 'success_rate' })).toBe(1);
    expect(await value(names.enforced, { [method]: 'failure_percentage' })).toBe(1);
    expect(await value(names.enforced, { [method]: 'consecutive_failure' })).toBe(2);
  });

  it('that did not come to be count with the reason', async () => {
    const { world, value } = begin();
    const spare = (unenforcedReason: NodeEjected['unenforcedReason']) =>
      world.tell('ejected', {
        ...{ node: node('a'), by: 'outlierDetection', method: 'success_rate', reason: 'x', enforced: false },
        unenforcedReason,
      });
    spare('max_ejection_overflow');
    spare('enforcement_percentage');
    expect(await value(unenforced, { [method]: 'success_rate', [reason]: 'max_ejection_overflow' })).toBe(1);
    expect(await value(unenforced, { [method]: 'success_rate', [reason]: 'enforcement_percentage' })).toBe(1);
    expect(await value(names.enforced, { [method]: 'success_rate' })).toBe(0);
  });
});

describe('nodes', () => {
  it('are counted by what keeps them from calls, each once', async () => {
    const { world, value, registry } = begin();
    const out = (obstacle: Ejection['obstacle']) => ({
      health: 'ejected' as const,
      ejections: [{ by: 'x', obstacle, reason: 'x', until: undefined }],
    });
    world.nodes(
      node('ok'),
      node('ready', { availability: 'ready', health: 'serving' }),
      node('dialled', { availability: 'connecting' }),
      node('down', { availability: 'unavailable' }),
      node('sick', { health: 'notServing' }),
      node('out', out('ejected')),
      node('open', out('circuitOpen')),
      node('rests', out('cooling')),
      node('light', { weight: 0 }),
      node('foreign', { compatibility: 'incompatible' }),
    );
    const counts = Object.fromEntries(
      [...(await registry.metrics()).matchAll(/^rxfleet_nodes\{.*state="(\w+)"\} (\d+)$/gm)].map(([, state, n]) => [
        state,
        n,
      ]),
    );
    expect(counts).toEqual({
      ...{ routable: '2', connecting: '1', unavailable: '1', not_serving: '1', ejected: '1', circuit_open: '1' },
      ...{ cooling: '1', weightless: '1', incompatible: '1', pending: '0', draining: '0' },
    });
    world.nodes();
    expect(await value('rxfleet_nodes', { state: 'routable' })).toBe(0);
  });

  it('that are as old as discovery has been cut off say so, in seconds', async () => {
    const scheduler = new TestScheduler(() => undefined);
    const world = scriptedFleet('greeter', [node('a')]);
    const { registry } = prometheusMetrics(world.fleet, { scheduler });
    const stale = () => valueOf(registry, 'rxfleet_discovery_stale_seconds');
    expect(await stale()).toBe(0);
    scheduler.maxFrames = Infinity;
    scheduler.schedule(() => world.stale(5_000), 8_000);
    scheduler.flush();
    expect(await stale()).toBe(3);
    world.nodes(node('a'));
    expect(await stale()).toBe(0);
  });

  it('of a discovery that has not spoken are stale from our beginning, not from 1970', async () => {
    const world = scriptedFleet();
    world.stale(0);
    const { registry } = prometheusMetrics(world.fleet);
    expect(await valueOf(registry, 'rxfleet_discovery_stale_seconds')).toBeLessThan(10);
  });

  it('of a discovery that has failed for good stay as they were, and the metrics readable', async () => {
    const { world, value } = begin();
    world.fleet.nodes$.error(new Error('refused'));
    expect(await value('rxfleet_nodes', { state: 'routable' })).toBe(2);
  });

  it('have series of their own only with perNode, of successes alone, which go with them', async () => {
    const world = scriptedFleet('greeter', [node('a'), node('b')]);
    const { registry } = prometheusMetrics(world.fleet, { perNode: true });
    const [a] = world.fleet.nodes$.value.nodes;
    const run = (status: 'ok' | 'failed' | 'cancelled') => {
      const call = world.begin();
      world.attempt(call, a!);
      world.attemptEnds(call, a!, { status, latencyMs: 7, code: 'UNAVAILABLE', blame: 'node' });
      world.end(call);
    };
    run('ok');
    run('failed');
    run('cancelled');
    a!.stats.inFlight = 4;
    const of = (name: string, more = {}) => valueOf(registry, `rxfleet_node_${name}`, { node: 'a', ...more });
    expect(await of('latency_seconds_count')).toBe(1);
    expect(await of('latency_seconds_sum')).toBeCloseTo(0.007);
    expect(await of('attempts_total', { grpc_status: 'OK' })).toBe(1);
    expect(await of('attempts_total', { grpc_status: 'UNAVAILABLE' })).toBe(1);
    expect(await of('attempts_total', { grpc_status: 'CANCELLED' })).toBe(1);
    expect(await of('attempts_in_flight')).toBe(4);
    expect(await of('routable')).toBe(1);

    const late = world.begin();
    world.attempt(late, a!);
    world.nodes(node('b'));
    // A call that ends on a node that is gone brings no series back that nobody would remove.
    world.attemptEnds(late, a!, { status: 'ok', latencyMs: 1 });
    world.end(late);
    expect(await registry.metrics()).not.toContain('node="a"');
  });

  it('come and go by the thousands without leaving a series behind', async () => {
    const world = scriptedFleet();
    const { registry } = prometheusMetrics(world.fleet, { perNode: true, preset: ['grpc', 'seeds'] });
    for (let round = 0; round < 20; round++) {
      const nodes = Array.from({ length: 100 }, (_, i) => node(`n-${round}-${i}`));
      world.nodes(...nodes);
      for (const each of nodes) {
        const call = world.begin();
        world.attempt(call, each);
        world.attemptEnds(call, each, { status: 'failed', latencyMs: 1, code: 'UNAVAILABLE', blame: 'node' });
        world.attempt(call, nodes[0]!, { attempt: 2, reason: 'retry' });
        world.attemptEnds(call, nodes[0]!, { status: 'ok', latencyMs: 1 }, { attempt: 2 });
        world.end(call);
        world.tell('breakerChanged', { node: each.id, from: 'closed', to: 'open' });
      }
    }
    world.nodes();
    const text = await registry.metrics();
    expect(text).not.toMatch(/n-\d+-\d+/);
    expect(await valueOf(registry, 'rxfleet_breakers', { state: 'open' })).toBe(0);
    expect(text.split('\n').length).toBeLessThan(700);
  });
});

describe('policies', () => {
  it('tell what limiters held back and sent away, and for how long', async () => {
    const { world, value } = begin();
    const call = world.begin();
    const limited = (result: 'waited' | 'refused', waitedMs: number, key: string) =>
      world.tell('limited', { call, by: 'rateLimit', key, result, waitedMs });
    limited('waited', 250, 'tenant-1');
    limited('waited', 750, 'tenant-2');
    limited('refused', 0, 'tenant-3');
    expect(await value('rxfleet_limited_total', { limiter: 'rateLimit', result: 'waited' })).toBe(2);
    expect(await value('rxfleet_limited_total', { limiter: 'rateLimit', result: 'refused' })).toBe(1);
    expect(await value('rxfleet_limiter_wait_seconds_sum', { limiter: 'rateLimit' })).toBe(1);
    expect(await value('rxfleet_limiter_wait_seconds_count', { limiter: 'rateLimit' })).toBe(2);
  });

  it('tell which breakers are not closed, each method of a node for itself, and forget those of nodes that go', async () => {
    const { world, value } = begin();
    const change = (node: string, to: 'open' | 'halfOpen' | 'closed', method?: string) =>
      world.tell('breakerChanged', { node, method, to, reason: 'x' });
    change('a', 'open');
    change('a', 'open', '/x/One');
    change('b', 'open');
    change('b', 'halfOpen');
    expect(await value('rxfleet_breakers', { state: 'open' })).toBe(2);
    expect(await value('rxfleet_breakers', { state: 'half_open' })).toBe(1);
    change('a', 'closed', '/x/One');
    change('b', 'closed');
    change('b', 'closed');
    expect(await value('rxfleet_breakers', { state: 'open' })).toBe(1);
    expect(await value('rxfleet_breakers', { state: 'half_open' })).toBe(0);
    world.nodes(node('b'));
    expect(await value('rxfleet_breakers', { state: 'open' })).toBe(0);
    expect(await value('rxfleet_breaker_changes_total', { state: 'open' })).toBe(3);
    expect(await value('rxfleet_breaker_changes_total', { state: 'closed' })).toBe(3);
  });

  it('tell of panic, refused retries, resumed and stalled streams, and of discovery', async () => {
    const { world, value } = begin();
    const call = world.begin();
    world.tell('panicChanged', { on: true, healthy: 1, total: 4 });
    expect(await value('rxfleet_panic')).toBe(1);
    world.tell('panicChanged', { on: false, healthy: 3, total: 4 });
    expect(await value('rxfleet_panic')).toBe(0);
    world.tell('retryRefused', { call, reason: 'budget', code: 'UNAVAILABLE' });
    world.tell('resumed', { call, continuity: 'exact' });
    world.tell('stalled', { call });
    const method = { grpc_method: 'demo.Greeter/SayHello' };
    expect(await value('rxfleet_retry_refusals_total', { ...method, reason: 'budget' })).toBe(1);
    expect(await value('rxfleet_resumes_total', { ...method, continuity: 'exact' })).toBe(1);
    expect(await value('rxfleet_stalls_total', method)).toBe(1);
    world.tell('discovery', { event: { source: 'etcd', type: 'disconnected', message: 'x' } });
    expect(await value('rxfleet_discovery_events_total', { source: 'etcd', type: 'disconnected' })).toBe(1);
  });
});
