/** Announces nodes in the registry of an AIO server. */

import { AioAccess } from '../discovery/aio/access.js';
import type { AioAccessOptions } from '../discovery/aio/aioAccessOptions.js';
import { aioRegistryOver, type AioRegistrationOptions } from './aio/aioRegistryOver.js';
import { Heartbeats } from './aio/heartbeats.js';
import type { Registry } from './registry.js';

export interface AioRegistryOptions extends AioAccessOptions, AioRegistrationOptions {}

/**
 * The registry of an AIO server, for `register()`. A node's `service` is the name of the service, its `namespace` the
 * project.
 *
 *     RegisterInstance    -r-------------------r'---    r' has another key
 *     HeartbeatStream     --b---b---b---b---b--b'---    one stream for all nodes, kept open
 *     answers             --e---e---e---e---0--e'---    0: not known any more
 *     register()          -R----R---R---R---(lr)R'--
 *
 * - Each registration gets a key of its own: the server goes on refusing a key that was once taken out.
 * - A first heartbeat follows at once: the server says OK also to what it will not keep.
 * - The service is created when the project has none of that name, unless `ensureService` is false.
 * - The life counts by our clock from the sending; what the server's clock shows does not matter.
 * - Every address of the node is written, with its network and in its order; see `instanceOfNode` for the rest.
 *
 * ```ts
 * register({ service: 'orders', namespace: 'shop', address: '10.0.0.7:50051' },
 *          aioRegistry({ registryAddr: '10.0.0.1:50051', clientKey, clientSecret, env: 'prod' }))
 *   .subscribe(({ state, deadline }) => console.log(state, deadline));
 * ```
 *
 * Its errors name the server that was asked, the method, and what to do; never a secret.
 *
 * @throws FleetError `INVALID_OPTION`, naming the option.
 */
export function aioRegistry(options: AioRegistryOptions): Registry {
  const access = new AioAccess(options);
  return aioRegistryOver(access, new Heartbeats(access, access.callTimeoutMs), options);
}
