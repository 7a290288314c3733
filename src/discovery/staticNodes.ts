/** Nodes that the user knows: a list, or a list that changes. */

import { asyncScheduler, isObservable, Observable, retry, tap, timer } from 'rxjs';
import { exponentialBackoff } from '../core/backoff.js';
import { FleetError } from '../core/fleetError.js';
import { createNode, type Node, type NodeInit } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import type { Discovery, DiscoveryQuery } from './discovery.js';
import { settled } from './settled.js';

/** A node in a list: `host:port`, `[v6]:port`, or what is known of it. */
export type StaticNode = string | NodeInit;

export interface StaticNodesOptions {
  /**
   * What becomes of an entry that is no node, or that repeats an id: `throw`, or `skip` with a `skipped` event.
   * Default `throw` for a list; `skip` for an Observable of lists, since there one slip would end the discovery.
   */
  readonly invalid?: 'throw' | 'skip';
}

/**
 * Lists the given nodes, at once and until unsubscribed.
 *
 *     list$         a---b---b-|       a = x   b = x y
 *     discovery     a---b------
 *
 * An entry that names another `service` or `namespace` than the query asks for is left out; one that names none takes
 * the service of the query. Ids default to the address. An Observable of lists that errors is subscribed to again
 * with jittered backoff (50 ms to 5 s), while the last list stays, marked `stale`; one that completes leaves its last.
 *
 * ```ts
 * staticNodes(['10.0.0.5:50051', { address: 'db-1:5432', id: 'db-1', weight: 3, tags: { gpu: '' } }]);
 * ```
 *
 * @throws FleetError `INVALID_OPTION` at once when an entry of a list is bad or repeats an id, naming the entry. From an
 *   Observable, with `invalid: 'throw'`, the discovery errors so.
 */
export function staticNodes(
  list: readonly StaticNode[] | Observable<readonly StaticNode[]>,
  options: StaticNodesOptions = {},
): Discovery {
  if (isObservable(list)) return (query) => followed(list, query, options.invalid ?? 'skip');
  const { invalid = 'throw' } = options;
  if (!Array.isArray(list)) {
    throw new FleetError(
      'INVALID_OPTION',
      `staticNodes takes a list of nodes, or an Observable of lists, not ${show(list)}`,
    );
  }
  const entries = [...(list as readonly StaticNode[])];
  if (invalid === 'throw') read(entries, { service: '' }, invalid);
  return (query) =>
    new Observable((subscriber) => {
      subscriber.next(NodeSet.of(read(entries, query, invalid)));
    });
}

function followed(
  list$: Observable<readonly StaticNode[]>,
  query: DiscoveryQuery,
  invalid: 'throw' | 'skip',
): Observable<NodeSet> {
  const { scheduler = asyncScheduler, random = Math.random } = query;
  const backoff = exponentialBackoff();
  return new Observable((subscriber) => {
    let current: NodeSet | undefined;
    let failures = 0;

    const take = (list: readonly StaticNode[]) => {
      if (failures) query.onEvent?.({ source: 'static', type: 'connected', message: 'the list of nodes is back' });
      failures = 0;
      const next = settled(current, read(list, query, invalid));
      if (next === current) return;
      current = next;
      subscriber.next(next);
    };
    const cutOff = (error: unknown) => {
      const { message, blame } = FleetError.from(error);
      if (error instanceof FleetError && blame === 'caller') throw error;
      query.onEvent?.({ source: 'static', type: 'disconnected', message, cause: error });
      if (current && !current.stale) {
        current = current.withStale({ since: scheduler.now(), reason: `the list of nodes failed: ${message}` });
        subscriber.next(current);
      }
      return timer(backoff(++failures, random), scheduler);
    };
    return list$.pipe(tap(take), retry({ delay: cutOff })).subscribe({
      error: (error: unknown) => subscriber.error(error),
    });
  });
}

function read(list: readonly StaticNode[], query: DiscoveryQuery, invalid: 'throw' | 'skip'): Node[] {
  const seen = (query.scheduler ?? asyncScheduler).now();
  const positions = new Map<string, number>();
  const nodes: Node[] = [];
  list.forEach((entry, index) => {
    try {
      const node = nodeOf(entry, query, seen);
      const first = positions.get(node.id);
      if (first !== undefined) {
        throw new FleetError(
          'INVALID_OPTION',
          `id "${node.id}" is that of entry ${first + 1} already: give each its own`,
        );
      }
      positions.set(node.id, index);
      if (isAskedFor(node, query)) nodes.push(node);
    } catch (error) {
      const message = `static nodes, entry ${index + 1}, ${show(entry)}: ${FleetError.from(error).message}`;
      if (invalid === 'throw') throw new FleetError('INVALID_OPTION', message, { cause: error });
      query.onEvent?.({ source: 'static', type: 'skipped', message, cause: error });
    }
  });
  return nodes;
}

function nodeOf(entry: StaticNode, query: DiscoveryQuery, seen: number): Node {
  if (typeof entry === 'string') entry = { address: entry };
  else if (typeof entry !== 'object' || entry === null) {
    throw new FleetError('INVALID_OPTION', 'write host:port, or { address: … }');
  }
  return createNode({ service: query.service, sources: ['static'], firstSeen: seen, lastSeen: seen, ...entry });
}

function isAskedFor(node: Node, { service, namespace }: DiscoveryQuery): boolean {
  if (service && node.service && node.service !== service) return false;
  return namespace === undefined || node.namespace === undefined || node.namespace === namespace;
}

function show(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
