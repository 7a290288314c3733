/** A service that registers itself and finds its peers, in one call. */

import { ReplaySubject, share, type Observable } from 'rxjs';
import { consistentHash } from '../balancer/consistentHash.js';
import { createFleet, type Fleet, type FleetOptions } from '../client/fleet.js';
import type { Transport } from '../core/channel.js';
import type { NodeInit, NodeState } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';
import type { Discovery } from '../discovery/discovery.js';
import { activeHealth } from '../health/activeHealth.js';
import { grpcHealth } from '../health/grpcHealth.js';
import type { Registration } from './registration.js';
import { register, type RegisterOptions } from './register.js';
import { refreshed } from './registerAndDiscover/refreshed.js';
import type { Registry } from './registry.js';

/** What the quick build starts from: the defaults that flare documents. Times in milliseconds. */
export const quickBuild = {
  /** Wait between two heartbeats: a third of the life. */
  heartbeatMs: 30_000,
  /** Life of the registration. */
  ttlMs: 90_000,
  /** How often the registry is read from scratch, beside being watched. */
  refreshMs: 30_000,
  health: { intervalMs: 10_000, timeoutMs: 5_000, failuresOut: 3, successesIn: 2 },
} as const;

/** The node as for `register()`, and what to register and find it with. */
export interface RegisterAndDiscoverOptions extends Omit<NodeInit, keyof NodeState | 'stats'> {
  /** Under which it is registered, and its peers are found. */
  readonly service: string;
  readonly discovery: Discovery;
  /** The registry, or what makes it for the life of 90 s: `({ ttlMs }) => etcdRegistry({ endpoints, ttlMs })`. */
  readonly registry: Registry | ((defaults: typeof quickBuild) => Registry);
  readonly transport: Transport;
  /** How often the registry is read from scratch, in milliseconds; `Infinity` for never. Default 30,000. */
  readonly refreshMs?: number;
  /** In the place of the defaults of the registration. */
  readonly registration?: RegisterOptions;
  /** In the place of the defaults of the fleet. */
  readonly fleet?: Partial<Omit<FleetOptions, 'service' | 'discovery' | 'transport'>>;
}

export interface RegisteredFleet {
  /** The peers, this node among them once it is registered. */
  readonly fleet: Fleet;
  /** Registered while it is subscribed to; one registration, however many subscribe, who are told how it stands. */
  readonly registration$: Observable<Registration>;
}

/**
 * flare's quick build: registers with a life of 90 s and a heartbeat each 30 s, finds the nodes of the same service and
 * namespace, reads the registry anew each 30 s, checks health each 10 s (5 s to answer, out after 3 failures, in after
 * 2 successes), and balances by consistent hash.
 *
 * ```ts
 * const { fleet, registration$ } = registerAndDiscover({
 *   service: 'signaling', address: '10.0.0.7:8080', version: '1.0.0', namespace: 'production',
 *   discovery: etcd({ endpoints, layout: 'flare' }),
 *   registry: ({ ttlMs }) => etcdRegistry({ endpoints, layout: 'flare', ttlMs }),
 *   transport: grpcTransport(),
 * });
 * const registered = registration$.subscribe();
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option, naming it.
 */
export function registerAndDiscover(options: RegisterAndDiscoverOptions): RegisteredFleet {
  const { discovery, registry, transport, refreshMs = quickBuild.refreshMs, registration, fleet, ...node } = options;
  const { service, namespace } = node;
  requireOption(refreshMs > 0, 'refreshMs', 'above 0', refreshMs);
  const made = typeof registry === 'function' ? registry(quickBuild) : registry;
  const ports = { scheduler: fleet?.scheduler, random: fleet?.random };
  const registration$ = register(node, made, { ...ports, ...registration }).pipe(
    share({ connector: () => new ReplaySubject<Registration>(1) }),
  );
  return {
    registration$,
    fleet: createFleet({
      balancer: consistentHash(),
      health: activeHealth(grpcHealth(ports), { ...ports, ...quickBuild.health }),
      ...fleet,
      ...{ service, namespace, discovery: refreshed(discovery, refreshMs), transport },
    }),
  };
}
