/** The options that say where the nodes are, and the client for them. */

import { discoveryFromUrl } from '../config/index.js';
import { mdns } from '../discovery/mdns.js';
import { FleetError, mergeDiscovery, staticNodes, type Discovery } from '../index.js';
import { createLumenClient, type LumenClient, type LumenClientOptions } from '../lumen/index.js';

/** As the command line gives them. */
export interface WhereOptions {
  /** `host:port` of nodes that need not be discovered. */
  readonly node?: readonly string[];
  /** URLs of discoveries; with any, mDNS is asked only where one of them says so. */
  readonly discovery?: readonly string[];
  /** False leaves the network alone. */
  readonly mdns?: boolean;
  /** Names or addresses of interfaces for mDNS. */
  readonly interface?: readonly string[];
}

/** The URLs, mDNS and the nodes that were named, as far as they are wanted. */
export function discoveryOf(where: WhereOptions): Discovery {
  const { node = [], discovery: urls = [], mdns: multicast = true, interface: interfaces } = where;
  const sources: Discovery[] = urls.map(discoveryOfUrl);
  if (multicast && urls.length === 0) sources.push(mdns(interfaces ? { interfaces } : {}));
  if (node.length > 0) sources.push(staticNodes(node));
  if (sources.length === 0) {
    throw new FleetError(
      'INVALID_OPTION',
      'nowhere to look: leave out --no-mdns, name a node with --node host:port, or a registry with --discovery',
    );
  }
  return mergeDiscovery(...sources);
}

/** A discovery that asks for the service of its URL, where that names one. */
export function discoveryOfUrl(url: string): Discovery {
  const { service, discovery } = discoveryFromUrl(url);
  return service === undefined ? discovery : (query) => discovery({ ...query, service });
}

/** A client for the nodes that the options name. */
export function lumenOf(where: WhereOptions, options: LumenClientOptions = {}): LumenClient {
  return createLumenClient({ discovery: discoveryOf(where), ...options });
}
