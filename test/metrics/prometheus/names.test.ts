/** The names, labels and buckets, written down a second time: gRPC's by its gRFCs, the seeds' by their sources. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { prometheusMetrics } from '../../../src/metrics/prometheus.js';
import { root } from '../../support/source.js';
import { node, scriptedFleet, written, type ScriptedFleet } from './scriptedFleet.js';

const latency =
  '0 0.00001 0.00005 0.0001 0.0003 0.0006 0.0008 0.001 0.002 0.003 0.004 0.005 0.006 0.008 0.01 0.013 0.016 0.02 0.025 0.03 0.04 0.05 0.065 0.08 0.1 0.13 0.16 0.2 0.25 0.3 0.4 0.5 0.65 0.8 1 2 5 10 20 50 100';
const size = '0 1024 2048 4096 16384 65536 262144 1048576 4194304 16777216 67108864 268435456 1073741824 4294967296';

const weights = '0 1 2 5 10 20 50 100 200 500 1000 2000 5000 10000 20000 50000 100000';

/** Dots to underscores, then the unit, then `_total` for counters, as exporters of OpenTelemetry do it. */
const spelled = (name: string, type: string, unit: string) =>
  [
    name.replaceAll('.', '_'),
    ...(unit === 's' ? ['seconds'] : unit === 'By' ? ['bytes'] : []),
    ...(type === 'counter' ? ['total'] : []),
  ].join('_');

/** gRFC, name, type, unit, labels, buckets. */
const grpc = [
  ['A66', 'grpc.client.attempt.started', 'counter', '{attempt}', 'grpc.method grpc.target'],
  ['A66', 'grpc.client.attempt.duration', 'histogram', 's', 'grpc.method grpc.target grpc.status', latency],
  [
    'A66',
    'grpc.client.attempt.sent_total_compressed_message_size',
    'histogram',
    'By',
    'grpc.method grpc.target grpc.status',
    size,
  ],
  [
    'A66',
    'grpc.client.attempt.rcvd_total_compressed_message_size',
    'histogram',
    'By',
    'grpc.method grpc.target grpc.status',
    size,
  ],
  ['A66', 'grpc.client.call.duration', 'histogram', 's', 'grpc.method grpc.target grpc.status', latency],
  ['A96', 'grpc.client.call.retries', 'histogram', '{retry}', 'grpc.method grpc.target', '1 2 3 4 5'],
  [
    'A96',
    'grpc.client.call.transparent_retries',
    'histogram',
    '{transparent_retry}',
    'grpc.method grpc.target',
    '1 2 3 4 5 10',
  ],
  ['A96', 'grpc.client.call.hedges', 'histogram', '{hedge}', 'grpc.method grpc.target', '1 2 3 4 5'],
  ['A96', 'grpc.client.call.retry_delay', 'histogram', 's', 'grpc.method grpc.target', latency],
  ['A94', 'grpc.subchannel.disconnections', 'counter', '{disconnection}', 'grpc.target'],
  ['A94', 'grpc.subchannel.connection_attempts_succeeded', 'counter', '{attempt}', 'grpc.target'],
  ['A94', 'grpc.subchannel.connection_attempts_failed', 'counter', '{attempt}', 'grpc.target'],
  ['A94', 'grpc.subchannel.open_connections', 'gauge', '{connection}', 'grpc.target'],
  [
    'A91',
    'grpc.lb.outlier_detection.ejections_enforced',
    'counter',
    '{ejection}',
    'grpc.target grpc.lb.outlier_detection.detection_method',
  ],
  [
    'A91',
    'grpc.lb.outlier_detection.ejections_unenforced',
    'counter',
    '{ejection}',
    'grpc.target grpc.lb.outlier_detection.detection_method grpc.lb.outlier_detection.unenforced_reason',
  ],
  ['A78', 'grpc.lb.wrr.rr_fallback', 'counter', '{update}', 'grpc.target'],
  ['A78', 'grpc.lb.wrr.endpoint_weight_not_yet_usable', 'counter', '{endpoint}', 'grpc.target'],
  ['A78', 'grpc.lb.wrr.endpoint_weight_stale', 'counter', '{endpoint}', 'grpc.target'],
  ['A78', 'grpc.lb.wrr.endpoint_weights', 'histogram', '{weight}', 'grpc.target', weights],
  ['A78', 'grpc.xds_client.connected', 'gauge', '{bool}', 'grpc.target grpc.xds.server'],
  ['A78', 'grpc.xds_client.server_failure', 'counter', '{failure}', 'grpc.target grpc.xds.server'],
  [
    'A78',
    'grpc.xds_client.resource_updates_valid',
    'counter',
    '{resource}',
    'grpc.target grpc.xds.server grpc.xds.resource_type',
  ],
  [
    'A78',
    'grpc.xds_client.resource_updates_invalid',
    'counter',
    '{resource}',
    'grpc.target grpc.xds.server grpc.xds.resource_type',
  ],
  [
    'A78',
    'grpc.xds_client.resources',
    'gauge',
    '{resource}',
    'grpc.target grpc.xds.authority grpc.xds.cache_state grpc.xds.resource_type',
  ],
] as const;

