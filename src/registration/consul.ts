/** Puts nodes into Consul, through the agent of their host. */

import { asyncScheduler, defer, type SchedulerLike } from 'rxjs';
import { requireOption } from '../core/requireOption.js';
import { consulHttp, type ConsulConnection } from '../discovery/consul/http.js';
import { layoutOf, type ConsulLayout, type ConsulLayoutName } from '../discovery/consul/layout.js';
import { consulCheck, type ConsulCheckOptions } from './consul/consulCheck.js';
import { putInConsul } from './consul/putInConsul.js';
import type { Registry } from './registry.js';

export type { ConsulCheckOptions };

export interface ConsulRegistryOptions extends ConsulConnection {
  /** How nodes are written: `rxfleet` (facts in Meta), `flare` (flare's own payload), or one of your own. Default `rxfleet`. */
  readonly layout?: ConsulLayoutName | ConsulLayout;
  /** Who watches over the node. Default: heartbeats, `{ ttlMs: 90_000 }`. */
  readonly check?: ConsulCheckOptions;
  /**
   * How long a node may be critical before Consul takes it out, in milliseconds. Default: twice the TTL, at least 60,000,
   * which is the least that Consul knows; it looks every 30 s.
   */
  readonly deregisterAfterMs?: number;
  /** For the time limit of requests. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Consul as a registry, for `register()`.
 *
 * Each node is a service of the agent at `address`, which should be the one of its own host. With a TTL check the
 * heartbeats keep it passing, from the first moment on; with an HTTP or gRPC check the agent asks the node itself, and
 * it is critical until that succeeds. An update registers the same ID again and keeps the state of the check. An agent
 * that has forgotten the node, such as one that restarted, makes the next heartbeat fail with `NOT_FOUND`: it is lost.
 *
 *     register({ service: 'thumbnails', address: '10.0.0.7:50051', weight: 3 }, consulRegistry()).subscribe();
 *
 * Errors: `PERMISSION_DENIED` when the ACL token lacks `service:write`, `UNAVAILABLE` when the agent cannot be reached,
 * `INVALID_OPTION` for a node that the layout cannot hold.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option, naming it.
 */
export function consulRegistry(options: ConsulRegistryOptions = {}): Registry {
  const { scheduler = asyncScheduler } = options;
  const layout = layoutOf(options.layout ?? 'rxfleet');
  const check = consulCheck(options.check ?? { ttlMs: 90_000 });
  const deregisterAfterMs = options.deregisterAfterMs ?? Math.max(60_000, 2 * (check.ttlMs ?? 0));
  requireOption(deregisterAfterMs >= 60_000, 'deregisterAfterMs', 'at least 60,000', deregisterAfterMs);
  const http = consulHttp(options, scheduler);
  return {
    name: 'consul',
    put: (node) => defer(() => putInConsul(node, { http, layout, check, deregisterAfterMs })),
  };
}
