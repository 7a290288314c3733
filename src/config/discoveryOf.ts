/** What is made of a configuration that was understood. */

import { type OperatorFunction } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { Discovery } from '../discovery/discovery.js';
import type { TagFilter } from '../discovery/tagFilter.js';
import { whereTags } from '../discovery/whereTags.js';
import { whereVersion } from '../discovery/whereVersion.js';
import { refreshed } from '../registration/registerAndDiscover/refreshed.js';
import type { ReadConfig } from './readConfig.js';
import { fleetSection, serviceSection } from './fleetConfig.js';
import type { ValuesOf } from './setting.js';

/** The values by the schema, but for those of the backend. */
export type FleetValues = ValuesOf<typeof fleetSection> & {
  readonly discovery: { readonly backend_config: ValuesOf<typeof serviceSection> };
};

/** The values of a configuration, with their types. */
export function valuesOf({ values }: ReadConfig): FleetValues {
  return values as unknown as FleetValues;
}

/** The service and the namespace that a configuration asks for. */
export function scopeOf(config: ReadConfig): {
  readonly service: string | undefined;
  readonly namespace: string | undefined;
} {
  const { service, discovery } = valuesOf(config);
  return { service: discovery.backend_config.service_type ?? service, namespace: discovery.namespace.default };
}

/**
 * The discovery of a configuration: its backend, with the filters and the refreshing that it asks for. Asks for the
 * namespace of the configuration where the query names none.
 *
 * @throws FleetError `INVALID_OPTION` for settings that make no sense together.
 */
export function discoveryOf(config: ReadConfig): Discovery {
  const { backend } = config;
  const values = valuesOf(config);
  const { refresh_interval, version, tag_filters } = values.discovery;
  const source = backend.discovery(values.discovery.backend_config, 'discovery.backend_config') as Discovery;
  const fresh = refresh_interval === undefined ? source : refreshed(source, refresh_interval);
  const filters = [
    ...versionFilter(version),
    ...(tag_filters.length > 0 ? [whereTags(...(tag_filters as TagFilter[]))] : []),
  ];
  const { namespace } = scopeOf(config);
  return (query) => {
    const asked = { ...query, ...(query.namespace === undefined && namespace !== undefined ? { namespace } : {}) };
    return filters.reduce((set$, filter) => set$.pipe(filter), fresh(asked));
  };
}

/** `v1.4.2`, `1.4.2-rc.1+build`: one version, and no range. */
const wholeVersion = /^v?\d+\.\d+\.\d+(?:[-+][\w.+-]+)?$/i;

function versionFilter(version: FleetValues['discovery']['version']): OperatorFunction<NodeSet, NodeSet>[] {
  const { default: wanted, fallback, format, enable_routing } = version;
  const path = 'discovery.version';
  if (wanted === undefined) {
    if (fallback === undefined) return [];
    throw new FleetError('INVALID_OPTION', `${path}.fallback needs ${path}.default: the version to take first`);
  }
  if (!enable_routing) return [];
  try {
    if (fallback) return [whereVersion({ prefer: wanted, fallback })];
    // One version, written whole, is no range: its pre-releases and builds are others.
    if (format === 'exact' || wholeVersion.test(wanted)) return [whereVersion({ exact: wanted })];
    return [whereVersion({ range: wanted })];
  } catch (cause) {
    const hint = format === 'semver' ? `; for other texts set ${path}.format to "exact"` : '';
    throw new FleetError('INVALID_OPTION', `${path}: ${FleetError.from(cause).detail}${hint}`, { cause });
  }
}
