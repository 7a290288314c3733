/** How a discovery survives its source: it keeps what it knew, says that it is stale, and connects again. */

import { asyncScheduler, defer, Observable, retry, tap, timer } from 'rxjs';
import { exponentialBackoff, type BackoffOptions } from '../core/backoff.js';
import { FleetError } from '../core/fleetError.js';
import { createNode } from '../core/node.js';
import type { NodeSet, Staleness } from '../core/nodeSet.js';
import type { DiscoveryQuery } from './discovery.js';
import { sameNode } from './sameNode.js';
import { settled } from './settled.js';

export interface ReconnectingOptions {
  /** The discovery, as in `Node.sources`. */
  readonly source: string;
  /** Waits between connections. Default 100 ms, doubling to 30 s, ± 20 %; a session that emitted starts it anew. */
  readonly backoff?: BackoffOptions;
}

/**
 * Runs sessions with a source, one after another, as one discovery.
 *
 *     session 1    -a--b-#
 *     session 2            --b'-        b' has the nodes of b
 *     discovery    -a--b-B---b----      B is b, marked stale
 *
 * A session emits whole sets, the first once it knows the state of the world. It ends by an error, or by completing
 * where a live source never should; both mean that the source is cut off. What a new session finds is emitted as the
 * difference: unchanged nodes keep their object, and nothing is emitted that is not new.
 *
 * Errors only when a session fails for the caller's fault (blame `caller`, `UNAUTHENTICATED`, `PERMISSION_DENIED`).
 */
export function reconnecting(
  query: DiscoveryQuery,
  session: () => Observable<NodeSet>,
  options: ReconnectingOptions,
): Observable<NodeSet> {
  const { scheduler = asyncScheduler, random = Math.random, onEvent } = query;
  const { source } = options;
  const backoff = exponentialBackoff({ initialBackoffMs: 100, maxBackoffMs: 30_000, ...options.backoff });

  return new Observable((subscriber) => {
    let current: NodeSet | undefined;
    // The last set of the running session, of which the next is most often derived.
    let before: NodeSet | undefined;
    let failures = 0;
    let cutOff = false;

    const emit = (next: NodeSet) => {
      if (next === current) return;
      current = next;
      subscriber.next(next);
    };
    const take = (set: NodeSet) => {
      failures = 0;
      if (cutOff) onEvent?.({ source, type: 'connected', message: `${source} is back` });
      cutOff = false;
      const next = before && current ? changed(current, set, before) : settled(current, set.nodes, set.stale);
      before = set;
      emit(next);
    };
    const lost = (thrown: unknown) => {
      const error = FleetError.from(thrown);
      if (hopeless(error)) throw error;
      if (!cutOff) onEvent?.({ source, type: 'disconnected', message: error.message, cause: thrown });
      cutOff = true;
      before = undefined;
      const stale: Staleness = { since: scheduler.now(), reason: `${source} is cut off: ${error.message}` };
      if (current && !current.stale) emit(current.withStale(stale));
      return timer(backoff(++failures, random), scheduler);
    };
    const ended = new FleetError('UNAVAILABLE', 'the source ended the session');
    const endless = () =>
      new Observable<NodeSet>((inner) =>
        session().subscribe({
          next: (set) => inner.next(set),
          error: (error: unknown) => inner.error(error),
          complete: () => inner.error(ended),
        }),
      );
    return defer(endless)
      .pipe(tap(take), retry({ delay: lost }))
      .subscribe({ error: (error: unknown) => subscriber.error(error) });
  });
}

/** The set after `current`, when the source went from `before` to `after`: the cost is that of the difference. */
function changed(current: NodeSet, after: NodeSet, before: NodeSet): NodeSet {
  const { added, removed, updated } = after.changesSince(before);
  // Most of it changed: then making it anew is cheaper.
  if (added.length + removed.length + updated.length > current.size / 2) {
    return settled(current, after.nodes, after.stale);
  }
  const news = [...updated, ...added].flatMap((node) => {
    const old = current.get(node.id);
    if (!old) return [node];
    return sameNode(old, node) ? [] : [createNode({ ...node, firstSeen: old.firstSeen, stats: old.stats })];
  });
  return current
    .without(...removed.map(({ id }) => id))
    .with(...news)
    .withStale(after.stale);
}

/** What no new connection will mend. `DISCOVERY_FAILED` alone is what an unknown error becomes. */
function hopeless({ code, blame }: FleetError): boolean {
  if (code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED') return true;
  return blame === 'caller' && code !== 'CANCELLED' && code !== 'DISCOVERY_FAILED';
}
