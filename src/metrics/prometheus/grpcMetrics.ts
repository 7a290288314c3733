/**
 * The metrics of gRPC clients, as Prometheus spells them: dots become underscores, units and `_total` are appended.
 *
 * gRFC A66 (attempts and calls), A96 (retries), A94 (connections), A91 (ejections), with the buckets that they
 * recommend. https://github.com/grpc/proposal, https://grpc.io/docs/guides/opentelemetry-metrics/
 */

import type { MetricSpec } from './family.js';

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
  const method = ['grpc_method', 'grpc_target'];
  const ended = [...method, 'grpc_status'];
  const target = ['grpc_target'];
  return {
    attemptStarted: {
      name: 'grpc_client_attempt_started_total',
      type: 'counter',
      help: 'Attempts that were begun on a node.',
      labels: method,
    },
    attemptDuration: {
      name: 'grpc_client_attempt_duration_seconds',
      type: 'histogram',
      help: 'From the wish for a node to the end of the attempt on it.',
      labels: ended,
      buckets: latency,
    },
    attemptSent: {
      name: 'grpc_client_attempt_sent_total_compressed_message_size_bytes',
      type: 'histogram',
      help: 'Bytes of the request messages of an attempt, as they went over the wire, without frames and metadata.',
      labels: ended,
      buckets: sizeBuckets,
    },
    attemptReceived: {
      name: 'grpc_client_attempt_rcvd_total_compressed_message_size_bytes',
      type: 'histogram',
      help: 'Bytes of the answers of an attempt, as they came over the wire, without frames and metadata.',
      labels: ended,
      buckets: sizeBuckets,
    },
    callDuration: {
      name: 'grpc_client_call_duration_seconds',
      type: 'histogram',
      help: 'From the start of a call to its end, as its user sees it, with all its attempts and waits.',
      labels: ended,
      buckets: latency,
    },
    callRetries: {
      name: 'grpc_client_call_retries',
      type: 'histogram',
      help: 'Retries of a call; of calls that had some.',
      labels: method,
      buckets: [1, 2, 3, 4, 5],
    },
    callTransparentRetries: {
      name: 'grpc_client_call_transparent_retries',
      type: 'histogram',
      help: 'Repeats of a request that never reached its node; of calls that had some.',
      labels: method,
      buckets: [1, 2, 3, 4, 5, 10],
    },
    callHedges: {
      name: 'grpc_client_call_hedges',
      type: 'histogram',
      help: 'Copies of a call sent beside a slow attempt; of calls that had some.',
      labels: method,
      buckets: [1, 2, 3, 4, 5],
    },
    callRetryDelay: {
      name: 'grpc_client_call_retry_delay_seconds',
      type: 'histogram',
      help: 'How long a call, once begun, had no attempt under way.',
      labels: method,
      buckets: latency,
    },
    disconnections: {
      name: 'grpc_subchannel_disconnections_total',
      type: 'counter',
      help: 'Connections to nodes that ended.',
      labels: target,
    },
    attemptsSucceeded: {
      name: 'grpc_subchannel_connection_attempts_succeeded_total',
      type: 'counter',
      help: 'Connections to nodes that were made.',
      labels: target,
    },
    attemptsFailed: {
      name: 'grpc_subchannel_connection_attempts_failed_total',
      type: 'counter',
      help: 'Attempts to connect to a node that failed.',
      labels: target,
    },
    openConnections: {
      name: 'grpc_subchannel_open_connections',
      type: 'gauge',
      help: 'Connections to nodes that are open.',
      labels: target,
    },
    ejectionsEnforced: {
      name: 'grpc_lb_outlier_detection_ejections_enforced_total',
      type: 'counter',
      help: 'Nodes that were taken out for their failures, by what found it.',
      labels: [...target, 'grpc_lb_outlier_detection_detection_method'],
    },
    ejectionsUnenforced: {
      name: 'grpc_lb_outlier_detection_ejections_unenforced_total',
      type: 'counter',
      help: 'Nodes that would have been taken out and were spared, by what found it and why they were.',
      labels: [...target, 'grpc_lb_outlier_detection_detection_method', 'grpc_lb_outlier_detection_unenforced_reason'],
    },
  } as const satisfies Record<string, MetricSpec>;
}
