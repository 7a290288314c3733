/** One look after another, each when the answers of the one before run out: a session of node sets. */

import {
  defer,
  map,
  merge,
  mergeMap,
  NEVER,
  repeat,
  take,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { NodeSet, type Staleness } from '../../core/nodeSet.js';
import type { Lookup } from './lookup.js';

export interface RefreshingOptions {
  readonly lookup: () => Observable<Lookup>;
  /** Ids of nodes that a call has just failed on. */
  readonly reconfirm$: Observable<string> | undefined;
  /** Makes the next look ask anew for what is known of a node. */
  readonly expire: (name: string) => void;
  /** No two looks are closer than this, in milliseconds. */
  readonly minTtlMs: number;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

/**
 * Looks again and again; each wait is up to a tenth longer than the answers live, so that clients do not ask all at
 * once. A node that a call failed on makes it look sooner, but no sooner than `minTtlMs` after the last time.
 *
 *     answers live    a---|  b---|
 *     looks           a------b---------
 *     set             a------b---------
 *
 * Never completes; errors as soon as a look does.
 */
export function refreshing(options: RefreshingOptions): Observable<NodeSet> {
  const { lookup, reconfirm$ = NEVER, expire, minTtlMs, scheduler, random } = options;
  return defer(() => {
    let last: Lookup | undefined;
    let lookedAt = 0;
    let stale: Staleness | undefined;
    const setOf = (found: Lookup): NodeSet => {
      last = found;
      lookedAt = scheduler.now();
      if (found.stale !== stale?.reason)
        stale = found.stale === undefined ? undefined : { since: lookedAt, reason: found.stale };
      return NodeSet.of(found.nodes, stale);
    };
    const next = () => {
      const now = scheduler.now();
      const wait = Math.max(minTtlMs, last!.refreshAt - now);
      const asked$ = reconfirm$.pipe(
        tap((id) => expire(last!.nodes.find((node) => node.id === id)?.name ?? id)),
        take(1),
        mergeMap(() => timer(Math.max(0, lookedAt + minTtlMs - scheduler.now()), scheduler)),
      );
      return merge(timer(wait * (1 + 0.1 * random()), scheduler), asked$);
    };
    return defer(lookup).pipe(map(setOf), repeat({ delay: next }));
  });
}
