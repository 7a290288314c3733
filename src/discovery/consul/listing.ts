/** From a list of Consul's entries to nodes: what they are called, and whether they can serve. */

import { formatAddress } from '../../core/address.js';
import { FleetError } from '../../core/fleetError.js';
import { createNode, type Node } from '../../core/node.js';
import type { DiscoveryQuery } from '../discovery.js';
import { consulEntry, type ConsulEntry } from './consulEntry.js';
import type { ConsulLayout } from './layout.js';

export interface ListingOptions {
  readonly query: DiscoveryQuery;
  readonly layout: ConsulLayout;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Told which entry was left out, and why. */
  readonly skipped: (message: string, cause: unknown) => void;
}

/**
 * The nodes of an answer.
 *
 * A node's id is the ID of its service. Consul keeps those unique only for each agent: where several agents list one
 * ID, the oldest registration has it and the others are `id@agent`, unless all mean the same address, which is one node.
 */
export function listing(values: readonly unknown[], options: ListingOptions): Node[] {
  const { query, layout, skipped } = options;
  const entries = values.flatMap((value, position) => {
    try {
      return [consulEntry(value)];
    } catch (error) {
      skipped(`entry ${position + 1}: ${FleetError.from(error).message}`, error);
      return [];
    }
  });
  // By age, so that the order of an answer, which Consul does not promise, changes nothing.
  entries.sort((a, b) => a.Service.CreateIndex - b.Service.CreateIndex || (a.Node.Node < b.Node.Node ? -1 : 1));
  const nodes = new Map<string, Node>();
  for (const entry of entries) {
    try {
      const node = nodeOf(entry, layout, options);
      if (!node || (query.namespace !== undefined && node.namespace !== query.namespace)) continue;
      const other = nodes.get(node.id);
      if (!other) nodes.set(node.id, node);
      else if (formatAddress(other.address) !== formatAddress(node.address)) {
        const id = `${node.id}@${entry.Node.Node}`;
        nodes.set(id, createNode({ ...node, id }));
      }
    } catch (error) {
      const { ID } = entry.Service;
      skipped(`service "${ID}" of agent "${entry.Node.Node}": ${FleetError.from(error).message}`, error);
    }
  }
  return [...nodes.values()];
}

const sources = ['consul'];

function nodeOf(entry: ConsulEntry, layout: ConsulLayout, { query, now }: ListingOptions): Node | undefined {
  const { ID, Address, Port, Weights } = entry.Service;
  const told = layout.read(entry);
  if (!told) return undefined;
  const given = Address || entry.Node.Address;
  const host = given.startsWith('[') ? given.replace(/^\[(.*)\]$/, '$1') : given;
  const { health, healthReason } = healthOf(entry);
  return createNode({
    id: ID,
    address: { host, port: Port },
    weight: health === 'serving' ? Weights.Passing : Weights.Warning,
    health,
    healthReason,
    service: query.service,
    sources,
    firstSeen: now,
    lastSeen: now,
    ...told,
  });
}

/** The worst of its checks decides, those of its host included. */
function healthOf({ Checks }: ConsulEntry): Pick<Node, 'health' | 'healthReason'> {
  const bad = Checks.find(({ Status }) => Status === 'critical') ?? Checks.find(({ Status }) => Status !== 'passing');
  if (!bad) return { health: 'serving', healthReason: undefined };
  const output = bad.Output.trim().slice(0, 300);
  return { health: 'notServing', healthReason: `check ${bad.CheckID} is ${bad.Status}${output ? `: ${output}` : ''}` };
}
