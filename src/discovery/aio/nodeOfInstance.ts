/** How an AIO instance becomes a node: by which of its addresses it is dialled, and what its `meta` says. */

import { formatAddress, isIPv6, parseAddress, type Address } from '../../core/address.js';
import { FleetError } from '../../core/fleetError.js';
import { createNode, type Node } from '../../core/node.js';
import type { AioEndpoint, AioInstance, AioNetwork } from './aioInstance.js';

export interface AioAddressOptions {
  /**
   * The networks to prefer, the best first; hosts of other networks follow. Default: none is preferred, the priority
   * alone decides.
   */
  readonly network?: AioNetwork | readonly AioNetwork[];
  /** Which port of an instance to dial. Default `grpc`; an instance that names no such port is dialled at its endpoint. */
  readonly port?: 'grpc' | 'http';
}

/** Under this key of `meta` rxfleet keeps the id of a node, since its instance key changes with each registration. */
export const nodeIdKey = 'rxfleet.id';

/**
 * Every address of an instance, the best first: its hosts by network, then by priority (the lower first), at the port
 * that is wanted; then `meta.grpcAddress`, its `endpoint` and its `host`, as older registrants give them.
 */
export function aioAddresses(instance: AioInstance, choice: AioAddressOptions = {}): readonly Address[] {
  const wanted = choice.port === 'http' ? instance.httpPort : instance.grpcPort;
  const other = choice.port === 'http' ? instance.grpcPort : instance.httpPort;
  const endpoint = addressIn(instance.endpoint);
  // An endpoint may be the socket of the other protocol.
  const endpointFits = endpoint && (wanted === 0 ? endpoint.port !== other || other === 0 : endpoint.port === wanted);
  const port = wanted || (endpointFits ? endpoint.port : 0);
  const { grpcAddress } = instance.meta;
  const candidates = [
    ...ordered(instance.endpoints, choice.network).map(({ host }) => addressAt(host, port)),
    choice.port !== 'http' && wanted === 0 && typeof grpcAddress === 'string' ? addressIn(grpcAddress) : undefined,
    endpointFits ? endpoint : undefined,
    addressAt(instance.host, port),
    wanted === 0 ? endpoint : undefined,
    wanted === 0 ? addressAt(instance.host, other) : undefined,
  ];
  const found = new Map<string, Address>();
  for (const address of candidates)
    if (address) found.set(formatAddress(address), found.get(formatAddress(address)) ?? address);
  return [...found.values()];
}

/**
 * The node of an instance.
 *
 * From `meta`: `version`, `zone`, `region`, `weight`, `tags` (a list or an object), `name`; all of it stands in the
 * node's `metadata`, what is no text as JSON.
 *
 * @throws FleetError `INVALID_OPTION` when nothing of it is an address, or the weight is senseless.
 */
export function nodeOfInstance(
  instance: AioInstance,
  about: { readonly service: string; readonly namespace: string; readonly seenAt: number },
  choice: AioAddressOptions = {},
): Node {
  const { meta } = instance;
  const addresses = aioAddresses(instance, choice);
  if (addresses.length === 0) {
    const { host, endpoint, grpcPort, httpPort } = instance;
    const said = JSON.stringify({ host, endpoint, grpcPort, httpPort });
    throw new FleetError('INVALID_OPTION', `it gives no address that can be dialled: ${said}`);
  }
  const id = textOf(meta[nodeIdKey]) ?? (instance.key || instance.id);
  return createNode({
    id,
    name: textOf(meta['name']) ?? id,
    service: about.service,
    namespace: about.namespace,
    addresses,
    version: textOf(meta['version']),
    zone: textOf(meta['zone']),
    region: textOf(meta['region']),
    tags: tagsOf(meta['tags']),
    metadata: metadataOf(instance),
    weight: weightOf(meta['weight']),
    ...(meta['draining'] === true || meta['draining'] === 'true'
      ? { availability: 'draining' as const, reason: 'it says that it drains' }
      : {}),
    sources: ['aio'],
    firstSeen: about.seenAt,
    lastSeen: about.seenAt,
  });
}

function ordered(endpoints: readonly AioEndpoint[], network: AioAddressOptions['network']): readonly AioEndpoint[] {
  const preferred: readonly string[] = [network ?? []].flat();
  const rank = (endpoint: AioEndpoint) => {
    const index = preferred.indexOf(endpoint.network);
    return index < 0 ? preferred.length : index;
  };
  return [...endpoints].sort((a, b) => rank(a) - rank(b) || a.priority - b.priority);
}

/** `host`, `host:port`, `[v6]:port`, a bare IPv6 address, or a URL. */
function addressAt(host: string, port: number): Address | undefined {
  const own = addressIn(host);
  if (own) return own;
  const bare = host.trim().replace(/^\[([^\]]*)\]$/, '$1');
  // More than one colon: an IPv6 address, which parseAddress takes for no text form.
  return isIPv6(bare) && bare.split(':').length > 2 ? checked({ host: bare, port }) : checked(`${bare}:${port}`);
}

function addressIn(text: string): Address | undefined {
  const bare = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]+)/i.exec(text.trim())?.[1] ?? text;
  return checked(bare);
}

function checked(input: string | Address): Address | undefined {
  try {
    return parseAddress(input);
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined;
}

function weightOf(value: unknown): number | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return Number(value);
}

function tagsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (Array.isArray(value)) return Object.fromEntries(value.map((tag) => [String(tag), '']));
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.fromEntries(
    Object.entries(value).map(([key, tag]) => [key, typeof tag === 'string' ? tag : String(tag)]),
  );
}

const reserved = new Set([nodeIdKey, 'tags', 'weight', 'version', 'zone', 'region', 'name', 'draining']);

function metadataOf({ meta, key, env }: AioInstance): Readonly<Record<string, string>> {
  const rest = Object.entries(meta).filter(([name]) => !reserved.has(name));
  const texts = rest.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
  return { ...Object.fromEntries(texts), 'aio.key': key, 'aio.env': env };
}
