/**
 * The metrics of gRPC clients, by their own names, with the buckets that their gRFCs recommend.
 *
 * gRFC A66 (attempts and calls), A96 (retries), A94 (connections), A91 (ejections); https://github.com/grpc/proposal,
 * https://grpc.io/docs/guides/opentelemetry-metrics/. Of A78, the metrics of `pick_first` are those of A94 by names that
 * A94 gave up, and those of `weighted_round_robin` tell of load reports, of which no event tells here.
 */

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

/** @param latency buckets of everything that is measured in seconds. */
export function grpcMetrics(latency: readonly number[] = latencyBuckets) {
  const target = { target: 'grpc.target' };
  const method = { method: 'grpc.method', ...target };
  const ended = { ...method, status: 'grpc.status' };
  const detected = { ...target, detectionMethod: 'grpc.lb.outlier_detection.detection_method' };
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
      description:
        'Bytes of the request messages of an attempt, as they went over the wire, without frames and metadata.',
      attributes: ended,
      buckets: sizeBuckets,
    },
    attemptReceived: {
      name: 'grpc.client.attempt.rcvd_total_compressed_message_size',
      kind: 'histogram',
      unit: 'By',
      description: 'Bytes of the answers of an attempt, as they came over the wire, without frames and metadata.',
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
  } as const satisfies Record<string, MetricSpec>;
}

export type GrpcMetric = keyof ReturnType<typeof grpcMetrics>;
