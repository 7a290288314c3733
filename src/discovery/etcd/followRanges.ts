/** One session with etcd: takes up where the last one ended when that is possible, else lists; then watches. */

import {
  catchError,
  concat,
  defer,
  EMPTY,
  map,
  mergeMap,
  of,
  switchMap,
  tap,
  throwError,
  timeout,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { NodeSet } from '../../core/nodeSet.js';
import { KV } from '../../gen/etcd/rpc_pb.js';
import type { EtcdClient } from './etcdClient.js';
import { isLostRevision } from './etcdFailure.js';
import type { KeyRange } from './keyRange.js';
import { sameBytes, type Ledger } from './ledger.js';
import { listRange } from './listRange.js';
import { watchRange } from './watchRange.js';

/** What outlives a session. */
export interface Following {
  readonly ledger: Ledger;
  readonly ranges: readonly KeyRange[];
  /** Up to where each range is known; empty before the first listing. Changed by the sessions. */
  revisions: bigint[];
}

export interface FollowOptions {
  readonly pageSize: number;
  /** How long a watch may take to stand, and a resumed one to tell what was missed, in milliseconds. */
  readonly requestTimeoutMs: number;
  readonly scheduler: SchedulerLike;
}

/**
 * A session for `reconnecting()`: emits the set as soon as it is right, then after each change.
 *
 *     first          list ───────► watch from the next revision
 *     again          prove ──────► watch from the next revision        the store is the one that was known
 *                      └► list ──► watch                               it is another, or has compacted what was missed
 *     compacted      watch ─► list at once ─► watch                    a second time in a row ends the session
 */
export function followRanges(client: EtcdClient, following: Following, options: FollowOptions): Observable<NodeSet> {
  const { ledger, ranges } = following;
  const { pageSize, requestTimeoutMs, scheduler } = options;

  const listed = (): Observable<NodeSet> =>
    listRange(client, ranges, pageSize).pipe(
      tap(({ entries, revision }) => {
        ledger.replace(entries);
        following.revisions = ranges.map(() => revision);
      }),
      switchMap(() => concat(of(ledger.nodes), watched(true))),
    );

  const tooLate = () => {
    const { endpoint } = client;
    client.leave();
    const reason = `did not answer the request to watch within ${requestTimeoutMs} ms: check that it is reachable`;
    return throwError(() => new FleetError('UNAVAILABLE', `etcd at ${endpoint} ${reason}`));
  };

  const watched = (isFresh: boolean): Observable<NodeSet> =>
    defer(() => {
      let fresh = isFresh;
      return watchRange(
        client,
        ranges.map((range, index) => ({ ...range, revision: following.revisions[index]! })),
        { scheduler, catchUpMs: fresh ? 0 : requestTimeoutMs },
      ).pipe(
        timeout({ first: requestTimeoutMs, scheduler, with: tooLate }),
        mergeMap((news) => {
          if (news.type === 'created') return EMPTY;
          if (news.type === 'caughtUp') {
            fresh = true;
            return of(ledger.nodes);
          }
          following.revisions[news.range] = news.revision;
          if (news.type === 'bookmark') return EMPTY;
          const before = ledger.nodes;
          ledger.apply(news.events);
          return fresh && ledger.nodes !== before ? of(ledger.nodes) : EMPTY;
        }),
      );
    });

  const resumed = (): Observable<NodeSet> => {
    const { fingerprint } = ledger;
    // An empty world is listed as fast as it is proved.
    if (!fingerprint) return listed();
    const { key, modRevision, lease, value } = fingerprint;
    const revision = following.revisions.reduce((a, b) => (a > b ? a : b));
    return client.unary(KV.method.range, { key, revision }).pipe(
      map(({ kvs: [kv] }) => {
        return kv !== undefined && kv.modRevision === modRevision && kv.lease === lease && sameBytes(kv.value, value);
      }),
      catchError((error: FleetError) => (isLostRevision(error) ? of(false) : throwError(() => error))),
      switchMap((known) => (known ? watched(false) : listed())),
    );
  };

  const relisted = (error: FleetError): Observable<NodeSet> => {
    if (!isLostRevision(error)) return throwError(() => error);
    following.revisions = [];
    // Once at once, for it is nobody's fault; then with the patience of `reconnecting()`.
    let emitted = 0;
    return listed().pipe(
      tap(() => emitted++),
      catchError((next: FleetError) => {
        // The first emission is the listing; the second says that the watch stood.
        if (emitted > 1 || !isLostRevision(next)) return relisted(next);
        following.revisions = [];
        return throwError(() => new FleetError('UNAVAILABLE', `${next.detail}, twice in a row`));
      }),
    );
  };

  return defer(() => (following.revisions.length > 0 ? resumed() : listed()).pipe(catchError(relisted)));
}
