/** What a collector of metrics may be told, and what it takes for granted. */

import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { requireOption } from '../../core/requireOption.js';
import type { NodeAttribute } from '../nodeAttributes.js';
import { isOpenMetrics, Registry, type AnyRegistry } from './registry.js';
import type { Labels } from './series.js';

/**
 * `grpc`: the names of gRPC, and `rxfleet_…` for what gRPC has none for. `seeds`: the names of clientPool and fyer-rpc.
 */
export type MetricPreset = 'grpc' | 'seeds';

/** A label that gRPC leaves out unless it is asked for. */
export type OptionalLabel = 'grpc.lb.locality' | 'grpc.lb.backend_service' | 'grpc.disconnect_error';

const optionalLabels: Readonly<Record<OptionalLabel, NodeAttribute | undefined>> = {
  'grpc.lb.locality': 'locality',
  'grpc.lb.backend_service': 'backendService',
  // Of disconnections.
  'grpc.disconnect_error': undefined,
};

/** See `prometheusMetrics`. */
export interface PrometheusMetricsOptions {
  /**
   * Where the metrics go. Default: a registry of their own; the global one of prom-client is not touched unless it is
   * given.
   */
  readonly registry?: AnyRegistry;
  /** By which names. Default `grpc`. */
  readonly preset?: MetricPreset | readonly MetricPreset[];
  /** What `grpc_target` says, by which several clients are told apart (gRFC A66). Default: the service of the fleet. */
  readonly target?: string;
  /** Before each name, such as `edge_`. Default none. */
  readonly prefix?: string;
  /** On each series, such as `{ region: 'eu-1' }`. Default none. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * The upper bounds of the buckets of what calls wait for, in seconds, in order. Default: those of gRFC A66, 41 from 0
   * to 100 s; with the seeds' names 15 from 1 ms to 10 s. Each method has a series for each of them, times the ways in
   * which its calls end.
   */
  readonly buckets?: readonly number[];
  /**
   * Also the attempts, latency and load of each node, as `rxfleet_node_…`, for those who want to see single nodes, and
   * for `promqlLatencies`. Costs some 20 series a node: with 10,000 of them, a scrape takes a second. Default false.
   */
  readonly perNode?: boolean;
  /** Labels that gRPC leaves out unless they are asked for. Default none. */
  readonly optionalLabels?: readonly OptionalLabel[];
  /** Methods that have series of their own; the rest share the name `other`. Default 1,000. */
  readonly maxMethods?: number;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

export interface ResolvedPrometheusMetricsOptions {
  readonly registry: AnyRegistry;
  readonly presets: ReadonlySet<MetricPreset>;
  readonly target: string;
  readonly prefix: string;
  readonly labels: Labels;
  readonly buckets: readonly number[] | undefined;
  readonly perNode: boolean;
  readonly nodeAttributes: readonly NodeAttribute[];
  readonly disconnectErrors: boolean;
  readonly maxMethods: number;
  readonly scheduler: SchedulerLike;
}

/** @throws FleetError `INVALID_OPTION`, naming the option. */
export function resolvePrometheusMetricsOptions(
  options: PrometheusMetricsOptions,
  service: string,
): ResolvedPrometheusMetricsOptions {
  const {
    registry = new Registry(),
    preset = 'grpc',
    target = service,
    prefix = '',
    labels = {},
    buckets,
    perNode = false,
    optionalLabels: wanted = [],
    maxMethods = 1_000,
    scheduler = asyncScheduler,
  } = options;
  const presets = new Set<MetricPreset>(typeof preset === 'string' ? [preset] : preset);
  const known = [...presets].every((each) => each === 'grpc' || each === 'seeds');
  requireOption(known && presets.size > 0, 'preset', 'grpc, seeds or a list of them', preset);
  requireOption(typeof registry?.registerMetric === 'function', 'registry', 'a Registry of prom-client', registry);
  requireOption(
    !isOpenMetrics(registry),
    'registry',
    'one of the text format: servePrometheus() makes OpenMetrics of it',
    registry.contentType,
  );
  requireOption(typeof target === 'string', 'target', 'a text', target);
  requireOption(/^(?:[a-zA-Z_:][\w:]*)?$/.test(prefix), 'prefix', 'letters, digits, _ and :, no digit first', prefix);
  for (const [name, value] of Object.entries(labels)) {
    requireOption(/^[a-zA-Z_]\w*$/.test(name), 'labels', 'named by letters, digits and _, no digit first', name);
    requireOption(!name.startsWith('__'), 'labels', 'without __ in front, which Prometheus keeps for itself', name);
    requireOption(typeof value === 'string', `labels.${name}`, 'a text', value);
  }
  if (buckets) {
    const rising = buckets.every((bound, i) => Number.isFinite(bound) && (i === 0 || bound > buckets[i - 1]!));
    requireOption(rising && buckets.length > 0, 'buckets', 'numbers in rising order, in seconds', buckets);
  }
  for (const label of wanted) {
    const some = `some of ${Object.keys(optionalLabels).join(', ')}`;
    requireOption(Object.hasOwn(optionalLabels, label), 'optionalLabels', some, label);
  }
  const nodeAttributes = wanted.flatMap((label) => optionalLabels[label] ?? []);
  const disconnectErrors = wanted.includes('grpc.disconnect_error');
  const grpc = presets.has('grpc');
  requireOption(
    grpc || !perNode,
    'perNode',
    'left out with the seeds alone, whose metrics are by node anyway',
    perNode,
  );
  requireOption(grpc || wanted.length === 0, 'optionalLabels', 'left out with the seeds alone', wanted);
  requireOption(Number.isInteger(maxMethods) && maxMethods >= 1, 'maxMethods', 'a whole number from 1', maxMethods);
  const told = { nodeAttributes, disconnectErrors };
  return { registry, presets, target, prefix, labels, buckets, perNode, ...told, maxMethods, scheduler };
}
