/** How metrics that others export, too, are spelled for Prometheus. */

import type { Attributes, Metric } from '../metric.js';
import type { MetricSpec as SharedSpec } from '../metricSpec.js';
import type { MetricSpec } from './family.js';
import type { MetricScope } from './metricScope.js';
import type { Labels } from './series.js';

/** Words of the recorders that are called otherwise here. */
const labelNames: Readonly<Record<string, string>> = {
  method: 'grpc_method',
  status: 'grpc_status',
  locality: 'grpc_lb_locality',
  backendService: 'grpc_lb_backend_service',
  disconnectError: 'grpc_disconnect_error',
  detectionMethod: 'grpc_lb_outlier_detection_detection_method',
  unenforcedReason: 'grpc_lb_outlier_detection_unenforced_reason',
  xdsServer: 'grpc_xds_server',
  xdsAuthority: 'grpc_xds_authority',
  xdsCacheState: 'grpc_xds_cache_state',
  xdsResourceType: 'grpc_xds_resource_type',
};

const units: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' };

/** As the exporters of OpenTelemetry spell it: dots become underscores, the unit and `_total` are appended. */
export function spelled({ name, kind, unit, description, attributes, buckets }: SharedSpec): MetricSpec {
  return {
    name: underscored(name) + (units[unit] ?? '') + (kind === 'counter' ? '_total' : ''),
    type: kind === 'upDownCounter' ? 'gauge' : kind,
    help: description,
    labels: Object.values(attributes).map(underscored),
    buckets,
  };
}

/** A metric of a scope, for recorders that speak in their own words. */
export function sharedMetric(scope: MetricScope, spec: MetricSpec): Metric {
  const metric = scope.metric(spec);
  return {
    sum: (attributes) => metric.scalar(attributes && labelsOf(attributes)),
    distribution: (attributes) => metric.histogram(attributes && labelsOf(attributes)),
    reading: (read) => metric.reading((add) => read((attributes, value) => add(labelsOf(attributes), value))),
  };
}

function labelsOf(attributes: Attributes): Labels {
  return Object.fromEntries(Object.entries(attributes).map(([word, value]) => [labelNames[word] ?? word, value]));
}

function underscored(name: string): string {
  return name.replaceAll('.', '_');
}
