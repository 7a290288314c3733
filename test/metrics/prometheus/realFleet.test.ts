/** The metrics of real calls over real connections, read without a Prometheus. */

import { firstValueFrom, lastValueFrom, take } from 'rxjs';
import { createLumenClient } from '../../../src/lumen/index.js';
import { staticNodes, type FleetOptions } from '../../../src/index.js';
import { connectTransport } from '../../../src/transport/connect.js';
import { grpcTransport } from '../../../src/transport/grpc.js';
import { prometheusMetrics, type PrometheusMetrics } from '../../../src/metrics/prometheus.js';
import { startLumenNode } from '../../../src/testing/lumenNode.js';
import { until } from '../../support/until.js';
import { valueOf } from './scriptedFleet.js';
import { startTraffic, type Traffic } from './traffic.js';

describe('a real fleet', () => {
  let traffic: Traffic;
  let metrics: PrometheusMetrics;
  const value = (name: string, labels?: Record<string, string>) => valueOf(metrics.registry, name, labels);
  const begin = async (options: Partial<FleetOptions> = {}) => {
    await end();
    traffic = await startTraffic({ eject: [], ...options });
    for (const server of traffic.servers) server.faults({});
    metrics = prometheusMetrics(traffic.fleet);
  };
  const end = async () => {
    await traffic?.close();
    await metrics?.close();
  };
  beforeEach(() => begin());
  afterEach(end);

  it('has its open connections counted, though they were made before, and then those that break', async () => {
    expect(await value('grpc_subchannel_connection_attempts_succeeded_total')).toBe(3);
    const broken = firstValueFrom(traffic.fleet.changes$);
    traffic.servers[0]!.kill();
    await broken;
    await until('it is dialled in vain', () => traffic.fleet.nodes$.value.get('a')?.availability === 'unavailable');
    expect(await value('grpc_subchannel_disconnections_total')).toBe(1);
    expect(await value('grpc_subchannel_open_connections')).toBe(2);
    expect(await value('grpc_subchannel_connection_attempts_failed_total')).toBeGreaterThanOrEqual(1);
    expect(await value('rxfleet_nodes', { state: 'unavailable' })).toBe(1);
  });

  it('has the bytes of messages counted whatever the transport, though connect-node does not tell', async () => {
    const sizes: number[][] = [];
    for (const transport of [grpcTransport(), connectTransport()]) {
      await begin({ transport });
      await lastValueFrom(traffic.greeter.lotsOfReplies({ name: 'Ada', replies: 3, payload: new Uint8Array(1_000) }));
      const sum = (which: string) => value(`grpc_client_attempt_${which}_total_compressed_message_size_bytes_sum`);
      sizes.push([await sum('sent'), await sum('rcvd')]);
    }
    expect(sizes[0]![0]).toBeGreaterThan(1_000);
    expect(sizes[0]![1]).toBeGreaterThan(0);
    expect(sizes[1]).toEqual(sizes[0]);
  });

  it('has the bytes of calls that were given up, too: by who wants no more, and by a deadline', async () => {
    for (const transport of [grpcTransport(), connectTransport()]) {
      await begin({ transport });
      const payload = new Uint8Array(1_000);
      await lastValueFrom(traffic.greeter.lotsOfReplies({ name: 'Ada', replies: 50, payload }).pipe(take(5)));
      for (const server of traffic.servers) server.faults({ hang: true });
      const late = traffic.greeter.lotsOfReplies({ name: 'Ada', payload }, { deadlineMs: 100 });
      await expect(lastValueFrom(late)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
      const size = (which: string, labels: Record<string, string>) =>
        value(`grpc_client_attempt_${which}_total_compressed_message_size_bytes_sum`, labels);
      expect(await size('rcvd', { grpc_status: 'CANCELLED' })).toBeGreaterThan(0);
      expect(await size('sent', { grpc_status: 'CANCELLED' })).toBeGreaterThan(1_000);
      expect(await size('sent', { grpc_status: 'DEADLINE_EXCEEDED' })).toBeGreaterThan(1_000);
      const count = (metric: string) => value(`grpc_client_attempt_${metric}_count`, { grpc_status: 'CANCELLED' });
      expect(await count('rcvd_total_compressed_message_size_bytes')).toBe(await count('duration_seconds'));
    }
  });

  it('has each attempt to connect counted that fails, from the time that somebody counts', async () => {
    await begin({ transport: grpcTransport({ maxReconnectMs: 20 }) });
    traffic.servers[0]!.kill();
    const failures: string[] = [];
    traffic.fleet.events$.subscribe((event) => event.type === 'connectFailed' && failures.push(event.reason));
    await until('it was dialled in vain three times', () => failures.length >= 3);
    expect(await value('grpc_subchannel_connection_attempts_failed_total')).toBe(failures.length);
    expect(failures[0]).toMatch(/ECONNREFUSED/);
    const late = prometheusMetrics(traffic.fleet);
    expect(await valueOf(late.registry, 'grpc_subchannel_connection_attempts_failed_total')).toBe(0);
    await late.close();
  });

  it('has copies of slow calls counted, and the slow ones as given up', async () => {
    for (const server of traffic.servers) server.faults(server.name === 'b' ? {} : { hang: true });
    const options = { hedge: { delayMs: 5, maxAttempts: 3 }, failover: true };
    for (let i = 0; i < 3; i++) await firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }, options));
    const hedges = await value('grpc_client_call_hedges_sum');
    expect(hedges).toBeGreaterThan(0);
    expect(await value('grpc_client_attempt_started_total')).toBe(3 + hedges);
    expect(await value('grpc_client_attempt_duration_seconds_count', { grpc_status: 'OK' })).toBe(3);
    expect(await value('grpc_client_attempt_duration_seconds_count', { grpc_status: 'CANCELLED' })).toBe(hedges);
    expect(await value('grpc_client_call_retries_count')).toBe(0);
    expect(await value('rxfleet_failovers_total')).toBe(0);
  });

  it('has streams counted once, with the time to their first answer, and those that nobody reads to the end', async () => {
    await lastValueFrom(traffic.greeter.lotsOfReplies({ name: 'Ada', replies: 5 }));
    await firstValueFrom(traffic.greeter.lotsOfReplies({ name: 'Ada', replies: 1_000 }));
    const method = { grpc_method: 'demo.Greeter/LotsOfReplies' };
    expect(await value('grpc_client_call_duration_seconds_count', { ...method, grpc_status: 'OK' })).toBe(1);
    expect(await value('grpc_client_call_duration_seconds_count', { ...method, grpc_status: 'CANCELLED' })).toBe(1);
    expect(await value('rxfleet_call_errors_total', { ...method, code: 'CANCELLED' })).toBe(1);
    expect(await value('rxfleet_call_first_message_seconds_count', method)).toBe(2);
    expect(await value('rxfleet_calls_in_flight', method)).toBe(0);
  });

  it('has calls in flight while they are, and none once it is closed', async () => {
    for (const server of traffic.servers) server.faults({ hang: true });
    for (let i = 0; i < 4; i++) traffic.greeter.sayHello({ name: 'Ada' }).subscribe({ error: () => undefined });
    expect(await value('rxfleet_calls_in_flight')).toBe(4);
    await traffic.fleet.close({ drainMs: 0 });
    await metrics.ended;
    expect(await value('rxfleet_calls_in_flight')).toBe(0);
    expect(await value('grpc_subchannel_open_connections')).toBe(0);
    expect(await value('grpc_subchannel_disconnections_total')).toBe(3);
  });
});

describe('a Lumen client', () => {
  it('is counted through its fleet', async () => {
    const node = await startLumenNode({ name: 'hub-1' });
    const lumen = createLumenClient({ discovery: staticNodes([{ id: 'hub-1', address: node.address }]) });
    const metrics = prometheusMetrics(lumen.fleet, { perNode: true, target: 'lumen' });
    await firstValueFrom(lumen.infer({ task: 'echo', payload: 'hello' }));
    const labels = { grpc_method: 'home_native.v1.Inference/Infer', grpc_target: 'lumen', grpc_status: 'OK' };
    const found = await valueOf(metrics.registry, 'grpc_client_call_duration_seconds_count', labels);
    expect(found, await metrics.registry.metrics()).toBe(1);
    expect(await valueOf(metrics.registry, 'rxfleet_node_latency_seconds_count', { node: 'hub-1' })).toBeGreaterThan(0);
    await lumen.close({ drainMs: 0 });
    await node.close(0);
    await metrics.close();
  });
});
