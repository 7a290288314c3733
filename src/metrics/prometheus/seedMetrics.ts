/**
 * The metrics of clientPool and of fyer-rpc by their own names and labels, for dashboards that exist.
 *
 * The buckets are those of both, and some below 5 ms, where clientPool has none below 100 ms.
 */

import type { MetricSpec } from './family.js';

/** Seconds: Go's default buckets, those of clientPool, and two more. */
export const seedBuckets: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10,
];

/** @param latency buckets of everything that is measured in seconds. */
export function seedMetrics(latency: readonly number[] = seedBuckets) {
  const client = ['client', 'method'];
  const response = ['service', 'method', 'instance', 'status'];
  return {
    requests: {
      name: 'middleware_requests_total',
      type: 'counter',
      help: 'Attempts that were begun, by node.',
      labels: client,
    },
    requestDuration: {
      name: 'middleware_request_duration_seconds',
      type: 'histogram',
      help: 'How long attempts took, by node.',
      labels: client,
      buckets: latency,
    },
    requestErrors: {
      name: 'middleware_request_errors_total',
      type: 'counter',
      help: 'Attempts that failed, by node.',
      labels: client,
    },
    responseTime: {
      name: 'rpc_response_time_seconds',
      type: 'histogram',
      help: 'How long attempts took, by the address of the node; those given up by their caller are left out.',
      labels: response,
      buckets: latency,
    },
    rpcRequests: {
      name: 'rpc_requests_total',
      type: 'counter',
      help: 'Attempts that are over, by the address of the node; those given up by their caller are left out.',
      labels: response,
    },
    failovers: {
      name: 'rpc_failover_total',
      type: 'counter',
      help: 'Further attempts on another node than the one that failed.',
      labels: ['service', 'from_instance', 'to_instance'],
    },
    circuitBreaks: {
      name: 'rpc_circuit_breaks_total',
      type: 'counter',
      help: 'Changes of circuit breakers, by the state that they changed to.',
      labels: ['service', 'instance', 'state'],
    },
    retries: {
      name: 'rpc_retry_total',
      type: 'counter',
      help: 'Retries, by the node that they went to and their number in the call.',
      labels: ['service', 'instance', 'attempt'],
    },
    failoverRate: {
      name: 'rpc_failover_rate',
      type: 'gauge',
      help: 'Failovers for each request, over the last five minutes.',
      labels: ['service'],
    },
  } as const satisfies Record<string, MetricSpec>;
}
