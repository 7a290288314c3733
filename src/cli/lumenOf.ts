/** The options that say where the nodes are, and the client for them. */

import { mdns } from '../discovery/mdns.js';
import { FleetError, mergeDiscovery, staticNodes, type Discovery } from '../index.js';
import { createLumenClient, type LumenClient, type LumenClientOptions } from '../lumen/index.js';

/** As the command line gives them. */
export interface WhereOptions {
  /** `host:port` of nodes that need not be discovered. */
  readonly node?: readonly string[];
  /** False leaves the network alone. */
  readonly mdns?: boolean;
  /** Names or addresses of interfaces for mDNS. */
  readonly interface?: readonly string[];
}

/** mDNS and the nodes that were named, as far as they are wanted. */
export function discoveryOf({ node = [], mdns: multicast = true, interface: interfaces }: WhereOptions): Discovery {
  const sources: Discovery[] = [];
  if (multicast) sources.push(mdns(interfaces ? { interfaces } : {}));
  if (node.length > 0) sources.push(staticNodes(node));
  if (sources.length === 0) {
    throw new FleetError(
      'INVALID_OPTION',
      'nowhere to look: leave out --no-mdns, or name a node with --node host:port',
    );
  }
  return mergeDiscovery(...sources);
}

/** A client for the nodes that the options name. */
export function lumenOf(where: WhereOptions, options: LumenClientOptions = {}): LumenClient {
  return createLumenClient({ discovery: discoveryOf(where), ...options });
}
