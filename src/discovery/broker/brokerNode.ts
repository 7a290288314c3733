/** A node as a broker tells it, in each of its forms. */

import { parseAddress } from '../../core/address.js';
import { FleetError } from '../../core/fleetError.js';
import { createNode, type Node } from '../../core/node.js';
import { isRecord } from '../readNode.js';
import type { BrokerSource } from './brokerSource.js';

/**
 * Reads a node of a message (`node_id`, `address`, `txt`, and the older `addresses`, `port`) or of
 * `/v1/nodes` (`id`, `version`, `runtime`).
 *
 * @throws FleetError `BAD_RESPONSE` that names what is missing or wrong.
 */
export function brokerNode(value: unknown, source: BrokerSource): Node {
  if (!isRecord(value)) throw bad('a node is no object');
  const id = brokerId(value.node_id ?? value.id, source);
  const addresses = addressesOf(value, id);
  // Of the TXT record only these two are the broker's word.
  const txt = isRecord(value.txt) ? value.txt : {};
  const version = text(txt.v) ?? text(value.version);
  const runtime = text(txt.runtime) ?? text(value.runtime);
  const now = source.scheduler.now();
  return createNode({
    id,
    addresses,
    service: source.service,
    version,
    metadata: { ...(version === undefined ? {} : { v: version }), ...(runtime === undefined ? {} : { runtime }) },
    sources: ['broker'],
    firstSeen: now,
    lastSeen: now,
  });
}

/**
 * The id of a node, without the name of its deployment.
 *
 * @throws FleetError `BAD_RESPONSE` when there is none.
 */
export function brokerId(value: unknown, { deployment }: BrokerSource): string {
  if (typeof value !== 'string' || value.trim() === '') throw bad('a node has no node_id');
  const prefix = `${deployment}-`;
  return deployment !== '' && value.startsWith(prefix) && value.length > prefix.length
    ? value.slice(prefix.length)
    : value;
}

function addressesOf(value: Readonly<Record<string, unknown>>, id: string): string[] {
  const port = typeof value.port === 'number' ? value.port : undefined;
  const others = Array.isArray(value.addresses) ? value.addresses : [];
  const told = [value.address, ...others].filter((each) => each !== undefined && each !== null && each !== '');
  const addresses = told.map((each) => {
    const address = complete(each, port);
    if (address === undefined) throw bad(`node ${id} has the address ${JSON.stringify(each)}, which is none`);
    return address;
  });
  if (addresses.length === 0) throw bad(`node ${id} has no address`);
  return addresses;
}

/** `host:port`; older brokers give the port apart from the host. */
function complete(value: unknown, port: number | undefined): string | undefined {
  if (typeof value !== 'string') return undefined;
  const bare = value.includes(':') && !value.startsWith('[') ? `[${value}]` : value;
  for (const text of port === undefined ? [value] : [value, `${value}:${port}`, `${bare}:${port}`]) {
    try {
      parseAddress(text);
      return text;
    } catch {
      // The next form.
    }
  }
  return undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function bad(message: string): FleetError {
  return new FleetError('BAD_RESPONSE', message);
}
