/** The records that announce an instance. */

import { isIP } from 'node:net';
import { FleetError } from '../../core/fleetError.js';
import { requireOption } from '../../core/requireOption.js';
import type { Link } from '../../discovery/mdns/links.js';
import { instanceName, isName, nameKey, serviceType } from '../../discovery/mdns/name.js';
import type { MdnsRecord, PtrRecord, SrvRecord, TxtRecord } from '../../discovery/mdns/packet.js';
import type { ServiceInstance } from './advertisement.js';

/** An instance under the names that it has at the moment. */
export interface Claim {
  readonly instance: ServiceInstance;
  readonly domain: string;
  /** The instance name, which may be `Name (2)`. */
  readonly name: string;
  /** With the domain. */
  readonly host: string;
  readonly hostTtlSeconds: number;
  readonly otherTtlSeconds: number;
}

/** Everything that is told of an instance on one link. */
export interface InstanceRecords {
  /** Shared with the other instances of the service. */
  readonly pointer: PtrRecord;
  /** Says that the service type is to be had here (RFC 6763, 9); shared. */
  readonly typePointer: PtrRecord;
  readonly service: SrvRecord;
  readonly text: TxtRecord;
  readonly addresses: readonly MdnsRecord[];
}

/** Longest `key=value` of a TXT record and longest instance name, in bytes. */
const maxStringBytes = 255;
const maxInstanceBytes = 63;
/** Longest TXT record, in bytes, that still fits a packet with the rest (RFC 6762, 17). */
const maxTextBytes = 8_000;

/** @throws FleetError `INVALID_OPTION` naming the field that is senseless. */
export function requireInstance(instance: ServiceInstance, domain: string): void {
  const { service, name, port, host, addresses, txt } = instance;
  requireOption(
    serviceType(service, domain) !== undefined,
    'service',
    'a name such as "lumen" or "_lumen._tcp"',
    service,
  );
  const bytes = Buffer.byteLength(name);
  requireOption(bytes > 0 && bytes <= maxInstanceBytes && !/\p{Cc}/u.test(name), 'name', '1 to 63 bytes of text', name);
  const full = instanceName(name, serviceType(service, domain)!);
  requireOption(isName(full), 'name', 'short enough for a DNS name with its service and domain', name);
  requireOption(Number.isInteger(port) && port > 0 && port <= 65_535, 'port', 'from 1 to 65535', port);
  if (host !== undefined)
    requireOption(isName(hostName(host, domain)) && !/\s/.test(host), 'host', 'a host name', host);
  requireOption(!addresses || addresses.length > 0, 'addresses', 'left out, or name at least one', '[]');
  for (const address of addresses ?? []) requireOption(isIP(address) > 0, 'addresses', 'IP addresses', address);
  const strings = textStrings(txt);
  for (const string of strings) {
    const shown = Buffer.from(string).toString().slice(0, 40);
    requireOption(string.length <= maxStringBytes, 'txt', 'at most 255 bytes a key and value', `"${shown}…"`);
  }
  const total = strings.reduce((sum, { length }) => sum + length + 1, 0);
  requireOption(total <= maxTextBytes, 'txt', `at most ${maxTextBytes} bytes`, `${total} bytes`);
}

/** A host name with its domain. */
export function hostName(host: string, domain: string): string {
  const bare = host.replace(/\.$/, '');
  return nameKey(bare).endsWith(`.${nameKey(domain)}`) ? bare : `${bare}.${domain}`;
}

/** A host name that nobody else has, so that the addresses under it are this announcement's alone. */
export function inventHost(domain: string, random: () => number): string {
  const digits = Math.floor(random() * 2 ** 32).toString(16);
  return `rxfleet-${digits.padStart(8, '0')}.${domain}`;
}

/** The records of a claim, with the addresses that are right on this link. */
export function instanceRecords(claim: Claim, link: Link): InstanceRecords {
  const { instance, domain, host, hostTtlSeconds, otherTtlSeconds } = claim;
  const type = serviceType(instance.service, domain)!;
  const name = instanceName(claim.name, type);
  const shared = { type: 'PTR', ttl: otherTtlSeconds, flush: false } as const;
  return {
    pointer: { ...shared, name: type, target: name },
    typePointer: { ...shared, name: `_services._dns-sd._udp.${domain}`, target: type },
    service: {
      ...{ type: 'SRV', name, ttl: hostTtlSeconds, flush: true },
      ...{ target: host, port: instance.port, priority: 0, weight: 0 },
    },
    text: { type: 'TXT', name, ttl: otherTtlSeconds, flush: true, strings: textStrings(instance.txt) },
    addresses: (instance.addresses ?? link.addresses).map((address) => ({
      ...{ type: address.includes(':') ? ('AAAA' as const) : ('A' as const), name: host, ttl: hostTtlSeconds },
      ...{ flush: true, address: address.replace(/%.*$/, '') },
    })),
  };
}

/** All of them in the order of an announcement. */
export function allRecords(records: InstanceRecords): readonly MdnsRecord[] {
  return [records.pointer, records.service, records.text, ...records.addresses, records.typePointer];
}

function textStrings(txt: ServiceInstance['txt']): readonly Uint8Array[] {
  return Object.entries(txt ?? {}).flatMap(([key, value]) => {
    if (value === undefined) return [];
    if (!/^[ -<>-~]+$/.test(key)) {
      throw new FleetError('INVALID_OPTION', `txt key "${key}" must be printable ASCII without "="`);
    }
    if (value === true) return [Buffer.from(key)];
    return [Buffer.concat([Buffer.from(`${key}=`), typeof value === 'string' ? Buffer.from(value) : value])];
  });
}
