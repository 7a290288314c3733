/**
 * What happens in a fleet or pool, as metrics of Prometheus.
 *
 * They are made of `events$`, and steer nothing. Everybody who runs gRPC looks at the same names (gRFCs A66, A94, A96,
 * A91, A78), for which there is nothing in Node otherwise; what gRPC has no names for is called `rxfleet_…`. What counts is
 * an addition to a series that is held on to (`series.ts`): a third of a microsecond a call, beside what it costs to
 * tell the events. Do not use `perNode`, nor the seeds' names, where nodes come and go by the hundred: each has series
 * of its own, which Prometheus keeps long after we have forgotten them.
 */

import { Subscription } from 'rxjs';
import type { LiveNodes } from '../../client/engineOptions.js';
import { NodeSet } from '../../core/nodeSet.js';
import { CallRecorder } from '../callRecorder.js';
import { ConnectionRecorder } from '../connectionRecorder.js';
import { EjectionRecorder } from '../ejectionRecorder.js';
import { FleetRecorder } from '../fleetRecorder.js';
import { followNodes } from '../followNodes.js';
import { connectionMetrics, grpcMetrics } from '../grpcMetrics.js';
import { LoadWeightRecorder } from '../loadWeightRecorder.js';
import { metricsOf } from '../metric.js';
import { NodeAttributes } from '../nodeAttributes.js';
import { dispatch, type Recorder } from '../recorder.js';
import { XdsRecorder } from '../xdsRecorder.js';
import { ClientPoolRecorder } from './clientPoolRecorder.js';
import { fleetMetrics } from './fleetMetrics.js';
import { FyerRecorder } from './fyerRecorder.js';
import { MetricScope } from './metricScope.js';
import { NodeRecorder } from './nodeRecorder.js';
import {
  resolvePrometheusMetricsOptions,
  type PrometheusMetricsOptions,
  type ResolvedPrometheusMetricsOptions,
} from './prometheusMetricsOptions.js';
import type { AnyRegistry } from './registry.js';
import { seedMetrics } from './seedMetrics.js';
import { sharedMetric, spelled } from './sharedMetric.js';