/** Name, type, labels, buckets. */
const ours = [
  ['rxfleet_nodes', 'gauge', 'grpc_target state'],
  ['rxfleet_discovery_stale_seconds', 'gauge', 'grpc_target'],
  ['rxfleet_discovery_events_total', 'counter', 'grpc_target source type'],
  ['rxfleet_panic', 'gauge', 'grpc_target'],
  ['rxfleet_calls_in_flight', 'gauge', 'grpc_method grpc_target'],
  ['rxfleet_call_first_message_seconds', 'histogram', 'grpc_method grpc_target', latency],
  ['rxfleet_call_errors_total', 'counter', 'grpc_method grpc_target code'],
  ['rxfleet_failovers_total', 'counter', 'grpc_method grpc_target'],
  ['rxfleet_retry_refusals_total', 'counter', 'grpc_method grpc_target reason'],
  ['rxfleet_resumes_total', 'counter', 'grpc_method grpc_target continuity'],
  ['rxfleet_stalls_total', 'counter', 'grpc_method grpc_target'],
  ['rxfleet_limited_total', 'counter', 'grpc_target limiter result'],
  ['rxfleet_limiter_wait_seconds', 'histogram', 'grpc_target limiter', latency],
  ['rxfleet_breakers', 'gauge', 'grpc_target state'],
  ['rxfleet_breaker_changes_total', 'counter', 'grpc_target state'],
] as const;

const nodeLatency = '0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10';
const perNode = [
  ['rxfleet_node_attempts_total', 'counter', 'grpc_target node grpc_status'],
  ['rxfleet_node_latency_seconds', 'histogram', 'grpc_target node', nodeLatency],
  ['rxfleet_node_attempts_in_flight', 'gauge', 'grpc_target node'],
  ['rxfleet_node_routable', 'gauge', 'grpc_target node'],
] as const;

const seedLatency = '0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.2 0.25 0.5 1 2 2.5 5 10';
const seeds = [
  // clientPool
  ['middleware_requests_total', 'counter', 'client method'],
  ['middleware_request_duration_seconds', 'histogram', 'client method', seedLatency],
  ['middleware_request_errors_total', 'counter', 'client method'],
  // fyer-rpc
  ['rpc_response_time_seconds', 'histogram', 'service method instance status', seedLatency],
  ['rpc_requests_total', 'counter', 'service method instance status'],
  ['rpc_failover_total', 'counter', 'service from_instance to_instance'],
  ['rpc_circuit_breaks_total', 'counter', 'service instance state'],
  ['rpc_retry_total', 'counter', 'service instance attempt'],
  ['rpc_failover_rate', 'gauge', 'service'],
] as const;

type Row = readonly [name: string, type: string, labels: string, buckets?: string];

const grpcRows: readonly Row[] = grpc.map(([, name, type, unit, labels, buckets]) => [
  spelled(name, type, unit),
  type,
  labels.replaceAll('.', '_'),
  buckets,
]);

/** One of everything happens. */
function everything(scripted: ScriptedFleet): void {
  const [a, b] = [node('a'), node('b')];
  scripted.nodes(a, b);
  scripted.tell('connectionChanged', { node: 'a', from: 'CONNECTING', to: 'READY' });
  const call = scripted.begin();
  scripted.attempt(call, a);
  const failed = { status: 'failed', code: 'UNAVAILABLE', blame: 'network', latencyMs: 2 } as const;
  scripted.attemptEnds(call, a, failed, { sentBytes: 1, receivedBytes: 1 });
  scripted.tell('retryScheduled', { call, attempt: 2, reason: 'retry', delayMs: 5 });
  scripted.tell('retryScheduled', { call, attempt: 2, reason: 'transparent', delayMs: 0 });
  scripted.attempt(call, b, { attempt: 2, reason: 'retry' });
  scripted.attempt(call, a, { attempt: 3, reason: 'hedge' });
  scripted.attemptEnds(call, b, { status: 'ok', latencyMs: 2 }, { attempt: 2, sentBytes: 1, receivedBytes: 1 });
  scripted.tell('resumed', { call, continuity: 'text' });
  scripted.tell('stalled', { call, node: b });
  scripted.tell('limited', { call, by: 'rateLimit', key: '', result: 'waited', waitedMs: 3 });
  scripted.tell('retryRefused', { call, reason: 'budget', code: 'UNAVAILABLE' });
  scripted.end(call, { code: 'UNAVAILABLE', firstMessageMs: 1 });
  scripted.tell('breakerChanged', { node: 'a', from: 'closed', to: 'open' });
  scripted.tell('ejected', { node: a, by: 'x', method: 'success_rate', reason: 'x', enforced: true });
  const spared = { enforced: false, unenforcedReason: 'max_ejection_overflow' } as const;
  scripted.tell('ejected', { node: a, by: 'x', method: 'success_rate', reason: 'x', ...spared });
  scripted.tell('discovery', { event: { source: 'static', type: 'skipped', message: '' } });
  const resourceType = 'envoy.config.listener.v3.Listener';
  const resource = { resourceType, authority: '#old', cacheState: 'acked', count: 3 } as const;
  const servers = [{ server: 'x:1', connected: true }];
  scripted.tell('loadWeightsUpdated', { weights: [{ node: a, state: 'usable', weight: 7 }], plain: true });
  scripted.tell('xds', { event: { type: 'state', client: 1, servers, resources: [resource] } });
  scripted.tell('xds', { event: { type: 'update', client: 1, server: 'x:1', resourceType, valid: 2, invalid: 1 } });
}

