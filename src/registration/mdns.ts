/** Announces a service on the local network by multicast DNS (RFC 6762) and DNS service discovery (RFC 6763). */

import { asyncScheduler, defer, isObservable, NEVER, of, type Observable, type SchedulerLike } from 'rxjs';
import { networkInterfaces } from '../discovery/mdns/links.js';
import { requireIntervals, requireNetwork } from '../discovery/mdns/requireNetwork.js';
import { openSocket } from '../discovery/mdns/socket.js';
import { requireOption } from '../core/requireOption.js';
import type { Advertisement, ServiceInstance } from './mdns/advertisement.js';
import { announce } from './mdns/announce.js';
import { announcedLease } from './mdns/announcedLease.js';
import { requireInstance } from './mdns/instanceRecords.js';
import type { Registry } from './registry.js';

export type { Advertisement, ServiceInstance };

export interface AdvertiseOptions {
  /** As for `mdns()`: names or addresses of interfaces. Default: every interface that is up; loopback only when there is no other. */
  readonly interfaces?: readonly string[];
  /** Default `local`. */
  readonly domain?: string;
  /** UDP port. Default 5353. */
  readonly port?: number;
  /** Life of the records that hold a host name or an address (SRV, A, AAAA), in seconds. Default 120 (RFC 6762, 10). */
  readonly hostTtlSeconds?: number;
  /** Life of the other records (PTR, TXT), in seconds. Default 4,500, 75 minutes (RFC 6762, 10). */
  readonly otherTtlSeconds?: number;
  /** Wait between two probes, in milliseconds. Default 250 (RFC 6762, 8.1). */
  readonly probeIntervalMs?: number;
  /** Wait between the two announcements, in milliseconds. Default 1,000 (RFC 6762, 8.3). */
  readonly announceIntervalMs?: number;
  /** How often the interfaces of the machine are looked over, in milliseconds. Default 2,000. */
  readonly interfacePollMs?: number;
  /** Told of socket failures and unreadable packets, none of which ends the announcement. */
  readonly onEvent?: (event: {
    readonly type: 'skipped' | 'disconnected' | 'connected';
    readonly message: string;
  }) => void;
  readonly scheduler?: SchedulerLike;
  readonly random?: () => number;
}

/**
 * Announces an instance for as long as it is subscribed to; never completes by itself.
 *
 * Subscribing probes for the name (three times, 250 ms apart), announces it (twice, a second apart), and answers
 * questions from then on. When somebody else has the name, it becomes `Name (2)` and so on. Given an Observable, each
 * new value is announced in the place of the one before: another TXT record, other addresses, another name.
 * Unsubscribing sends the goodbye before it returns, so that it is heard even when the process ends right after, and
 * closes the sockets.
 *
 *     const announcement = advertise({ service: 'lumen', name: 'hub-1', port: 50051, txt: { v: '1.2.0' } })
 *       .subscribe(({ state, name }) => console.log(state, name));     // probing hub-1, announced hub-1
 *     announcement.unsubscribe();                                      // gone from the network
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option or instance; as an error notification when an Observable
 * gave it.
 */
export function advertise(
  instance: ServiceInstance | Observable<ServiceInstance>,
  options: AdvertiseOptions = {},
): Observable<Advertisement> {
  const {
    interfaces,
    domain = 'local',
    port = 5_353,
    hostTtlSeconds = 120,
    otherTtlSeconds = 4_500,
    probeIntervalMs = 250,
    announceIntervalMs = 1_000,
    interfacePollMs = 2_000,
    onEvent,
    scheduler = asyncScheduler,
    random = Math.random,
  } = options;
  requireNetwork({ interfaces, domain, port });
  requireIntervals({ probeIntervalMs, announceIntervalMs, interfacePollMs });
  requireOption(hostTtlSeconds >= 1, 'hostTtlSeconds', 'at least 1', hostTtlSeconds);
  requireOption(otherTtlSeconds >= 1, 'otherTtlSeconds', 'at least 1', otherTtlSeconds);
  if (!isObservable(instance)) requireInstance(instance, domain);

  return defer(() =>
    announce(isObservable(instance) ? instance : of(instance), {
      network: { interfaces, port, pollMs: interfacePollMs, readInterfaces: networkInterfaces, open: openSocket },
      domain,
      hostTtlSeconds,
      otherTtlSeconds,
      probeIntervalMs,
      announceIntervalMs,
      onEvent,
      scheduler,
      random,
    }),
  );
}

/**
 * The local network as a registry, for `register()`: the node is announced, and kept announced.
 *
 * The id of the node is its instance name, and its TXT record has the metadata of the node, with `v` (the version),
 * `namespace`, `zone`, `region`, `weight` and `tags` where they are set. A host of `0.0.0.0` or `::` announces on each
 * interface the addresses of that interface; host names are refused. When somebody else has the name, the key of the
 * registration becomes `name (2)`. It is lost when at the time of a heartbeat no interface is up; its life is that of
 * the SRV record.
 *
 *     register({ service: 'lumen', id: 'hub-1', address: '0.0.0.0:50051' }, mdnsRegistry()).subscribe();
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option.
 */
export function mdnsRegistry(options: AdvertiseOptions = {}): Registry {
  const { hostTtlSeconds = 120 } = options;
  // Refuses senseless options here and not at the first put.
  advertise(NEVER, options);
  return {
    name: 'mdns',
    put: (node) => announcedLease(node, (instance$) => advertise(instance$, options), hostTtlSeconds * 1_000),
  };
}
