/** One registration in etcd: a lease, and a key that ends with it. */

import { create } from '@bufbuild/protobuf';
import { catchError, concat, defer, EMPTY, finalize, ignoreElements, map, of, switchMap, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { Node } from '../../core/node.js';
import { bytesOf } from '../../discovery/etcd/keyRange.js';
import type { EtcdEntry } from '../../discovery/etcd/layout.js';
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  CompareSchema,
  KV,
  Lease as LeaseService,
  RequestOpSchema,
  type RequestOp,
} from '../../gen/etcd/rpc_pb.js';
import type { Lease } from '../registry.js';
import type { OpenConnection, SharedConnection } from './sharedConnection.js';

export interface PutOptions {
  readonly shared: SharedConnection;
  /** Life of a lease in seconds. */
  readonly ttlSeconds: number;
  /** The entry of a node, with the whole key. Throws for a node that cannot be written. */
  readonly encode: (node: Node) => EtcdEntry;
}

/** Grants a lease and puts the node under it. Emits the lease once and completes. */
export function putInEtcd(node: Node, { shared, ttlSeconds, encode }: PutOptions): Observable<Lease> {
  return defer(() => {
    const entry = encode(node);
    let granted: bigint | undefined;
    let done = false;
    return shared
      .use(({ client }) =>
        client.unary(LeaseService.method.leaseGrant, { TTL: BigInt(ttlSeconds) }).pipe(
          switchMap(({ ID: id, TTL: ttl }) => {
            granted = id;
            const ttlMs = Number(ttl) * 1_000;
            return client.unary(KV.method.put, { ...bytesOfEntry(entry), lease: id }).pipe(
              map((): Lease => {
                done = true;
                shared.holds(id, ttlMs);
                return leaseOf(id, entry.key, ttlMs, { shared, ttlSeconds, encode });
              }),
            );
          }),
        ),
      )
      .pipe(
        finalize(() => {
          if (granted === undefined || done) return;
          // Whoever left in between, or failed to put, leaves no lease behind; without an answer it ends by itself.
          const id = granted;
          shared
            .use(({ client }) => client.unary(LeaseService.method.leaseRevoke, { ID: id }))
            .subscribe({ error() {} });
        }),
      );
  });
}

function leaseOf(id: bigint, firstKey: string, ttlMs: number, { shared, encode }: PutOptions): Lease {
  let key = firstKey;
  /** Updates that began, and that ended: what is read during one says nothing. */
  let begun = 0;
  let ended = 0;

  const lost = (endpoint: string, why: string) => {
    shared.gaveUp(id);
    return new FleetError('NOT_FOUND', `etcd at ${endpoint}: the registration of ${key} is lost: ${why}`);
  };
  return {
    get key() {
      return key;
    },
    ttlMs,

    renew: () =>
      shared.use(({ client, keepAlives }) =>
        keepAlives.renew(id).pipe(
          switchMap((leftMs) => {
            if (leftMs <= 0) throw lost(client.endpoint, 'its lease has ended; it must be put in again');
            shared.holds(id, leftMs);
            const before = ended;
            // A lease outlives a key that somebody has deleted or taken over; whoever may not read is not asked.
            return client.unary(KV.method.range, { key: bytesOf(key) }).pipe(
              map(({ kvs: [kv] }) => kv?.lease === id),
              catchError(() => of(true)),
              map((ours) => {
                if (ours || begun !== before || begun !== ended) return leftMs;
                throw lost(client.endpoint, 'its key was deleted, or another registration has taken it');
              }),
            );
          }),
        ),
      ),

    update: (node) =>
      defer(() => {
        const entry = encode(node);
        const put = operation('requestPut', { ...bytesOfEntry(entry), lease: id });
        const moved = entry.key !== key ? [operation('requestDeleteRange', { key: bytesOf(key) })] : [];
        begun++;
        return shared.use((connection) =>
          ifOurs(connection, key, id, [put, ...moved]).pipe(
            switchMap((ours) => {
              if (!ours) throw lost(connection.client.endpoint, 'another registration has taken the key');
              key = entry.key;
              return EMPTY;
            }),
            catchError((error: FleetError) => {
              const gone = error.code === 'NOT_FOUND' && !error.detail.includes('is lost');
              return throwError(() => (gone ? lost(connection.client.endpoint, 'its lease has ended') : error));
            }),
            finalize(() => ended++),
          ),
        );
      }),

    withdraw: () =>
      shared.use((connection) =>
        concat(
          // First the key: whoever wrote it without a lease, as flare's heartbeats do, has made it outlive ours.
          ifOurs(connection, key, id, [operation('requestDeleteRange', { key: bytesOf(key) })]),
          connection.client.unary(LeaseService.method.leaseRevoke, { ID: id }).pipe(
            catchError((error: FleetError) => (error.code === 'NOT_FOUND' ? of(undefined) : throwError(() => error))),
            map(() => shared.gaveUp(id)),
          ),
        ).pipe(ignoreElements()),
      ),
  };
}

/**
 * Does this in one transaction, when the key is under our lease, under none, or gone; emits whether it was done. A key
 * under another lease belongs to whoever registered the same node after us.
 */
function ifOurs(
  { client }: OpenConnection,
  key: string,
  lease: bigint,
  operations: readonly RequestOp[],
): Observable<boolean> {
  const under = (value: bigint) =>
    create(CompareSchema, {
      result: Compare_CompareResult.EQUAL,
      target: Compare_CompareTarget.LEASE,
      key: bytesOf(key),
      targetUnion: { case: 'lease', value },
    });
  const success = [...operations];
  return client
    .unary(KV.method.txn, {
      compare: [under(lease)],
      success,
      failure: [operation('requestTxn', { compare: [under(0n)], success })],
    })
    .pipe(
      map(({ succeeded, responses: [first] }) => {
        return succeeded || (first?.response.case === 'responseTxn' && first.response.value.succeeded);
      }),
    );
}

function operation(name: NonNullable<RequestOp['request']['case']>, value: object): RequestOp {
  return create(RequestOpSchema, { request: { case: name, value } as never });
}

function bytesOfEntry({ key, value }: EtcdEntry) {
  return { key: bytesOf(key), value: bytesOf(value) };
}
