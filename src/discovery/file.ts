/** Nodes in a file that is watched: JSON, YAML or TOML. */

import { resolve } from 'node:path';
import { asyncScheduler, Observable } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import type { Discovery, DiscoveryQuery } from './discovery.js';
import { formatOf, parseDocument, type DocumentFormat } from './file/parseDocument.js';
import { readDocument } from './file/readDocument.js';
import { watchText, type FileText } from './file/watchText.js';
import { settled } from './settled.js';

export type { DocumentFormat };

export interface FileOptions {
  /** Default: by the ending, `.json`, `.yaml`, `.yml` or `.toml`. */
  readonly format?: DocumentFormat;
  /**
   * How often the file is looked at even where the system tells of no change, as on network file systems, in
   * milliseconds. Default 5,000. `Infinity` relies on the system alone.
   */
  readonly pollMs?: number;
  /** How long a file must have stayed the same before it is read, in milliseconds, so that none is read half-written. Default 50. */
  readonly settleMs?: number;
}

/**
 * Lists the nodes of a file, and follows it.
 *
 *     file          a----b--!---c--      ! cannot be read
 *     discovery     a----b--B---c--      B is b, marked stale
 *
 * The document is a list of nodes, or has one under `nodes`:
 *
 * ```yaml
 * nodes:
 *   - 10.0.0.5:50051
 *   - { address: '10.0.0.6:50051', id: gpu-1, service: lumen, weight: 3, zone: eu-1, version: '1.4.2',
 *       tags: [gpu, env=prod], metadata: { runtime: cuda } }
 * ```
 *
 * Ids default to the address. An entry that names another `service` or `namespace` than the query asks for is left out;
 * one that names none takes the service of the query. A bad entry, or one whose id is taken, is skipped with an event;
 * a field that is not known is told and passed over.
 *
 * A file that is away, cannot be read or parsed, or has no good entry at all, leaves the last nodes, marked `stale`, with an
 * event `disconnected`; only a list that is empty as written empties the set. Replacing by rename, the files that editors
 * put beside it and links that are switched (Kubernetes' ConfigMaps) are followed. Never errors.
 *
 * @throws FleetError `INVALID_OPTION` when the format cannot be told from the name, or for a time that makes no sense.
 */
export function file(path: string, options: FileOptions = {}): Discovery {
  const { pollMs = 5_000, settleMs = 50 } = options;
  requireOption(typeof path === 'string' && path !== '', 'path', 'the path of a file', JSON.stringify(path));
  requireOption(pollMs > 0 && (pollMs < 2 ** 31 || pollMs === Infinity), 'pollMs', 'more than 0', pollMs);
  requireOption(settleMs >= 0 && settleMs < Infinity, 'settleMs', 'at least 0', settleMs);
  const format = options.format ?? formatOf(path);
  // Whatever becomes of the working directory later.
  const absolute = resolve(path);
  return (query) => followed(absolute, format, query, { pollMs, settleMs });
}

function followed(
  path: string,
  format: DocumentFormat,
  query: DiscoveryQuery,
  waits: { readonly pollMs: number; readonly settleMs: number },
): Observable<NodeSet> {
  const { scheduler = asyncScheduler, onEvent } = query;
  const skipped = (message: string, cause?: unknown) =>
    onEvent?.({ source: 'file', type: 'skipped', message: `${path}: ${message}`, cause });

  return new Observable((subscriber) => {
    let current: NodeSet | undefined;
    let trouble: string | undefined;

    const tell = (next: NodeSet | undefined) => {
      if (!next || next === current) return;
      current = next;
      subscriber.next(next);
    };
    const lost = (cause: unknown) => {
      const { message } = FleetError.from(cause);
      if (message === trouble) return;
      trouble = message;
      onEvent?.({ source: 'file', type: 'disconnected', message: `${path}: ${message}`, cause });
      const since = current?.stale?.since ?? scheduler.now();
      tell(current?.withStale({ since, reason: `${path} cannot be used: ${message}` }));
    };
    const nodesOf = (text: string): readonly Node[] =>
      readDocument(parseDocument(text, format), query, scheduler.now(), skipped);

    const take = ({ text, error }: FileText) => {
      if (text === undefined) return lost(error);
      let nodes: readonly Node[];
      try {
        nodes = nodesOf(text);
      } catch (thrown) {
        return lost(thrown);
      }
      if (trouble !== undefined) onEvent?.({ source: 'file', type: 'connected', message: `${path} can be used again` });
      trouble = undefined;
      tell(settled(current, nodes));
    };
    return watchText(path, { ...waits, scheduler }).subscribe(take);
  });
}
