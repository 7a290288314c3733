/** Nodes that are registered in etcd (version 3.4 and later), found over its gRPC API. */

import { asapScheduler, asyncScheduler, defer, finalize, subscribeOn } from 'rxjs';
import { requireOption } from '../core/requireOption.js';
import type { BackoffOptions } from '../core/backoff.js';
import type { NodeInit } from '../core/node.js';
import type { Discovery } from './discovery.js';
import { resolveConnection, type EtcdConnectionOptions } from './etcd/connectionOptions.js';
import { EtcdClient } from './etcd/etcdClient.js';
import { followRanges, type Following } from './etcd/followRanges.js';
import { prefixRange } from './etcd/keyRange.js';
import type { EtcdEntry, EtcdLayout, EtcdScope } from './etcd/layout.js';
import { layoutOf, type EtcdLayoutName } from './etcd/layoutOf.js';
import { Ledger } from './etcd/ledger.js';
import { reconnecting } from './reconnecting.js';

export type { EtcdConnectionOptions, EtcdEntry, EtcdLayout, EtcdLayoutName, EtcdScope };

export interface EtcdOptions extends EtcdConnectionOptions {
  /** How keys and values are written: by name, or one of your own. Default `rxfleet`. */
  readonly layout?: EtcdLayoutName | EtcdLayout;
  /** Looked in when the query names no namespace. Default: what the layout does without one. */
  readonly namespace?: string;
  /** Stands before every key. Default `''`. */
  readonly prefix?: string;
  /** How many keys are listed with one request. Default 1,000. */
  readonly pageSize?: number;
  /** Waits between connections. Default 100 ms, doubling to 30 s, ± 20 %. */
  readonly backoff?: BackoffOptions;
}

/**
 * Lists the nodes of a service at one revision, and watches from the next.
 *
 *     etcd(…)      a---b-B---c--     a = x y, b = x y z, B is b marked stale: the connection broke; c = what came meanwhile
 *
 * - A set is always the state of the store at one revision: a transaction is seen whole or not at all. Changes that
 *   arrive together are emitted as one set.
 * - After a broken connection, a dead member or a change of endpoint, the watch goes on after the last revision that was
 *   seen; progress notifications move it on while nothing changes. When the revision is compacted, or the store is
 *   another one, everything is listed again, and the difference is emitted.
 * - Several endpoints are one cluster: any of them serves. Members without a leader are left.
 * - A key that is no node is told as a `skipped` event. Deleted, expired and unreadable keys are gone.
 *
 * ```ts
 * etcd({ endpoints: ['10.0.0.1:2379', '10.0.0.2:2379'], layout: 'flare', user: 'reader', password });
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option. Errors with `UNAUTHENTICATED` for a refused login, with
 *   `PERMISSION_DENIED` when the user may not read the keys.
 */
export function etcd(options: EtcdOptions = {}): Discovery {
  const connection = resolveConnection(options);
  const layout = layoutOf(options.layout ?? 'rxfleet');
  const { prefix = '', pageSize = 1_000, backoff } = options;
  requireOption(Number.isInteger(pageSize) && pageSize > 0, 'pageSize', 'a whole number of at least 1', pageSize);

  return (query) =>
    defer(() => {
      const { scheduler = asyncScheduler, random = Math.random, onEvent, service } = query;
      requireOption(service !== '', 'service', 'a name', '""');
      const scope: EtcdScope = { service, namespace: query.namespace ?? options.namespace };
      const prefixes = layout.prefixes?.(scope) ?? [`${service}/`];
      const following: Following = {
        ledger: new Ledger({
          decode: ({ key, value }) => decoded(layout, { key: key.slice(prefix.length), value }, scope),
          skipped: (message, cause) => onEvent?.({ source, type: 'skipped', message, cause }),
          now: () => scheduler.now(),
        }),
        ranges: prefixes.map((each) => prefixRange(prefix + each)),
        revisions: [],
      };
      const client = new EtcdClient(connection, { scheduler, random });
      const { requestTimeoutMs } = connection;
      return reconnecting(query, () => followRanges(client, following, { pageSize, requestTimeoutMs, scheduler }), {
        source,
        ...(backoff ? { backoff } : {}),
      }).pipe(finalize(() => client.close()));
      // Who leaves in the same turn has opened nothing.
    }).pipe(subscribeOn(asapScheduler));
}

const source = 'etcd';

function decoded(layout: EtcdLayout, entry: EtcdEntry, { service, namespace }: EtcdScope): NodeInit | undefined {
  const init = layout.decode(entry, { service, namespace });
  if (!init) return undefined;
  return { service, ...(namespace === undefined ? {} : { namespace }), ...init, sources: [source] };
}
