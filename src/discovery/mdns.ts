/** Finds nodes on the local network by multicast DNS (RFC 6762) and DNS service discovery (RFC 6763). */

import { asyncScheduler, throwError } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';
import type { Discovery } from './discovery.js';
import { browse } from './mdns/browse.js';
import { requireIntervals, requireNetwork } from './mdns/requireNetwork.js';
import { serviceType } from './mdns/name.js';
import { networkInterfaces } from './mdns/links.js';
import { openSocket } from './mdns/socket.js';

export interface MdnsOptions {
  /**
   * Where to listen and ask: names of interfaces (`eth0`) or addresses (`192.168.1.5`, `127.0.0.1`). Those that are not
   * there yet are taken up when they come. Default: every interface that is up, IPv4 and IPv6; loopback only when
   * there is no other.
   */
  readonly interfaces?: readonly string[];
  /** Default `local`. */
  readonly domain?: string;
  /** UDP port. Default 5353; another only makes sense among peers that use it too, such as in tests. */
  readonly port?: number;
  /**
   * How long after the first question silence means that there is nobody, in milliseconds: then an empty set is
   * emitted. Default 1,500: long enough for an answer to the second question, since a responder that has just spoken
   * may pass over the first.
   */
  readonly initialWindowMs?: number;
  /** Wait between the first two questions, in milliseconds; it doubles from there. Default 1,000 (RFC 6762, 5.2). */
  readonly initialQueryIntervalMs?: number;
  /** Longest wait between two questions, in milliseconds. Default 3,600,000, an hour (RFC 6762, 5.2). */
  readonly maxQueryIntervalMs?: number;
  /** How long a node whose call failed has to answer, in milliseconds, before it is dropped. Default 10,000 (RFC 6762, 10.4). */
  readonly reconfirmMs?: number;
  /** How often the interfaces of the machine are looked over, in milliseconds. Default 2,000. */
  readonly interfacePollMs?: number;
  /** Most records kept; what comes past that is skipped, so that a flood cannot fill the memory. Default 20,000. */
  readonly maxRecords?: number;
}

/**
 * Every instance of `query.service` on the local network, as a live node set.
 *
 * The service `lumen` is asked for as `_lumen._tcp.local`; a name such as `_ipp._tcp` is used as it is. A node's `id`
 * and `name` are the instance name, its `metadata` the whole TXT record, its `version` the TXT value `v` or `version`; `namespace`,
 * `zone`, `region`, `weight`, `tags` and `availability=draining` are read as `mdnsRegistry()` writes them.
 * A node appears once its SRV record and an address are known. mDNS knows no namespaces: `query.namespace` is not asked.
 *
 * Addresses are in this order, the first being dialled first: IPv4 of a network of the interface that it was heard on,
 * other IPv4, IPv6 of such a network, other IPv6, link-local IPv4, link-local IPv6 (with the zone of that interface),
 * loopback; a loopback address that was heard on loopback comes first.
 *
 * Nodes go when their records run out (refreshed at 80, 85, 90 and 95 % of their life), one second after their
 * goodbye, or when a call to them failed (`query.reconfirm$`) and they do not answer when asked again. One that has moved
 * does not go back to its old place because a late answer still names that. With every
 * interface gone the last set stays, marked `stale`, and nothing runs out. Shares port 5353 with other responders of
 * the machine, and never asks for unicast answers, since another socket on that port might get them.
 *
 *     mdns()({ service: 'lumen' }).subscribe((set) => console.log(set.nodes.map((n) => n.id)));
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option; the same as an error notification for a service that
 * can be no DNS name. Socket failures are told to `query.onEvent` and never end it.
 */
export function mdns(options: MdnsOptions = {}): Discovery {
  const {
    interfaces,
    domain = 'local',
    port = 5_353,
    initialWindowMs = 1_500,
    initialQueryIntervalMs = 1_000,
    maxQueryIntervalMs = 3_600_000,
    reconfirmMs = 10_000,
    interfacePollMs = 2_000,
    maxRecords = 20_000,
  } = options;
  requireNetwork({ interfaces, domain, port });
  requireIntervals({ initialWindowMs, initialQueryIntervalMs, maxQueryIntervalMs, reconfirmMs, interfacePollMs });
  requireOption(maxRecords >= 1, 'maxRecords', 'at least 1', maxRecords);

  return (query) => {
    const type = serviceType(query.service, domain);
    if (!type) {
      const message = `service must be a name such as "lumen" or "_lumen._tcp", not "${query.service}"`;
      return throwError(() => new FleetError('INVALID_OPTION', message));
    }
    return browse({
      service: query.service,
      type,
      network: { interfaces, port, pollMs: interfacePollMs, readInterfaces: networkInterfaces, open: openSocket },
      initialWindowMs,
      initialQueryIntervalMs,
      maxQueryIntervalMs,
      reconfirmMs,
      maxRecords,
      reconfirm$: query.reconfirm$,
      onEvent: query.onEvent,
      scheduler: query.scheduler ?? asyncScheduler,
      random: query.random ?? Math.random,
    });
  };
}
