/** Puts nodes into etcd (version 3.4 and later), over its gRPC API. */

import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { requireOption } from '../core/requireOption.js';
import { resolveConnection, type EtcdConnectionOptions } from '../discovery/etcd/connectionOptions.js';
import type { EtcdLayout } from '../discovery/etcd/layout.js';
import { layoutOf, type EtcdLayoutName } from '../discovery/etcd/layoutOf.js';
import { putInEtcd } from './etcd/putInEtcd.js';
import { SharedConnection } from './etcd/sharedConnection.js';
import type { Registry } from './registry.js';

export interface EtcdRegistryOptions extends EtcdConnectionOptions {
  /** How keys and values are written: by name, or one of your own. Default `rxfleet`. */
  readonly layout?: EtcdLayoutName | EtcdLayout;
  /** For nodes that name no namespace. Default: what the layout does without one. */
  readonly namespace?: string;
  /** Stands before every key. Default `''`. */
  readonly prefix?: string;
  /**
   * Life without a heartbeat, in milliseconds; etcd counts whole seconds, so it is rounded up. etcd may grant a longer
   * one: at least one and a half of its election timeouts. Default 30,000.
   */
  readonly ttlMs?: number;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * etcd as a registry, for `register()`.
 *
 * Each node is one key under a lease of its own, in every layout: what dies is gone a TTL later at the latest. All
 * registrations of one registry share one connection, and one stream for their heartbeats. After each heartbeat the key
 * is looked at: one that was deleted by hand, or taken over, is lost though its lease lives. An update replaces the value
 * under the same lease. A withdrawal deletes the key and revokes the lease; a key that another process has taken over
 * since is left to it.
 *
 *     register({ service: 'thumbnails', address: '10.0.0.7:50051' }, etcdRegistry({ layout: 'flare' })).subscribe();
 *
 * Errors: `UNAUTHENTICATED` for a refused login, `PERMISSION_DENIED` when the user may not write the key, `UNAVAILABLE`
 * when no endpoint answers, `INVALID_OPTION` for a node that the layout cannot hold.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option, naming it.
 */
export function etcdRegistry(options: EtcdRegistryOptions = {}): Registry {
  const { namespace, prefix = '', ttlMs = 30_000, scheduler = asyncScheduler, random = Math.random } = options;
  requireOption(ttlMs > 0 && Number.isFinite(ttlMs), 'ttlMs', 'more than 0', ttlMs);
  const layout = layoutOf(options.layout ?? 'rxfleet');
  const shared = new SharedConnection(resolveConnection(options), { scheduler, random });
  return {
    name: 'etcd',
    put: (node) =>
      putInEtcd(node, {
        shared,
        ttlSeconds: Math.ceil(ttlMs / 1_000),
        encode: (each) => {
          const { key, value } = layout.encode(each, namespace);
          return { key: prefix + key, value };
        },
      }),
  };
}
