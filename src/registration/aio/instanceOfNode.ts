/** How a node is written into AIO's registry. */

import { formatAddress, isIPv4, isIPv6, type Address } from '../../core/address.js';
import type { Node } from '../../core/node.js';
import type { AioNetwork } from '../../discovery/aio/aioInstance.js';
import { nodeIdKey } from '../../discovery/aio/nodeOfInstance.js';

/** The fields of a registration that tell of the node. */
export interface InstanceFields {
  readonly host: string;
  readonly endpoint: string;
  readonly endpointsJson: string;
  readonly metaJson: string;
  readonly grpcPort: bigint;
  readonly httpPort: bigint;
}

/**
 * What AIO is told of a node. Its addresses become endpoints, the first with priority 0, each of the network that it
 * is of; `meta` holds its metadata, and under their names the version, zone, region, weight, tags, and the id.
 *
 * @param httpPort 0 when it serves no HTTP.
 */
export function instanceOfNode(node: Node, httpPort = 0): InstanceFields {
  const { address, addresses } = node;
  const endpoints = addresses.map((each, priority) => ({
    host: each.port === address.port ? each.host : formatAddress(each),
    network: networkOf(each),
    priority,
  }));
  return {
    host: address.host,
    endpoint: formatAddress(address),
    endpointsJson: JSON.stringify(endpoints),
    metaJson: JSON.stringify(metaOf(node)),
    grpcPort: BigInt(address.port),
    httpPort: BigInt(httpPort),
  };
}

function metaOf(node: Node): Readonly<Record<string, unknown>> {
  const { id, name, version, zone, region, weight, tags, metadata, availability } = node;
  // What discovery has added of itself.
  const { 'aio.key': _key, 'aio.env': _env, ...own } = metadata;
  return {
    ...own,
    [nodeIdKey]: id,
    ...(name === id ? {} : { name }),
    ...(version === undefined ? {} : { version }),
    ...(zone === undefined ? {} : { zone }),
    ...(region === undefined ? {} : { region }),
    ...(weight === 1 ? {} : { weight }),
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
    ...(availability === 'draining' ? { draining: true } : {}),
  };
}

/**
 * The network that an address is of: `local` loopback, `tailscale` 100.64.0.0/10 and fd7a:115c:a1e0::/48, `internal`
 * private and link-local ranges (RFC 1918, 3927, 4193, 4291) and names without a dot, `external` the rest.
 */
export function networkOf({ host }: Address): AioNetwork {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1];
  if (mapped || isIPv4(host)) return networkOfIPv4(mapped ?? host);
  const text = host.toLowerCase().replace(/%.*$/, '');
  if (isIPv6(text)) {
    if (text === '::1') return 'local';
    if (text.startsWith('fd7a:115c:a1e0:')) return 'tailscale';
    return /^f[cd][0-9a-f]{2}:|^fe[89ab][0-9a-f]:/.test(text) ? 'internal' : 'external';
  }
  if (text === 'localhost' || text.endsWith('.localhost')) return 'local';
  if (text.endsWith('.ts.net')) return 'tailscale';
  return text.includes('.') && !/\.(local|lan|internal|home\.arpa)$/.test(text) ? 'external' : 'internal';
}

function networkOfIPv4(host: string): AioNetwork {
  const [a = 0, b = 0] = host.split('.').map(Number);
  if (a === 127) return 'local';
  if (a === 100 && b >= 64 && b < 128) return 'tailscale';
  const isPrivate =
    a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 169 && b === 254);
  return isPrivate ? 'internal' : 'external';
}
