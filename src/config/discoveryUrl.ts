/** Discoveries and registries by URL, for command lines and environment variables. */

import { FleetError } from '../core/fleetError.js';
import type { Discovery } from '../discovery/discovery.js';
import type { Registry } from '../registration/registry.js';
import { discoveryOf, scopeOf, valuesOf } from './discoveryOf.js';
import { readConfig, type ReadConfig } from './readConfig.js';
import { backends } from './fleetConfig.js';
import type { ConfigSource } from './configSource.js';

/** What a URL leads to. */
export interface DiscoveryUrl {
  /** The service that it names. */
  readonly service?: string;
  /** The namespace that it names; asked for already where a query has none. */
  readonly namespace?: string;
  readonly discovery: Discovery;
}

/** What a URL of a registry leads to. */
export interface RegistryUrl {
  readonly service?: string;
  readonly namespace?: string;
  readonly registry: Registry;
}

/**
 * The discovery that a URL names.
 *
 * | URL | what is asked |
 * |---|---|
 * | `etcd://[user:password@]host:port[,host:port]/service?layout=flare` | etcd; a path of several parts begins with the namespace |
 * | `consul://host:port/service?token=…&datacenter=…` | Consul |
 * | `dns://[resolver:port]/service?domain=example.org&record=srv` | DNS |
 * | `xds://[host:port]/service` | xDS; without a host by the bootstrap file |
 * | `mdns://service?interfaces=eth0` | the local network |
 * | `file:nodes.yaml?poll=5s` | a file |
 * | `broker://host:port` | a Lumen host broker |
 * | `aio://key:secret@host:port/project/service?env=prod` | AIO |
 * | `host:port,host:port` | these nodes |
 *
 * All take `service=`, `namespace=`, `version=^1.4` and `tag=gpu` (again for several), and every setting of the backend as in
 * `backend_config`, with `tls.ca_file=…` for tables. The layout is `rxfleet` unless it says another.
 *
 *     const { service, discovery } = discoveryFromUrl('etcd://127.0.0.1:2379/thumbnails?layout=flare');
 *
 * @throws FleetError `INVALID_OPTION` for what it does not understand. Credentials are not shown.
 */
export function discoveryFromUrl(url: string): DiscoveryUrl {
  const config = readConfig(sourceOf(url));
  return { ...scope(config), discovery: discoveryOf(config) };
}

/**
 * The registry that a URL names, as in `discoveryFromUrl()`; of etcd, Consul, AIO and mDNS. `ttl=90s` is the life without a
 * heartbeat.
 *
 * @throws FleetError `INVALID_OPTION` for what it does not understand, or a backend that nobody can register with.
 */
export function registryFromUrl(url: string): RegistryUrl {
  const config = readConfig(sourceOf(url));
  return { ...scope(config), registry: registryOf(config) };
}

/**
 * The registry of a configuration, so that a service registers where others of the same configuration look.
 *
 * @throws FleetError `INVALID_OPTION` for what it does not understand, or a backend that nobody can register with.
 */
export function registryFromConfig(source: ConfigSource): RegistryUrl {
  const config = readConfig(source);
  return { ...scope(config), registry: registryOf(config) };
}

function sourceOf(url: string): ConfigSource {
  return { config: { discovery: { url } } };
}

function scope(config: ReadConfig): { readonly service?: string; readonly namespace?: string } {
  const { service, namespace } = scopeOf(config);
  return { ...(service === undefined ? {} : { service }), ...(namespace === undefined ? {} : { namespace }) };
}

function registryOf(config: ReadConfig): Registry {
  const { backend } = config;
  if (backend.registry) {
    return backend.registry(valuesOf(config).discovery.backend_config, 'discovery.backend_config') as Registry;
  }
  const others = backends.filter(({ registry }) => registry).map(({ name }) => name);
  const why = backend.name === 'mesh' ? 'the sidecar registers there' : 'it is read-only';
  throw new FleetError(
    'INVALID_OPTION',
    `nobody can register with ${backend.name}: ${why}; register with one of ${others.join(', ')}`,
  );
}
