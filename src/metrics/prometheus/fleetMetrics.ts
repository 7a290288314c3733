/** What gRPC has no names for: the metrics of rxfleet itself. */

import { latencyBuckets } from '../grpcMetrics.js';
import type { FleetMetric } from '../fleetRecorder.js';
import type { MetricSpec } from './family.js';

/** Seconds. Coarser than those of gRPC, since there is a histogram for each node. */
const nodeBuckets: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** @param latency buckets of everything that calls wait for. */
export function fleetMetrics(latency: readonly number[] = latencyBuckets) {
  const target = ['grpc_target'];
  const method = ['grpc_method', 'grpc_target'];
  return {
    nodes: {
      name: 'rxfleet_nodes',
      type: 'gauge',
      help: 'Nodes that are known, by what keeps them from taking calls; routable: nothing does.',
      labels: [...target, 'state'],
    },
    stale: {
      name: 'rxfleet_discovery_stale_seconds',
      type: 'gauge',
      help: 'How long discovery has been cut off, so that what is known of the nodes is old; 0 while it is not.',
      labels: target,
    },
    discovery: {
      name: 'rxfleet_discovery_events_total',
      type: 'counter',
      help: 'Sources of discovery that went or came back, and entries that were passed over.',
      labels: [...target, 'source', 'type'],
    },
    panic: {
      name: 'rxfleet_panic',
      type: 'gauge',
      help: '1 while so few nodes are healthy that health is ignored, else 0.',
      labels: target,
    },
    inFlight: {
      name: 'rxfleet_calls_in_flight',
      type: 'gauge',
      help: 'Calls that run now.',
      labels: method,
    },
    firstMessage: {
      name: 'rxfleet_call_first_message_seconds',
      type: 'histogram',
      help: 'From the start of a call to its first answer; of calls that had one.',
      labels: method,
      buckets: latency,
    },
    errors: {
      name: 'rxfleet_call_errors_total',
      type: 'counter',
      help: 'Calls that failed or were given up, by the code of their FleetError.',
      labels: [...method, 'code'],
    },
    failovers: {
      name: 'rxfleet_failovers_total',
      type: 'counter',
      help: 'Further attempts of calls on another node than those that had failed them.',
      labels: method,
    },
    retryRefusals: {
      name: 'rxfleet_retry_refusals_total',
      type: 'counter',
      help: 'Failures that were not tried again, by the reason; budget: the budget for retries was used up.',
      labels: [...method, 'reason'],
    },
    resumes: {
      name: 'rxfleet_resumes_total',
      type: 'counter',
      help: 'Streams that broke amid their answers and went on elsewhere, by how well the parts fit together.',
      labels: [...method, 'continuity'],
    },
    stalls: {
      name: 'rxfleet_stalls_total',
      type: 'counter',
      help: 'Streams that fell silent for much longer than is usual.',
      labels: method,
    },
    limited: {
      name: 'rxfleet_limited_total',
      type: 'counter',
      help: 'Calls that a limiter held back or sent away.',
      labels: [...target, 'limiter', 'result'],
    },
    limiterWait: {
      name: 'rxfleet_limiter_wait_seconds',
      type: 'histogram',
      help: 'How long limiters held calls back; of calls that waited.',
      labels: [...target, 'limiter'],
      buckets: latency,
    },
    breakers: {
      name: 'rxfleet_breakers',
      type: 'gauge',
      help: 'Circuit breakers that are not closed.',
      labels: [...target, 'state'],
    },
    breakerChanges: {
      name: 'rxfleet_breaker_changes_total',
      type: 'counter',
      help: 'Changes of circuit breakers, by the state that they changed to.',
      labels: [...target, 'state'],
    },
  } as const satisfies Record<FleetMetric, MetricSpec>;
}

/** With `perNode`. */
export const nodeMetrics = {
  attempts: {
    name: 'rxfleet_node_attempts_total',
    type: 'counter',
    help: 'Attempts on a node that are over.',
    labels: ['grpc_target', 'node', 'grpc_status'],
  },
  latency: {
    name: 'rxfleet_node_latency_seconds',
    type: 'histogram',
    help: 'How long attempts on a node took that succeeded.',
    labels: ['grpc_target', 'node'],
    buckets: nodeBuckets,
  },
  inFlight: {
    name: 'rxfleet_node_attempts_in_flight',
    type: 'gauge',
    help: 'Attempts that run on a node now.',
    labels: ['grpc_target', 'node'],
  },
  routable: {
    name: 'rxfleet_node_routable',
    type: 'gauge',
    help: '1 while a node may take calls, else 0.',
    labels: ['grpc_target', 'node'],
  },
} as const satisfies Record<string, MetricSpec>;
