/** Several discoveries as one: the union of what they list, each node once. */

import { asyncScheduler, mergeMap, Observable } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { NodeSet, type NodeChanges, type Staleness } from '../core/nodeSet.js';
import type { Discovery, DiscoveryQuery } from './discovery.js';
import { NodeUnion } from './nodeUnion.js';

interface Source {
  set: NodeSet | undefined;
  /** Set once it has ended with an error. */
  failure: { readonly error: FleetError; readonly at: number } | undefined;
  ended: boolean;
  /** As it calls itself in its nodes and events. */
  name: string;
}

/**
 * Asks all of the discoveries and lists what any of them lists.
 *
 *     static        a-------------     a = x@1
 *     mdns          --b-----c-----     b = hub@1, z@2   c = hub@1
 *     merged        a-d-----e-----     d = x@1, z@2     e = x@1
 *
 * Two sources mean the same node when they give it the same id, or when any of their addresses meet. The earliest
 * discovery in the arguments gives its identity, the order of its addresses and its facts; the others add addresses,
 * missing facts, tags and metadata. `sources` names all that list it. Nodes of one source are never joined with each other
 * on their own account.
 *
 * Waits for nothing: the first source that speaks is heard. The set is `stale` while that of any source is, with a reason
 * that names it. A source that errors keeps its last set, which counts as stale from then on, and an event
 * `disconnected` tells of it; only when all have failed does the union error, with `DISCOVERY_FAILED` (that of a single
 * source as it is). It completes when all have ended and not all have failed.
 *
 * @throws FleetError `INVALID_OPTION` when there is no discovery to ask.
 */
export function mergeDiscovery(...discoveries: readonly Discovery[]): Discovery {
  if (discoveries.length === 0) throw new FleetError('INVALID_OPTION', 'mergeDiscovery needs at least one discovery');
  return (query) => union(discoveries, query);
}

function union(discoveries: readonly Discovery[], query: DiscoveryQuery): Observable<NodeSet> {
  const { scheduler = asyncScheduler } = query;
  return new Observable((subscriber) => {
    const nodes = new NodeUnion();
    const sources = discoveries.map((_, index): Source => {
      return { set: undefined, failure: undefined, ended: false, name: `discovery ${index + 1}` };
    });
    let current: NodeSet | undefined;

    const tell = (changes: NodeChanges) => {
      const next = derived(current, changes, nodes).withStale(staleness(sources, current?.stale));
      if (next === current) return;
      current = next;
      subscriber.next(next);
    };
    const heard = (index: number, set: NodeSet) => {
      const source = sources[index]!;
      const before = source.set ?? NodeSet.empty;
      source.set = set;
      source.name = set.nodes[0]?.sources[0] ?? source.name;
      tell(nodes.apply(index, set.changesSince(before)));
    };
    const ended = (index: number, thrown?: { readonly error: unknown }) => {
      const source = sources[index]!;
      source.ended = true;
      if (thrown) {
        const error = FleetError.from(thrown.error, 'DISCOVERY_FAILED');
        source.failure = { error, at: scheduler.now() };
        query.onEvent?.({ source: source.name, type: 'disconnected', message: error.message, cause: thrown.error });
      }
      const failures = sources.flatMap(({ failure, name }) => (failure ? [{ name, error: failure.error }] : []));
      if (failures.length === sources.length) subscriber.error(allFailed(failures));
      else if (current && thrown) tell({ added: [], removed: [], updated: [] });
      if (sources.every((each) => each.ended)) subscriber.complete();
    };

    for (let index = 0; index < discoveries.length && !subscriber.closed; index++) {
      subscriber.add(
        asked(discoveries[index]!, queryFor(index, query, nodes, sources)).subscribe({
          next: (set) => heard(index, set),
          error: (error: unknown) => ended(index, { error }),
          complete: () => ended(index),
        }),
      );
    }
  });
}

function asked(discovery: Discovery, query: DiscoveryQuery): Observable<NodeSet> {
  try {
    return discovery(query);
  } catch (error) {
    return new Observable((subscriber) => subscriber.error(error));
  }
}

/** What one source is asked: the same, with the ids of the union put into its own. */
function queryFor(index: number, query: DiscoveryQuery, nodes: NodeUnion, sources: readonly Source[]): DiscoveryQuery {
  return {
    ...query,
    reconfirm$: query.reconfirm$?.pipe(mergeMap((id) => nodes.idsAt(index, id))),
    onEvent: (event) => {
      sources[index]!.name = event.source;
      query.onEvent?.(event);
    },
  };
}

function derived(before: NodeSet | undefined, { added, removed, updated }: NodeChanges, nodes: NodeUnion): NodeSet {
  // The first set, and one of which most changed, is cheaper made anew.
  if (!before || added.length + removed.length + updated.length > before.size / 2) {
    return before && added.length + removed.length + updated.length === 0
      ? before
      : NodeSet.of(nodes.nodes(), before?.stale);
  }
  return before.without(...removed.map(({ id }) => id)).with(...updated, ...added);
}

function staleness(sources: readonly Source[], before: Staleness | undefined): Staleness | undefined {
  let since = Infinity;
  const reasons: string[] = [];
  for (const { name, set, failure } of sources) {
    const stale = set?.stale ?? (failure && { since: failure.at, reason: failure.error.message });
    if (!stale) continue;
    since = Math.min(since, stale.since);
    reasons.push(`${name}: ${stale.reason}`);
  }
  if (reasons.length === 0) return undefined;
  const reason = reasons.join('; ');
  return before && before.since === since && before.reason === reason ? before : { since, reason };
}

function allFailed(failures: readonly { readonly name: string; readonly error: FleetError }[]): FleetError {
  if (failures.length === 1) return failures[0]!.error;
  return new FleetError(
    'DISCOVERY_FAILED',
    `every discovery failed: ${failures.map(({ name, error }) => `${name}: ${error.message}`).join('; ')}`,
    { cause: failures[0]!.error },
  );
}
