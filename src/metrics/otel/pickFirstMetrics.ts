/**
 * Connections by the names of gRFC A78, which A94 has replaced by `grpc.subchannel.…`: for dashboards that were made before.
 *
 * In gRPC the endpoint of any policy is connected by a `pick_first` of its own (gRFC A61), so they count whatever the
 * balancer is.
 */

import type { MetricSpec } from '../metricSpec.js';

const attributes = { target: 'grpc.target' };

export const pickFirstMetrics = {
  made: {
    name: 'grpc.lb.pick_first.connection_attempts_succeeded',
    kind: 'counter',
    unit: '{attempt}',
    description: 'Connections to nodes that were made.',
    attributes,
  },
  failed: {
    name: 'grpc.lb.pick_first.connection_attempts_failed',
    kind: 'counter',
    unit: '{attempt}',
    description: 'Attempts to connect to a node that failed.',
    attributes,
  },
  ended: {
    name: 'grpc.lb.pick_first.disconnections',
    kind: 'counter',
    unit: '{disconnection}',
    description: 'Connections to nodes that ended.',
    attributes,
  },
} as const satisfies Record<string, MetricSpec>;