/** See `prometheusMetrics`. */
export interface PrometheusMetrics {
  /** Where the metrics are: `await metrics.registry.metrics()` is their text. */
  readonly registry: AnyRegistry;
  /** Resolves when there is nothing more to count: the client has closed, or `close()` was called. */
  readonly ended: Promise<void>;
  /** Stops counting, and takes the metrics out of the registry. May be called twice. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Counts what happens in a fleet or a pool, until `close()`. Its figures stay readable after the client has closed.
 *
 * ```ts
 * const metrics = prometheusMetrics(fleet);
 * await metrics.registry.metrics();     // or servePrometheus(fleet), or pushPrometheus(fleet, …)
 * ```
 *
 * By default the metrics of gRPC, as Prometheus spells them. All have the label `grpc_target`; M: `grpc_method` (as
 * `demo.Greeter/SayHello`), S: `grpc_status` (gRPC's names; the client's own codes as the nearest of them).
 *
 * | metric | type | labels | unit, buckets |
 * |---|---|---|---|
 * | `grpc_client_attempt_started_total` | counter | M | |
 * | `grpc_client_attempt_duration_seconds` | histogram | M S | s, latency |
 * | `grpc_client_attempt_sent_total_compressed_message_size_bytes` | histogram | M S | bytes, size |
 * | `grpc_client_attempt_rcvd_total_compressed_message_size_bytes` | histogram | M S | bytes, size |
 * | `grpc_client_call_duration_seconds` | histogram | M S | s, latency |
 * | `grpc_client_call_retries`, `grpc_client_call_hedges` | histogram | M | 1 2 3 4 5 |
 * | `grpc_client_call_transparent_retries` | histogram | M | 1 2 3 4 5 10 |
 * | `grpc_client_call_retry_delay_seconds` | histogram | M | s, latency |
 * | `grpc_subchannel_connection_attempts_succeeded_total` | counter | | |
 * | `grpc_subchannel_connection_attempts_failed_total` | counter | | |
 * | `grpc_subchannel_disconnections_total` | counter | | |
 * | `grpc_subchannel_open_connections` | gauge | | |
 * | `grpc_lb_outlier_detection_ejections_enforced_total` | counter | D | |
 * | `grpc_lb_outlier_detection_ejections_unenforced_total` | counter | D R | |
 * | `grpc_lb_wrr_rr_fallback_total` | counter | | |
 * | `grpc_lb_wrr_endpoint_weight_not_yet_usable_total` | counter | | |
 * | `grpc_lb_wrr_endpoint_weight_stale_total` | counter | | |
 * | `grpc_lb_wrr_endpoint_weights` | histogram | | requests a second, 0 to 100,000 |
 * | `grpc_xds_client_connected` | gauge | X | |
 * | `grpc_xds_client_server_failure_total` | counter | X | |
 * | `grpc_xds_client_resource_updates_valid_total` | counter | X T | |
 * | `grpc_xds_client_resource_updates_invalid_total` | counter | X T | |
 * | `grpc_xds_client_resources` | gauge | A C T | |
 *
 * D: `grpc_lb_outlier_detection_detection_method`, R: `grpc_lb_outlier_detection_unenforced_reason`, X:
 * `grpc_xds_server`, T: `grpc_xds_resource_type`, A: `grpc_xds_authority`, C: `grpc_xds_cache_state`. Those of `wrr` have
 * series where the balancer is `weightedRoundRobin` by load reports, those of `xds_client` with the discovery `xds`. Sizes are
 * before compression; over connect-node they are measured by encoding once more. With the optional label
 * `grpc_disconnect_error` disconnections say why, in the words of A94: over grpc-js, which does not tell, whether it was this
 * side, or `unknown`.
 *
 * And for what gRPC has no names for: `rxfleet_nodes` by `state`, `rxfleet_calls_in_flight`,
 * `rxfleet_call_first_message_seconds` (the time to the first token), `rxfleet_call_errors_total` by `code`,
 * `rxfleet_failovers_total`, `rxfleet_retry_refusals_total` by `reason`, `rxfleet_resumes_total`,
 * `rxfleet_stalls_total`, `rxfleet_limited_total` and `rxfleet_limiter_wait_seconds` by `limiter`, `rxfleet_breakers`
 * and `rxfleet_breaker_changes_total` by `state`, `rxfleet_panic`, `rxfleet_discovery_stale_seconds`,
 * `rxfleet_discovery_events_total`. With `perNode`, by `node`: `rxfleet_node_attempts_total`,
 * `rxfleet_node_latency_seconds`, `rxfleet_node_attempts_in_flight`, `rxfleet_node_routable`.
 *
 * With `preset: 'seeds'` those of clientPool, by `client` (the id of the node) and `method`:
 * `middleware_requests_total`, `middleware_request_duration_seconds`, `middleware_request_errors_total`; and of
 * fyer-rpc, by the address of the node: `rpc_response_time_seconds`, `rpc_requests_total`, `rpc_failover_total`,
 * `rpc_circuit_breaks_total`, `rpc_retry_total`, `rpc_failover_rate`. They have series for each node;
 * `rpc_failover_total` for each pair of them between which a call went over.
 *
 * Series of nodes go with their nodes. Methods past `maxMethods` are counted as `other`. Several clients may share a
 * registry when their targets or labels differ. Begin together with the client: what was before is not counted, but for
 * calls in flight and open connections.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option, or a registry that has other metrics of these names, or
 *   counts of a client that could not be told from this one.
 */
export function prometheusMetrics(fleet: LiveNodes, options: PrometheusMetricsOptions = {}): PrometheusMetrics {
  const resolved = resolvePrometheusMetricsOptions(options, fleet.service);
  const { registry } = resolved;
  const scopes: MetricScope[] = [];
  let end = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const life = new Subscription(() => {
    for (const scope of scopes) scope.close();
    end();
  });
  let nodes = NodeSet.empty;
  try {
    const recorders = recordersOf(fleet, resolved, () => nodes, scopes);
    const follow = followNodes(recorders, (set) => (nodes = set));
    // A discovery that can never work is news for those who call; the last nodes stay as they are.
    life.add(fleet.nodes$.subscribe({ next: follow, error: () => undefined }));
    life.add(
      fleet.events$.subscribe({
        next: dispatch(recorders),
        complete: () => {
          for (const recorder of recorders) recorder.ended?.(true);
          end();
        },
      }),
    );
  } catch (error) {
    life.unsubscribe();
    throw error;
  }
  const close = async () => life.unsubscribe();
  return { registry, ended, close, [Symbol.asyncDispose]: close };
}

function recordersOf(
  fleet: LiveNodes,
  options: ResolvedPrometheusMetricsOptions,
  nodes: () => NodeSet,
  scopes: MetricScope[],
): readonly Recorder[] {
  const { registry, presets, prefix, labels, buckets, perNode, maxMethods, scheduler, target } = options;
  const now = () => scheduler.now();
  const recorders: Recorder[] = [];
  if (presets.has('grpc')) {
    const scope = new MetricScope(registry, { prefix, labels, always: { grpc_target: target } });
    scopes.push(scope);
    const grpc = metricsOf(grpcMetrics(buckets), (spec) => sharedMetric(scope, spelled(spec)));
    const ours = metricsOf(fleetMetrics(buckets), (spec) => sharedMetric(scope, spec));
    const { disconnectErrors } = options;
    const nodeAttributes = new NodeAttributes(options.nodeAttributes);
    const nodeOf = (id: string) => nodes().get(id);
    const inFlight = Object.fromEntries(
      Object.entries(fleet.snapshot().methods).map(([name, figures]) => [name, figures.inFlight]),
    );
    recorders.push(
      new CallRecorder(grpc, nodeAttributes, maxMethods),
      new ConnectionRecorder(connectionMetrics(grpc), { nodeAttributes, nodeOf, disconnectErrors }),
      new EjectionRecorder(grpc, nodeAttributes),
      new LoadWeightRecorder(grpc, nodeAttributes),
      new XdsRecorder(grpc),
      new FleetRecorder(ours, { nodes, now, inFlight }, maxMethods),
    );
    if (perNode) recorders.push(new NodeRecorder(scope, nodes));
  }
  if (presets.has('seeds')) {
    const scope = new MetricScope(registry, { prefix, labels });
    scopes.push(scope);
    const specs = seedMetrics(buckets);
    recorders.push(
      new ClientPoolRecorder(scope, specs, nodes, maxMethods),
      new FyerRecorder(scope, specs, { nodes, now, service: target }, maxMethods),
    );
  }
  return recorders;
}
