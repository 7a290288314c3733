/** Nodes from the registry of an AIO server. */

import { asyncScheduler, defer, type SchedulerLike } from 'rxjs';
import { AioAccess } from './aio/access.js';
import type { AioAccessOptions } from './aio/aioAccessOptions.js';
import { aioDiscovery, type AioDiscoveryOptions } from './aio/aioDiscovery.js';
import { ServiceLists, type AioPollOptions } from './aio/serviceLists.js';
import type { Discovery } from './discovery.js';

export interface AioOptions extends AioAccessOptions, AioDiscoveryOptions, AioPollOptions {}

/**
 * Discovers the instances of a service that are online. `service` is its name, `namespace` its project.
 *
 *     ListServices   a-----b-----#--c-----     every 30 s ± 10 %; again 100 ms to 30 s after a failure
 *     discovery      a-----b-----B--c-----     B is b, marked stale
 *
 * - AIO's registry cannot be watched, so it is asked again and again; several queries for one project and environment
 *   share one request and one connection.
 * - A service that is listed without instances is empty, and so is one that the project does not have: there the source
 *   has said so. Of the missing one an event of the type `skipped` tells besides.
 * - The id of a node is its instance key, or the id that rxfleet registered it under, which a new registration keeps; of
 *   two registrations of one node the later one counts.
 * - Addresses come in the order of `network`, then of their priority. `meta_json` gives version, zone, region, weight
 *   and tags. Servers up to 1.0.5 and later ones are both understood.
 * - A refused credential is renewed once, and the call repeated once.
 *
 * ```ts
 * const fleet = createFleet({
 *   service: 'orders',
 *   discovery: aio({ registryAddr: '10.0.0.1:50051', clientKey, clientSecret, project: 'shop', env: 'prod' }),
 *   transport: grpcTransport(),
 * });
 * ```
 *
 * Errors with `UNAUTHENTICATED` when key or secret are refused, `PERMISSION_DENIED` when the client may not ask.
 *
 * @throws FleetError `INVALID_OPTION`, naming the option.
 */
export function aio(options: AioOptions): Discovery {
  // What all queries of one clock share.
  const clocks = new Map<SchedulerLike, Discovery>();
  const of = (scheduler: SchedulerLike, random: (() => number) | undefined): Discovery => {
    let discovery = clocks.get(scheduler);
    if (!discovery) {
      const access = new AioAccess({ ...options, scheduler, random: options.random ?? random });
      discovery = aioDiscovery(access, new ServiceLists(access, options), options);
      clocks.set(scheduler, discovery);
    }
    return discovery;
  };
  // Refuses senseless options at once.
  of(options.scheduler ?? asyncScheduler, undefined);
  return (query) => defer(() => of(options.scheduler ?? query.scheduler ?? asyncScheduler, query.random)(query));
}