/** What a registry holds after that, as rows. */
async function rowsOf(options: Parameters<typeof prometheusMetrics>[1]): Promise<readonly Row[]> {
  const scripted = scriptedFleet();
  const { registry, close } = prometheusMetrics(scripted.fleet, options);
  everything(scripted);
  const types = [...(await registry.metrics()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
    ([, name, type]) => [name!, type!] as const,
  );
  const series = [...(await written(registry)).keys()];
  await close();
  return types.map(([name, type]) => {
    const member = type === 'histogram' ? `${name}_bucket` : name;
    const own = series.filter((line) => line.startsWith(`${member}{`));
    const pairs = own.flatMap((line) =>
      /\{(.*)\}/
        .exec(line)![1]!
        .split(',')
        .map((pair) => pair.split('=') as [string, string]),
    );
    const labels = new Set(pairs.map(([label]) => label));
    const bounds = new Set(
      pairs.filter(([label, bound]) => label === 'le' && bound !== '+Inf').map(([, bound]) => bound),
    );
    labels.delete('le');
    return [
      name,
      type,
      [...labels].sort().join(' '),
      [...bounds].sort((x, y) => Number(x) - Number(y)).join(' ') || undefined,
    ];
  });
}

const sorted = (rows: readonly Row[]) =>
  rows
    .map(([name, type, labels, buckets]) => [name, type, labels.split(' ').sort().join(' '), buckets] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));

describe('the names of the metrics', () => {
  it('are those of gRPC with their labels and buckets, and ours for what gRPC has none for', async () => {
    expect(sorted(await rowsOf({}))).toEqual(sorted([...grpcRows, ...ours]));
  });

  it('have those of single nodes only for those who ask', async () => {
    expect(sorted(await rowsOf({ perNode: true }))).toEqual(sorted([...grpcRows, ...ours, ...perNode]));
  });

  it('are those of clientPool and fyer-rpc where they are wanted, alone or beside the others', async () => {
    expect(sorted(await rowsOf({ preset: 'seeds' }))).toEqual(sorted(seeds));
    expect(sorted(await rowsOf({ preset: ['grpc', 'seeds'] }))).toEqual(sorted([...grpcRows, ...ours, ...seeds]));
  });

  it('have the prefix, labels and buckets that a user gives', async () => {
    const [started, duration] = await rowsOf({ prefix: 'edge_', labels: { region: 'eu' }, buckets: [0.1, 1] });
    expect(started).toEqual([
      'edge_grpc_client_attempt_started_total',
      'counter',
      'grpc_method grpc_target region',
      undefined,
    ]);
    expect(duration![3]).toBe('0.1 1');
  });

  it('have the optional labels of gRPC where they are asked for', async () => {
    const rows = await rowsOf({ optionalLabels: ['grpc.lb.locality', 'grpc.lb.backend_service'] });
    const labels = rows.find(([name]) => name === 'grpc_client_attempt_duration_seconds')![2];
    expect(labels).toBe('grpc_lb_backend_service grpc_lb_locality grpc_method grpc_status grpc_target');
  });

  it('stand in the docs of prometheusMetrics, every one of them and no other', async () => {
    const source = readFileSync(join(root, 'src/metrics/prometheus/prometheusMetrics.ts'), 'utf8');
    const labels = /_(?:method|status|target|reason|error)$|^grpc_xds_(?!client_)/;
    const inDocs = [...source.matchAll(/`((?:grpc|rxfleet|middleware|rpc)_\w+)`/g)].map(([, name]) => name!);
    const documented = new Set(inDocs.filter((name) => !labels.test(name)));
    const names = (await rowsOf({ preset: ['grpc', 'seeds'], perNode: true })).map(([name]) => name);
    expect([...documented].sort()).toEqual([...names].sort());
  });

  it('are explained, each in a sentence', async () => {
    const { registry, close } = prometheusMetrics(scriptedFleet().fleet, { preset: ['grpc', 'seeds'], perNode: true });
    const helps = [...(await registry.metrics()).matchAll(/^# HELP \S+ (.*)$/gm)].map(([, help]) => help);
    expect(helps).toHaveLength(grpc.length + ours.length + perNode.length + seeds.length);
    for (const help of helps) expect(help).toMatch(/^[A-Z0-9].*\.$/);
    await close();
  });
});
