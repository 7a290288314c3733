/** `rxfleet/config`: fleets from files, environment variables and URLs. */

export { createFleetFromConfig } from './createFleetFromConfig.js';
export type { FleetFromConfigOptions } from './createFleetFromConfig.js';
export type { FleetConfig } from './fleetConfig.js';
export type { TagFilterDocument, TagFilterTable } from './tagFilters.js';
export type { BalancerName } from './balancerName.js';
export type { ConfigSource, ConfigSources } from './configSource.js';

// gRPC
export { serviceConfig } from './serviceConfig.js';
export type { ServiceConfigOptions } from './serviceConfig.js';

// What counts, and why
export { explainConfig } from './explainConfig.js';
export type { ExplainedSetting } from './explainConfig.js';

// URLs
export { discoveryFromUrl, registryFromConfig, registryFromUrl } from './discoveryUrl.js';
export type { DiscoveryUrl, RegistryUrl } from './discoveryUrl.js';
