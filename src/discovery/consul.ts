/** Finds nodes in Consul, by blocking queries on its health endpoint. */

import { asyncScheduler, defer, map, throwError } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';
import { blockingQuery } from './consul/blockingQuery.js';
import type { ConsulCheck, ConsulEntry } from './consul/consulEntry.js';
import { consulSession } from './consul/consulSession.js';
import { consulHttp, type ConsulConnection } from './consul/http.js';
import { layoutOf, type ConsulLayout, type ConsulLayoutName, type ConsulService } from './consul/layout.js';
import type { PaceOptions } from './consul/pace.js';
import type { Discovery } from './discovery.js';
import { reconnecting } from './reconnecting.js';

export type { ConsulCheck, ConsulConnection, ConsulEntry, ConsulLayout, ConsulLayoutName, ConsulService, PaceOptions };

export interface ConsulOptions extends ConsulConnection {
  /** How nodes are written: `rxfleet` (facts in Meta), `flare` (facts in tags), or one of your own. Default `rxfleet`. */
  readonly layout?: ConsulLayoutName | ConsulLayout;
  /**
   * Only instances whose checks all pass. Default true. With false the others are listed too, as `notServing` with the
   * output of the check as the reason.
   */
  readonly passingOnly?: boolean;
  /**
   * `default`: the leader answers, and may be deposed for some seconds without knowing. `stale`: any server answers, also
   * without a leader, and the set is marked stale then. `consistent`: the leader asks the others first. Default `default`.
   */
  readonly mode?: 'default' | 'stale' | 'consistent';
  /**
   * How long a query is held back while nothing changes, in milliseconds, to 600,000. Default 240,000: with what Consul
   * adds, the longest that the `fetch` of Node.js bears; longer ones go over node:http. A connection that dies without a
   * word is noticed no later than this, a sixteenth and `requestTimeoutMs`.
   */
  readonly waitMs?: number;
  /** How fast it is asked again while answers keep coming. */
  readonly pace?: PaceOptions;
}

/**
 * The instances of `query.service` in Consul, as a live node set.
 *
 * A node's `id` is the ID of its service, its address that of the service or else of its host, its `weight` that of
 * Consul's Weights. Tags `key=value` are its tags. In the layout `rxfleet`, Meta holds its version, namespace, zone and
 * region, and the rest of Meta is its metadata; in `flare` they are tags. With a `query.namespace` only nodes that name it
 * are listed.
 *
 * Changes are followed at once, up to two in quick succession; past that the waits grow to 15 s (`pace`), as Consul asks
 * of its clients. While Consul cannot be reached, has no leader or fails, the last set stays, marked `stale`. An empty
 * answer counts only when the token may read the service, since Consul hides what it may not. Unsubscribing ends the
 * query at once; a connection that was idle is kept for some seconds, and holds no process.
 *
 *     consul({ address: 'http://127.0.0.1:8500' })({ service: 'thumbnails' }).subscribe((set) => console.log(set.size));
 *
 * Errors with `PERMISSION_DENIED` or `UNAUTHENTICATED` when the token is refused, with `INVALID_OPTION` when Consul
 * refuses the query.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option, naming it.
 */
export function consul(options: ConsulOptions = {}): Discovery {
  const { passingOnly = true, mode = 'default', waitMs = 240_000, pace = {} } = options;
  const layout = layoutOf(options.layout ?? 'rxfleet');
  requireOption(['default', 'stale', 'consistent'].includes(mode), 'mode', 'default, stale or consistent', mode);
  requireOption(waitMs >= 10 && waitMs <= 600_000, 'waitMs', 'from 10 to 600,000', waitMs);
  const { burst = 2, steadyMs = 15_000, firstMs = 250 } = pace;
  requireOption(burst >= 1, 'pace.burst', 'at least 1', burst);
  requireOption(firstMs > 0, 'pace.firstMs', 'above 0', firstMs);
  requireOption(steadyMs >= firstMs, 'pace.steadyMs', 'at least pace.firstMs', steadyMs);
  consulHttp(options, asyncScheduler);

  return (query) => {
    const { scheduler = asyncScheduler, random = Math.random, onEvent } = query;
    if (!query.service) return throwError(() => new FleetError('INVALID_OPTION', 'service must be the name of one'));
    return defer(() => {
      const http = consulHttp(options, scheduler);
      const told = new Set<string>();
      const skipped = (message: string, cause: unknown) => {
        // Bad entries come again with every answer.
        if (told.has(message)) return;
        if (told.size > 1_000) told.clear();
        told.add(message);
        onEvent?.({ source: 'consul', type: 'skipped', message: `consul at ${http.endpoint}: ${message}`, cause });
      };
      const now = () => scheduler.now();
      const ask = consulSession({ http, query, layout, passingOnly, mode, waitMs, skipped, now });
      const list$ = blockingQuery(ask, { waitMs, burst, steadyMs, firstMs, scheduler, random });
      return reconnecting(query, () => list$.pipe(map(({ set }) => set)), { source: 'consul' });
    });
  };
}
