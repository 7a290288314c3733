/**
 * Prometheus: the metrics of a fleet or pool, a server that it scrapes, pushes to a Pushgateway, and queries whose
 * answers feed a balancer.
 *
 * | fyer-rpc | here |
 * |---|---|
 * | `PrometheusConfig` `PushGatewayURL`, `JobName`, `PushInterval` | `pushPrometheus(fleet, { url, job, intervalMs })` |
 * | `PrometheusConfig` `QueryURL` | `promqlLatencies({ url })` |
 * | `RecordResponse`, `RecordFailover`, `RecordCircuitBreak`, `RecordRetry` | `prometheusMetrics(fleet, { preset: 'seeds' })` counts by itself |
 * | `GetServiceLatency`, `GetLatency` | `promqlLatencies()`: all nodes in one query |
 * | `GetFailoverRate` | `promqlFailoverRate()` |
 * | `NewNoopMetrics` | nothing: without metrics nothing is counted for them |
 * | `Close` | `close()`, or the end of the client |
 */

export { prometheusMetrics } from './prometheus/prometheusMetrics.js';
export type { PrometheusMetrics } from './prometheus/prometheusMetrics.js';
export type { MetricPreset, OptionalLabel, PrometheusMetricsOptions } from './prometheus/prometheusMetricsOptions.js';
export { Registry } from './prometheus/registry.js';
export type { AnyRegistry } from './prometheus/registry.js';

export { servePrometheus } from './prometheus/servePrometheus.js';
export type { PrometheusServer, ServePrometheusOptions } from './prometheus/servePrometheus.js';

export { pushPrometheus } from './prometheus/pushPrometheus.js';
export type { PushPrometheusOptions } from './prometheus/pushPrometheus.js';
export type { PrometheusPusher, PushEvent } from './prometheus/pusher.js';
export type { HttpHeaders } from './prometheus/httpExchange.js';

export { promql } from './prometheus/promql.js';
export type { PromqlConnection, PromqlEvent, PromqlOptions, PromSample } from './prometheus/promql.js';
export { promqlLatencies } from './prometheus/promqlLatencies.js';
export type { PromqlLatenciesOptions } from './prometheus/promqlLatencies.js';
export { promqlFailoverRate } from './prometheus/promqlFailoverRate.js';
export type { PromqlFailoverRateOptions } from './prometheus/promqlFailoverRate.js';
