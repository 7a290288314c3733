/** How many calls go over to another node, as Prometheus knows it of all clients. */

import { map, mergeMap, type Observable } from 'rxjs';
import { requireOption } from '../../core/requireOption.js';
import { duration, matching, promql, type PromqlConnection } from './promql.js';
import type { MetricPreset } from './prometheusMetricsOptions.js';

export interface PromqlFailoverRateOptions extends PromqlConnection {
  /**
   * Only this service: the `grpc_target` of `prometheusMetrics`, or with the seeds' names the `service`. Default: all.
   */
  readonly service?: string;
  /** By whose names. Default `grpc`. */
  readonly preset?: MetricPreset;
  /** Over how long, in milliseconds. Default 300,000, as with fyer-rpc. */
  readonly windowMs?: number;
  /** Before the names, as `prometheusMetrics` was told. Default none. */
  readonly prefix?: string;
}

/**
 * Failovers for each attempt, with each answer of Prometheus; silent while there are no attempts. Never errors.
 *
 * fyer-rpc calls it `GetFailoverRate`.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option.
 */
export function promqlFailoverRate(options: PromqlFailoverRateOptions): Observable<number> {
  const { preset = 'grpc', service, windowMs = 300_000, prefix = '' } = options;
  requireOption(preset === 'grpc' || preset === 'seeds', 'preset', 'grpc or seeds', preset);
  requireOption(windowMs >= 1 && Number.isFinite(windowMs), 'windowMs', 'at least 1', windowMs);
  const [failovers, requests, matchers] =
    preset === 'grpc'
      ? ['rxfleet_failovers_total', 'grpc_client_attempt_started_total', matching({ grpc_target: service })]
      : ['rpc_failover_total', 'rpc_requests_total', matching({ service })];
  const rate = (name: string) => `sum(rate(${prefix}${name}${matchers}[${duration(windowMs)}]))`;
  // Where nobody has gone over yet there is no series of it.
  const query = `(${rate(failovers)} or vector(0)) / ${rate(requests)}`;
  return promql({ ...options, query }).pipe(
    map((samples) => samples.map(({ value }) => value).filter(Number.isFinite)),
    mergeMap((values) => values.slice(0, 1)),
  );
}
