/** Lists all keys under some prefixes as they were at one revision, page by page. */

import { defer, EMPTY, expand, last, map, reduce, tap, type Observable, from, concatMap } from 'rxjs';
import { KV } from '../../gen/etcd/rpc_pb.js';
import type { KeyValue } from '../../gen/etcd/kv_pb.js';
import type { EtcdClient } from './etcdClient.js';
import { keyAfter, type KeyRange } from './keyRange.js';

/** The world at a revision. */
export interface Listing {
  readonly revision: bigint;
  readonly entries: readonly KeyValue[];
}

/**
 * Emits one listing and completes. The first page sets the revision and all others are read at it, so that a listing of
 * many pages is of one moment. Errors with `OUT_OF_RANGE` when that revision is compacted before the last page is read.
 */
export function listRange(client: EtcdClient, ranges: readonly KeyRange[], pageSize: number): Observable<Listing> {
  return defer(() => {
    const limit = BigInt(pageSize);
    let revision = 0n;
    const page = (key: Uint8Array, rangeEnd: Uint8Array) =>
      client
        .unary(KV.method.range, { key, rangeEnd, limit, revision })
        .pipe(tap(({ header }) => (revision = revision || (header?.revision ?? 0n))));
    const pages = ({ key, rangeEnd }: KeyRange) =>
      page(key, rangeEnd).pipe(
        expand(({ more, kvs }) => (more && kvs.length > 0 ? page(keyAfter(kvs.at(-1)!.key), rangeEnd) : EMPTY)),
      );
    return from(ranges).pipe(
      concatMap(pages),
      reduce((entries, { kvs }) => {
        for (const kv of kvs) entries.push(kv);
        return entries;
      }, [] as KeyValue[]),
      last(),
      map((entries) => ({ revision, entries })),
    );
  });
}
