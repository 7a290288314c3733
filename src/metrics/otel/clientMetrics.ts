/** What gRPC has no names for: the metrics of rxfleet itself, in the manner of OpenTelemetry's semantic conventions. */

import type { FleetMetric } from '../fleetRecorder.js';
import { latencyBuckets } from '../grpcMetrics.js';
import type { MetricSpec } from '../metricSpec.js';

const target = { target: 'grpc.target' };
const method = { method: 'grpc.method', ...target };
const limiter = { ...target, limiter: 'rxfleet.limiter.name' };

export const clientMetrics = {
  nodes: {
    name: 'rxfleet.client.nodes',
    kind: 'upDownCounter',
    unit: '{node}',
    description: 'Nodes that are known, by what keeps them from taking calls; routable: nothing does.',
    attributes: { ...target, state: 'rxfleet.node.state' },
  },
  stale: {
    name: 'rxfleet.client.discovery.staleness',
    kind: 'gauge',
    unit: 's',
    description: 'How long discovery has been cut off, so that what is known of the nodes is old; 0 while it is not.',
    attributes: target,
  },
  discovery: {
    name: 'rxfleet.client.discovery.events',
    kind: 'counter',
    unit: '{event}',
    description: 'Sources of discovery that went or came back, and entries that were passed over.',
    attributes: { ...target, source: 'rxfleet.discovery.source', type: 'rxfleet.discovery.event' },
  },
  panic: {
    name: 'rxfleet.client.panic',
    kind: 'gauge',
    unit: '1',
    description: '1 while so few nodes are healthy that health is ignored, else 0.',
    attributes: target,
  },
  inFlight: {
    name: 'rxfleet.client.call.active',
    kind: 'upDownCounter',
    unit: '{call}',
    description: 'Calls that run now.',
    attributes: method,
  },
  firstMessage: {
    name: 'rxfleet.client.call.time_to_first_message',
    kind: 'histogram',
    unit: 's',
    description: 'From the start of a call to its first answer; of calls that had one.',
    attributes: method,
    buckets: latencyBuckets,
  },
  errors: {
    name: 'rxfleet.client.call.errors',
    kind: 'counter',
    unit: '{call}',
    description: 'Calls that failed or were given up, by the code of their FleetError.',
    attributes: { ...method, code: 'error.type' },
  },
  failovers: {
    name: 'rxfleet.client.call.failovers',
    kind: 'counter',
    unit: '{failover}',
    description: 'Further attempts of calls on another node than those that had failed them.',
    attributes: method,
  },
  retryRefusals: {
    name: 'rxfleet.client.call.retry_refusals',
    kind: 'counter',
    unit: '{refusal}',
    description: 'Failures that were not tried again, by the reason; budget: the budget for retries was used up.',
    attributes: { ...method, reason: 'rxfleet.retry.refusal_reason' },
  },
  resumes: {
    name: 'rxfleet.client.call.resumes',
    kind: 'counter',
    unit: '{resume}',
    description: 'Streams that broke amid their answers and went on elsewhere, by how well the parts fit together.',
    attributes: { ...method, continuity: 'rxfleet.resume.continuity' },
  },
  stalls: {
    name: 'rxfleet.client.call.stalls',
    kind: 'counter',
    unit: '{stall}',
    description: 'Streams that fell silent for much longer than is usual.',
    attributes: method,
  },
  limited: {
    name: 'rxfleet.client.limiter.calls',
    kind: 'counter',
    unit: '{call}',
    description: 'Calls that a limiter held back or sent away.',
    attributes: { ...limiter, result: 'rxfleet.limiter.result' },
  },
  limiterWait: {
    name: 'rxfleet.client.limiter.wait_duration',
    kind: 'histogram',
    unit: 's',
    description: 'How long limiters held calls back; of calls that waited.',
    attributes: limiter,
    buckets: latencyBuckets,
  },
  breakers: {
    name: 'rxfleet.client.breakers',
    kind: 'upDownCounter',
    unit: '{breaker}',
    description: 'Circuit breakers that are not closed.',
    attributes: { ...target, state: 'rxfleet.breaker.state' },
  },
  breakerChanges: {
    name: 'rxfleet.client.breaker.transitions',
    kind: 'counter',
    unit: '{transition}',
    description: 'Changes of circuit breakers, by the state that they changed to.',
    attributes: { ...target, state: 'rxfleet.breaker.state' },
  },
} as const satisfies Record<FleetMetric, MetricSpec>;
