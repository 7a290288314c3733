/** The registry of prom-client, which gathers metrics and writes them out: the one file that loads that package. */

import { Registry, type OpenMetricsContentType, type RegistryContentType } from 'prom-client';

export { Registry };

/** A registry, whichever of the two text formats it writes. */
export type AnyRegistry = Registry<RegistryContentType>;

/** Whether it writes OpenMetrics; else it writes the text format of Prometheus. */
export function isOpenMetrics(registry: AnyRegistry): boolean {
  return registry.contentType === Registry.OPENMETRICS_CONTENT_TYPE;
}

/**
 * The same metrics in OpenMetrics, while the registry goes on writing the older format.
 *
 * A registry that is told to write OpenMetrics takes `_total` from the names of its counters for good; so it is given
 * likenesses of them.
 */
export function inOpenMetrics(registry: AnyRegistry): Registry<OpenMetricsContentType> {
  const view = Object.create(registry) as Registry<OpenMetricsContentType>;
  view.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  view.getMetricsAsArray = () => registry.getMetricsAsArray().map((metric) => Object.create(metric));
  return view;
}
