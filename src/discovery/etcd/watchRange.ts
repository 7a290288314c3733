/** Watches prefixes of etcd over one stream: what changed, revision by revision, each whole. */

import { create } from '@bufbuild/protobuf';
import {
  asyncScheduler,
  concat,
  Observable,
  of,
  Subject,
  Subscription,
  takeUntil,
  throwError,
  timer,
  type SchedulerLike,
} from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { Event } from '../../gen/etcd/kv_pb.js';
import { Watch, WatchRequestSchema, type WatchRequest, type WatchResponse } from '../../gen/etcd/rpc_pb.js';
import type { EtcdClient } from './etcdClient.js';
import { isStaleToken } from './etcdFailure.js';
import type { KeyRange } from './keyRange.js';

/** A prefix, and the revision up to which its changes are known. */
export interface WatchedRange extends KeyRange {
  readonly revision: bigint;
}

/**
 * `created`: all watches stand. `events`: what changed under a prefix, whole revisions. `bookmark`: nothing changed up
 * to the revision. `caughtUp`: every change before the watches were created has been told.
 */
export type WatchNews =
  | { readonly type: 'created' }
  | { readonly type: 'caughtUp' }
  | { readonly type: 'events'; readonly range: number; readonly events: readonly Event[]; readonly revision: bigint }
  | { readonly type: 'bookmark'; readonly range: number; readonly revision: bigint };

export interface WatchOptions {
  /**
   * How long to wait for the server to say that everything from before the watches is told, so that `caughtUp` is true
   * to the moment, in milliseconds. Default 0: `caughtUp` follows `created`.
   */
  readonly catchUpMs?: number;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** How often the server is asked meanwhile, in milliseconds: while it owes something it does not answer. */
const askEveryMs = 100;

/**
 * Watches each range from the revision after the one that is known.
 *
 *     etcd     -c---f--F---p-|     f and F: two fragments of one answer, p: a progress notification
 *     news     -c------e---b-#
 *
 * Fragments are put together before they are told, so a revision is never told in parts. What a range knows already is
 * not told again. Errors with `OUT_OF_RANGE` when the revision is compacted, with `UNAVAILABLE` when the stream ends.
 */
export function watchRange(
  client: EtcdClient,
  ranges: readonly WatchedRange[],
  { catchUpMs = 0, scheduler = asyncScheduler }: WatchOptions = {},
): Observable<WatchNews> {
  return new Observable((subscriber) => {
    const more$ = new Subject<WatchRequest>();
    const known = ranges.map(({ revision }) => revision);
    const fragments = ranges.map((): Event[] => []);
    let created = 0;
    const asking = new Subscription();
    subscriber.add(asking);
    let behind = false;

    const take = (response: WatchResponse): void => {
      const range = Number(response.watchId) - 1;
      const revision = response.header?.revision ?? 0n;
      if (response.canceled) return subscriber.error(cancelled(response, client));
      if (response.created) return stands(range, revision);
      // An answer to our own question; old servers may send it before the changes that they still owe.
      if (range < 0 || range >= ranges.length) return caughtUp();
      const events = fragments[range]!;
      for (const event of response.events) events.push(event);
      if (response.fragment) return;
      fragments[range] = [];
      if (events.length > 0) tell(range, events);
      else bookmark(range, revision);
    };
    const stands = (range: number, revision: bigint): void => {
      created++;
      if (revision > (known[range] ?? 0n)) behind = true;
      if (created < ranges.length) return;
      subscriber.next({ type: 'created' });
      if (!behind || catchUpMs === 0) return caughtUp();
      asking.add(
        timer(0, askEveryMs, scheduler)
          .pipe(takeUntil(timer(catchUpMs, scheduler)))
          .subscribe({ next: () => more$.next(progress), complete: caughtUp }),
      );
    };
    const caughtUp = (): void => {
      if (asking.closed) return;
      asking.unsubscribe();
      subscriber.next({ type: 'caughtUp' });
    };
    const tell = (range: number, events: readonly Event[]): void => {
      const before = known[range]!;
      const news = events.filter(({ kv }) => kv !== undefined && kv.modRevision > before);
      const revision = news.at(-1)?.kv?.modRevision;
      if (revision === undefined) return;
      known[range] = revision;
      subscriber.next({ type: 'events', range, events: news, revision });
    };
    const bookmark = (range: number, revision: bigint): void => {
      if (revision <= known[range]!) return;
      known[range] = revision;
      subscriber.next({ type: 'bookmark', range, revision });
    };

    const creations = ranges.map(({ key, rangeEnd, revision }, index) =>
      create(WatchRequestSchema, {
        requestUnion: {
          case: 'createRequest',
          value: {
            ...{ key, rangeEnd, startRevision: revision + 1n, watchId: BigInt(index + 1) },
            ...{ progressNotify: true, fragment: true },
          },
        },
      }),
    );
    const ended = throwError(() => new FleetError('UNAVAILABLE', `etcd at ${client.endpoint} ended the watch`));
    return concat(client.stream(Watch.method.watch, concat(of(...creations), more$)), ended).subscribe({
      next: take,
      error: (error: unknown) => subscriber.error(error),
    });
  });
}

const progress = create(WatchRequestSchema, { requestUnion: { case: 'progressRequest', value: {} } });

function cancelled({ compactRevision, cancelReason }: WatchResponse, client: EtcdClient): FleetError {
  const { endpoint } = client;
  if (compactRevision > 0n || /compacted|future revision/.test(cancelReason)) {
    return new FleetError('OUT_OF_RANGE', `etcd at ${endpoint} has compacted the revision to watch from`);
  }
  if (cancelReason.includes('permission denied')) {
    return new FleetError(
      'PERMISSION_DENIED',
      `etcd at ${endpoint} denies the watch: grant a role with read permission for the keys`,
    );
  }
  const reason = cancelReason.replace(/^.*desc = /, '') || 'it gave no reason';
  const error = new FleetError('UNAVAILABLE', `etcd at ${endpoint} cancelled the watch: ${reason}: it is opened again`);
  if (isStaleToken(error)) client.forgetToken();
  else client.leave();
  return error;
}
