/**
 * The metrics of gRPC clients, by their own names, with the buckets that their gRFCs recommend.
 *
 * gRFC A66 (attempts and calls), A96 (retries), A94 (connections), A91 (ejections), A78 (load reports, xDS);
 * https://github.com/grpc/proposal, https://grpc.io/docs/guides/opentelemetry-metrics/. The metrics of `pick_first` of A78
 * are those of A94 by names that A94 gave up.
 */

import type { ConnectionMetrics } from './connectionRecorder.js';
import type { Metric } from './metric.js';
import type { MetricSpec } from './metricSpec.js';

/** Seconds (gRFC A66). */
export const latencyBuckets: readonly number[] = [
  0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.013,
  0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 2, 5, 10,
  20, 50, 100,
];

/** Bytes (gRFC A66). */
const sizeBuckets: readonly number[] = [
  0, 1_024, 2_048, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864, 268_435_456,
  1_073_741_824, 4_294_967_296,
];

/** Requests a second that a node could bear, by what it reports; gRPC leaves the buckets to the SDK. 0: of no use. */
const weightBuckets: readonly number[] = [
  0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
];

/** @param latency buckets of everything that is measured in seconds. */
export function grpcMetrics(latency: readonly number[] = latencyBuckets) {
  const target = { target: 'grpc.target' };
  const method = { method: 'grpc.method', ...target };
  const ended = { ...method, status: 'grpc.status' };
  const detected = { ...target, detectionMethod: 'grpc.lb.outlier_detection.detection_method' };
  const xdsServer = { ...target, xdsServer: 'grpc.xds.server' };
  const xdsUpdate = { ...xdsServer, xdsResourceType: 'grpc.xds.resource_type' };
  return {
    attemptStarted: {
      name: 'grpc.client.attempt.started',
      kind: 'counter',
      unit: '{attempt}',
      description: 'Attempts that were begun on a node.',
      attributes: method,
    },
    attemptDuration: {
      name: 'grpc.client.attempt.duration',
      kind: 'histogram',
      unit: 's',
      description: 'From the wish for a node to the end of the attempt on it.',
      attributes: ended,
      buckets: latency,
    },
    attemptSent: {
      name: 'grpc.client.attempt.sent_total_compressed_message_size',
      kind: 'histogram',
      unit: 'By',
      description: 'Bytes of the request messages of an attempt, without frames and metadata, before compression.',
      attributes: ended,
      buckets: sizeBuckets,
    },
    attemptReceived: {
      name: 'grpc.client.attempt.rcvd_total_compressed_message_size',
      kind: 'histogram',
      unit: 'By',
      description: 'Bytes of the answers of an attempt, without frames and metadata, before compression.',
      attributes: ended,
      buckets: sizeBuckets,
    },
    callDuration: {
      name: 'grpc.client.call.duration',
      kind: 'histogram',
      unit: 's',
      description: 'From the start of a call to its end, as its user sees it, with all its attempts and waits.',
      attributes: ended,
      buckets: latency,
    },
    callRetries: {
      name: 'grpc.client.call.retries',
      kind: 'histogram',
      unit: '{retry}',
      description: 'Retries of a call; of calls that had some.',
      attributes: method,
      buckets: [1, 2, 3, 4, 5],
    },
    callTransparentRetries: {
      name: 'grpc.client.call.transparent_retries',
      kind: 'histogram',
      unit: '{transparent_retry}',
      description: 'Repeats of a request that never reached its node; of calls that had some.',
      attributes: method,
      buckets: [1, 2, 3, 4, 5, 10],
    },
    callHedges: {
      name: 'grpc.client.call.hedges',
      kind: 'histogram',
      unit: '{hedge}',
      description: 'Copies of a call sent beside a slow attempt; of calls that had some.',
      attributes: method,
      buckets: [1, 2, 3, 4, 5],
    },
    callRetryDelay: {
      name: 'grpc.client.call.retry_delay',
      kind: 'histogram',
      unit: 's',
      description: 'How long a call, once begun, had no attempt under way.',
      attributes: method,
      buckets: latency,
    },
    disconnections: {
      name: 'grpc.subchannel.disconnections',
      kind: 'counter',
      unit: '{disconnection}',
      description: 'Connections to nodes that ended.',
      attributes: target,
    },
    attemptsSucceeded: {
      name: 'grpc.subchannel.connection_attempts_succeeded',
      kind: 'counter',
      unit: '{attempt}',
      description: 'Connections to nodes that were made.',
      attributes: target,
    },
    attemptsFailed: {
      name: 'grpc.subchannel.connection_attempts_failed',
      kind: 'counter',
      unit: '{attempt}',
      description: 'Attempts to connect to a node that failed.',
      attributes: target,
    },
    openConnections: {
      name: 'grpc.subchannel.open_connections',
      kind: 'upDownCounter',
      unit: '{connection}',
      description: 'Connections to nodes that are open.',
      attributes: target,
    },
    ejectionsEnforced: {
      name: 'grpc.lb.outlier_detection.ejections_enforced',
      kind: 'counter',
      unit: '{ejection}',
      description: 'Nodes that were taken out for their failures, by what found it.',
      attributes: detected,
    },
    ejectionsUnenforced: {
      name: 'grpc.lb.outlier_detection.ejections_unenforced',
      kind: 'counter',
      unit: '{ejection}',
      description: 'Nodes that would have been taken out and were spared, by what found it and why they were.',
      attributes: { ...detected, unenforcedReason: 'grpc.lb.outlier_detection.unenforced_reason' },
    },
    plainTurns: {
      name: 'grpc.lb.wrr.rr_fallback',
      kind: 'counter',
      unit: '{update}',
      description: 'Looks at load reports after which nodes take plain turns, since fewer than two weights are usable.',
      attributes: target,
    },
    weightsNotYetUsable: {
      name: 'grpc.lb.wrr.endpoint_weight_not_yet_usable',
      kind: 'counter',
      unit: '{endpoint}',
      description: 'Nodes at each look at load reports that have not reported, or not for long enough.',
      attributes: target,
    },
    weightsStale: {
      name: 'grpc.lb.wrr.endpoint_weight_stale',
      kind: 'counter',
      unit: '{endpoint}',
      description: 'Nodes at each look at load reports whose last report is too old.',
      attributes: target,
    },
    weights: {
      name: 'grpc.lb.wrr.endpoint_weights',
      kind: 'histogram',
      unit: '{weight}',
      description: 'The weight of each node at each look at load reports; 0 where it is not usable.',
      attributes: target,
      buckets: weightBuckets,
    },
    xdsConnected: {
      name: 'grpc.xds_client.connected',
      kind: 'gauge',
      unit: '{bool}',
      description: '1 while a control plane of xDS can be reached and answers, else 0.',
      attributes: xdsServer,
      combine: 'least',
    },
    xdsServerFailures: {
      name: 'grpc.xds_client.server_failure',
      kind: 'counter',
      unit: '{failure}',
      description:
        'How often a control plane of xDS could not be reached any more, or ended a stream without an answer.',
      attributes: xdsServer,
    },
    xdsUpdatesValid: {
      name: 'grpc.xds_client.resource_updates_valid',
      kind: 'counter',
      unit: '{resource}',
      description: 'Resources in answers of control planes that were good, changed or not.',
      attributes: xdsUpdate,
    },
    xdsUpdatesInvalid: {
      name: 'grpc.xds_client.resource_updates_invalid',
      kind: 'counter',
      unit: '{resource}',
      description: 'Resources in answers of control planes that were refused.',
      attributes: xdsUpdate,
    },
    xdsResources: {
      name: 'grpc.xds_client.resources',
      kind: 'gauge',
      unit: '{resource}',
      description: 'Resources that are followed, by what is known of them.',
      combine: 'sum',
      attributes: {
        ...target,
        xdsAuthority: 'grpc.xds.authority',
        xdsCacheState: 'grpc.xds.cache_state',
        xdsResourceType: 'grpc.xds.resource_type',
      },
    },
  } as const satisfies Record<string, MetricSpec>;
}

export type GrpcMetric = keyof ReturnType<typeof grpcMetrics>;

/** Those of connections, in the words of who counts them. */
export function connectionMetrics(metrics: Readonly<Record<GrpcMetric, Metric>>): ConnectionMetrics {
  const { attemptsSucceeded: made, attemptsFailed: failed, disconnections: ended, openConnections: open } = metrics;
  return { made, failed, ended, open };
}
