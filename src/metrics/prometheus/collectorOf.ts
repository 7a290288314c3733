/** Metrics to serve or push: those that somebody keeps already, or of a client. */

import type { LiveNodes } from '../../client/engineOptions.js';
import { prometheusMetrics, type PrometheusMetrics } from './prometheusMetrics.js';
import type { PrometheusMetricsOptions } from './prometheusMetricsOptions.js';

export interface Collector {
  readonly metrics: PrometheusMetrics;
  /** Ends the metrics, if they were begun here. */
  release(): Promise<void>;
}

export function collectorOf(source: LiveNodes | PrometheusMetrics, options: PrometheusMetricsOptions): Collector {
  if ('registry' in source) return { metrics: source, release: async () => undefined };
  const metrics = prometheusMetrics(source, options);
  return { metrics, release: () => metrics.close() };
}
