/** The nodes that a document lists, for one query. */

import { FleetError } from '../../core/fleetError.js';
import type { Node } from '../../core/node.js';
import type { DiscoveryQuery } from '../discovery.js';
import { isRecord, readNode } from '../readNode.js';

/**
 * Reads a list of nodes, or an object with one under `nodes`; what is not for this query is left out.
 *
 * @param skipped Told of entries that are passed over.
 * @throws FleetError `INVALID_OPTION` when it holds no list, or a list in which nothing is a node.
 */
export function readDocument(
  document: unknown,
  { service, namespace }: DiscoveryQuery,
  now: number,
  skipped: (message: string, cause?: unknown) => void,
): readonly Node[] {
  const entries: unknown = isRecord(document) ? document.nodes : document;
  if (!Array.isArray(entries)) {
    const found = isRecord(document) ? `an object with ${Object.keys(document).join(', ') || 'nothing in it'}` : 'none';
    throw new FleetError('INVALID_OPTION', `it must be a list of nodes, or have one under "nodes"; found ${found}`);
  }
  const defaults = { service, sources: ['file'], firstSeen: now, lastSeen: now };
  const places = new Map<string, number>();
  const nodes: Node[] = [];
  entries.forEach((entry: unknown, index) => {
    const place = index + 1;
    try {
      const node = readNode(entry, defaults, (field) =>
        skipped(`entry ${place}: "${field}" is not known, and passed over`),
      );
      const first = places.get(node.id);
      if (first !== undefined)
        throw new FleetError('INVALID_OPTION', `id "${node.id}" is that of entry ${first} already`);
      places.set(node.id, place);
      if (service && node.service && node.service !== service) return;
      if (namespace !== undefined && node.namespace !== undefined && node.namespace !== namespace) return;
      nodes.push(node);
    } catch (error) {
      skipped(`entry ${place} is skipped: ${FleetError.from(error).message}`, error);
    }
  });
  if (entries.length > 0 && places.size === 0) {
    throw new FleetError('INVALID_OPTION', `none of its ${entries.length} entries is a node`);
  }
  return nodes;
}
