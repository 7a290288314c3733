/**
 * The latencies of all nodes as Prometheus knows them, for the balancer `fastestResponse`.
 *
 * One client sees few calls to each node; all clients together see many, and a client that has just begun knows at once
 * who is fast. Do not use it where load moves within seconds: what Prometheus says is as old as its window.
 */

import { asyncScheduler, map, type Observable } from 'rxjs';
import { requireOption } from '../../core/requireOption.js';
import { duration, matching, promqlRounds, type PromqlConnection, type PromSample } from './promql.js';
import type { MetricPreset } from './prometheusMetricsOptions.js';
import { rememberLatencies } from './rememberLatencies.js';

export interface PromqlLatenciesOptions extends PromqlConnection {
  /**
   * Only the nodes of this service: the `grpc_target` of `prometheusMetrics`, or with the seeds' names the `service`.
   * Default: all.
   */
  readonly service?: string;
  /**
   * By whose names: `grpc`, that is `rxfleet_node_latency_seconds` of `perNode`; `seeds`, that is fyer-rpc's
   * `rpc_response_time_seconds`. Default `grpc`.
   */
  readonly preset?: MetricPreset;
  /**
   * The label that tells the node: its id, or its address as `host:port`. Default `node`, and with the seeds' names
   * `instance`.
   *
   * Prometheus has a label `instance` of its own, that of whoever it scrapes: unless it is told `honor_labels: true`,
   * ours is called `exported_instance` there.
   */
  readonly label?: string;
  /**
   * Over how long latencies are averaged, in milliseconds. At least twice the scrape interval of Prometheus. Default
   * 60,000.
   */
  readonly windowMs?: number;
  /** Before the names, as `prometheusMetrics` was told. Default none. */
  readonly prefix?: string;
  /** A query of your own in the place of all this: seconds, one value for each value of `label`. */
  readonly query?: string;
  /** How long a latency counts after Prometheus last told it, in milliseconds. Default 300,000; `Infinity` for ever. */
  readonly keepMs?: number;
}

/**
 * Milliseconds by node, once Prometheus has answered, and then with each answer: one query for all nodes. Never errors.
 *
 * ```ts
 * const latencies$ = promqlLatencies({ url: 'http://127.0.0.1:9090', service: 'thumbnails' });
 * createFleet({ service: 'thumbnails', balancer: fastestResponse({ latencies$ }), … });
 * ```
 *
 * The query is `sum by (node) (rate(…_sum[60s])) / sum by (node) (rate(…_count[60s]))`, of successes: a node that fails
 * fast must not look fast. A node that had no calls, of which that is 0/0, and every node while Prometheus is down,
 * slow or wrong, keeps the latency that it had, for `keepMs`; then it is as unknown as at first. None is ever 0 for
 * want of an answer. Where a query of your own gives several values for a node, their mean counts.
 *
 * fyer-rpc calls it `GetServiceLatency`, and `GetLatency` for one node.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option.
 */
export function promqlLatencies(options: PromqlLatenciesOptions): Observable<ReadonlyMap<string, number>> {
  const { preset = 'grpc', keepMs = 300_000, scheduler = asyncScheduler } = options;
  requireOption(preset === 'grpc' || preset === 'seeds', 'preset', 'grpc or seeds', preset);
  const { label = preset === 'grpc' ? 'node' : 'instance' } = options;
  requireOption(/^[a-zA-Z_]\w*$/.test(label), 'label', 'letters, digits and _, no digit first', label);
  requireOption(keepMs > 0, 'keepMs', 'above 0', keepMs);
  return promqlRounds({ ...options, query: options.query ?? latencyQuery(options, preset, label) }).pipe(
    map((samples) => samples && latenciesOf(samples, label)),
    rememberLatencies(keepMs, scheduler),
  );
}

function latencyQuery(options: PromqlLatenciesOptions, preset: MetricPreset, label: string): string {
  const { service, windowMs = 60_000, prefix = '' } = options;
  requireOption(windowMs >= 1 && Number.isFinite(windowMs), 'windowMs', 'at least 1', windowMs);
  const [name, matchers] =
    preset === 'grpc'
      ? ['rxfleet_node_latency_seconds', matching({ grpc_target: service })]
      : ['rpc_response_time_seconds', matching({ service, status: 'success' })];
  const rate = (part: string) => `sum by (${label}) (rate(${prefix}${name}_${part}${matchers}[${duration(windowMs)}]))`;
  return `${rate('sum')} / ${rate('count')}`;
}

/** In milliseconds; of those that make sense. */
function latenciesOf(samples: readonly PromSample[], label: string): ReadonlyMap<string, number> {
  const sums = new Map<string, { sum: number; count: number }>();
  for (const { labels, value } of samples) {
    const node = labels[label];
    if (!node || !Number.isFinite(value) || value < 0) continue;
    const entry = sums.get(node) ?? { sum: 0, count: 0 };
    entry.sum += value * 1_000;
    entry.count++;
    sums.set(node, entry);
  }
  return new Map([...sums].map(([node, { sum, count }]) => [node, sum / count]));
}
