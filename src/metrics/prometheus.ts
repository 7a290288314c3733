/**
 * Prometheus: the metrics of a fleet or pool, a server that it scrapes, pushes to a Pushgateway, and queries whose answers feed
 * a balancer.
 */

export { prometheusMetrics } from './prometheus/prometheusMetrics.js';
export type { PrometheusMetrics } from './prometheus/prometheusMetrics.js';
export type { MetricPreset, PrometheusMetricsOptions } from './prometheus/prometheusMetricsOptions.js';
export type { OptionalLabel } from './prometheus/nodeLabels.js';
export { Registry } from './prometheus/registry.js';
export type { AnyRegistry } from './prometheus/registry.js';
