/** Finds nodes in DNS: by SRV records with their priorities and weights (RFC 2782), or by plain addresses. */

import { asyncScheduler, defer, throwError } from 'rxjs';
import { parseAddress, type Address } from '../core/address.js';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';
import type { Discovery } from './discovery.js';
import { AnswerCache } from './dns/answerCache.js';
import { askResolvers } from './dns/askResolvers.js';
import { exchange, systemResolvers } from './dns/exchange.js';
import { addressLookup, srvLookup } from './dns/lookup.js';
import { queryName } from './dns/queryName.js';
import { refreshing } from './dns/refreshing.js';
import { reconnecting } from './reconnecting.js';

export interface DnsOptions {
  /** The resolvers to ask, as `host` or `host:port`, addresses only. Default: those of the system. */
  readonly resolvers?: readonly string[];
  /** `srv`: SRV records, which name hosts and ports. `a`: the A and AAAA records of a name, with `port`. Default `srv`. */
  readonly type?: 'srv' | 'a';
  /** The port of nodes of type `a`; needed for that, and for nothing else. */
  readonly port?: number;
  /** The protocol in the name of a service, without its underscore. Default `tcp`. */
  readonly protocol?: string;
  /** What services stand under, such as `example.org`. Not needed where `query.service` is a whole name. */
  readonly domain?: string;
  /**
   * Whose TXT records are asked for the attributes of nodes: those of each SRV target, those of the name of the service
   * itself, or of nothing. Default `target` for SRV records, `name` for addresses.
   */
  readonly attributes?: 'target' | 'name' | 'none';
  /** Shortest life of an answer, whatever its TTL, in milliseconds. Default 1,000. */
  readonly minTtlMs?: number;
  /** Longest life of an answer, in milliseconds. Default 300,000. */
  readonly maxTtlMs?: number;
  /** How long one resolver has to answer before the next is asked, in milliseconds. Default 2,000. */
  readonly timeoutMs?: number;
  /** How often all resolvers are gone through before a question has failed. Default 2. */
  readonly rounds?: number;
}

/**
 * The nodes of `query.service` in DNS, as a live node set.
 *
 * The service `orders` is asked for as `_orders._tcp.example.org`, with `query.namespace` in front of the domain; whole
 * names are used as they are. A node's `id` and `name` are the target of its SRV record (`target:port` where one host has
 * several), its addresses those of the target, IPv4 first. TXT records `key=value` are its tags and metadata, and
 * `version`, `namespace`, `zone` and `region` its facts. The priority is in `metadata.priority`; nodes of higher
 * priorities have a weight so small that a balancer that heeds weights takes them only when the others do not serve.
 *
 * It asks again when the first answer runs out (its TTL between `minTtlMs` and `maxTtlMs`, and up to a tenth more), or a
 * call to a node failed (`query.reconfirm$`). Each name is asked for once at a time. While no resolver answers, the last
 * set stays, marked `stale`; it is empty only when the authority says that there are no records.
 *
 * DNS is read-only here: to register, use a registry that the DNS server reads, or its own dynamic updates.
 *
 *     dns({ domain: 'example.org' })({ service: 'orders' }).subscribe((set) => console.log(set.nodes));
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option; the same as an error notification for a service that
 * makes no name.
 */
export function dns(options: DnsOptions = {}): Discovery {
  const {
    type = 'srv',
    protocol = 'tcp',
    domain,
    port,
    minTtlMs = 1_000,
    maxTtlMs = 300_000,
    timeoutMs = 2_000,
  } = options;
  const { rounds = 2, attributes = type === 'srv' ? 'target' : 'name' } = options;
  requireOption(type === 'srv' || type === 'a', 'type', 'srv or a', type);
  requireOption((type === 'a') === (port !== undefined), 'port', 'given for type a, and for no other', port);
  requireOption(
    port === undefined || (Number.isInteger(port) && port > 0 && port < 65_536),
    'port',
    'from 1 to 65535',
    port,
  );
  requireOption(/^[\w-]+$/.test(protocol), 'protocol', 'one such as tcp or udp', protocol);
  requireOption(['target', 'name', 'none'].includes(attributes), 'attributes', 'target, name or none', attributes);
  requireOption(type === 'srv' || attributes !== 'target', 'attributes', 'name or none for type a', attributes);
  requireOption(minTtlMs >= 10, 'minTtlMs', 'at least 10', minTtlMs);
  requireOption(
    maxTtlMs >= minTtlMs && maxTtlMs <= 0x7fff_ffff,
    'maxTtlMs',
    'from minTtlMs to 2,147,483,647',
    maxTtlMs,
  );
  requireOption(timeoutMs > 0, 'timeoutMs', 'above 0', timeoutMs);
  requireOption(rounds >= 1, 'rounds', 'at least 1', rounds);
  const given = options.resolvers?.map(resolverOf);
  requireOption(given === undefined || given.length > 0, 'resolvers', 'at least one address', '[]');

  return (query) =>
    defer(() => {
      const { scheduler = asyncScheduler, random = Math.random, reconfirm$, onEvent } = query;
      let name: string;
      try {
        name = queryName(query.service, query.namespace, { type, protocol, domain });
      } catch (error) {
        return throwError(() => error);
      }
      const resolvers = given ?? systemResolvers().map(resolverOf);
      if (resolvers.length === 0) {
        return throwError(
          () => new FleetError('INVALID_OPTION', 'dns: the system has no resolver; give some in "resolvers"'),
        );
      }
      const ask = askResolvers({ resolvers, exchange, timeoutMs, rounds, scheduler });
      const cache = new AnswerCache({ ask, minTtlMs, maxTtlMs, scheduler });
      const told = new Set<string>();
      const skipped = (message: string) => {
        // What is wrong with a record is so with every look.
        if (told.has(message)) return;
        if (told.size > 1_000) told.clear();
        told.add(message);
        onEvent?.({ source: 'dns', type: 'skipped', message: `dns: ${message}` });
      };
      const look = type === 'srv' ? srvLookup : addressLookup;
      const lookup = look({ query, name, cache, port, attributes, scheduler, skipped });
      const expire = (target: string) => cache.expire(name, target);
      const session = () => refreshing({ lookup, reconfirm$, expire, minTtlMs, scheduler, random });
      return reconnecting(query, session, { source: 'dns', backoff: { initialBackoffMs: Math.min(500, minTtlMs) } });
    });
}

/** `host`, `host:port`, `v6` or `[v6]:port`; names are of no use, since nobody could look them up. */
function resolverOf(text: string): Address {
  const bare = /^[\d.]+$/.test(text) || (/^[\da-f:.]+(%\w+)?$/i.test(text) && text.split(':').length > 2);
  const address = bare ? { host: text, port: 53 } : parseAddress(text);
  requireOption(/^[\d.]+$|:/.test(address.host), 'resolvers', 'addresses, with or without a port', text);
  return address;
}
