/** Where multicast can be sent and heard: one link for each interface and IP version. */

import { BlockList } from 'node:net';
import { networkInterfaces as readAll, type NetworkInterfaceInfo } from 'node:os';

/** The interfaces of the machine, as `os.networkInterfaces()` tells them. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** An interface, under one IP version. */
export interface Link {
  /** The same as long as nothing about the link changes. */
  readonly key: string;
  /** The name of the interface, such as `eth0`. */
  readonly name: string;
  readonly family: 'IPv4' | 'IPv6';
  /** What names the interface to the socket: one of its IPv4 addresses, or `::%eth0`. */
  readonly address: string;
  readonly loopback: boolean;
  /** Every address of the interface, without zones. */
  readonly addresses: readonly string[];
  /** Every network of the interface, such as `192.168.1.5/24`. */
  readonly networks: readonly string[];
}

/** The interfaces now; none when the system does not tell. */
export function networkInterfaces(): Interfaces {
  try {
    return readAll();
  } catch {
    return {};
  }
}

/**
 * The links to use. With nothing wanted: every interface, loopback only when there is no other. A wanted name takes
 * both IP versions of the interface, a wanted address the one it is of.
 */
export function linksOf(interfaces: Interfaces, wanted?: readonly string[]): readonly Link[] {
  const links = new Map<string, Link>();
  const add = (link: Link | undefined): unknown => link && links.set(link.key, link);
  const entries = Object.entries(interfaces).filter((entry) => entry[1]?.length) as [string, NetworkInterfaceInfo[]][];
  if (wanted) {
    for (const [name, infos] of entries) {
      for (const want of wanted.map((text) => text.toLowerCase().replace(/^::%/, ''))) {
        const info = infos.find(({ address }) => address.toLowerCase() === want.replace(/%.*$/, ''));
        if (name.toLowerCase() === want) {
          add(linkOf(name, infos, 'IPv4'));
          add(linkOf(name, infos, 'IPv6'));
        } else if (info) {
          add(linkOf(name, infos, info.family, info.address));
        }
      }
    }
    return [...links.values()];
  }
  const outer = entries.filter(([, infos]) => !infos[0]!.internal);
  for (const [name, infos] of outer.length ? outer : entries) {
    add(linkOf(name, infos, 'IPv4'));
    // Loopback often takes no IPv6 multicast, and IPv4 suffices there.
    if (outer.length) add(linkOf(name, infos, 'IPv6'));
  }
  return [...links.values()];
}

function linkOf(
  name: string,
  infos: readonly NetworkInterfaceInfo[],
  family: 'IPv4' | 'IPv6',
  wanted?: string,
): Link | undefined {
  const info = infos.find((info) => info.family === family && (!wanted || info.address === wanted));
  if (!info) return undefined;
  const zone = process.platform === 'win32' && info.family === 'IPv6' ? String(info.scopeid) : name;
  const link = {
    name,
    family,
    address: family === 'IPv4' ? info.address : `::%${zone}`,
    loopback: info.internal,
    addresses: infos.map(({ address }) => address),
    networks: infos.flatMap(({ cidr }) => cidr ?? []),
  };
  return { key: JSON.stringify(link), ...link };
}

/** True when the address is of one of these networks, such as `192.168.1.5/24`. */
export function inNetworks(address: string, networks: readonly string[]): boolean {
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  for (const network of networks) {
    const [base = '', prefix] = network.split('/');
    if (base.includes(':') === (family === 'ipv6')) list.addSubnet(base, Number(prefix), family);
  }
  return list.check(address.replace(/%.*$/, ''), family);
}

/**
 * True when a packet from this address can have come in over this link. A socket on port 5353 also hears what comes in
 * over interfaces that other programs have joined, so what surely belongs to another interface is not ours.
 */
export function cameOver(link: Link, from: string, readInterfaces: () => Interfaces): boolean {
  const zone = /%(.*)$/.exec(from)?.[1];
  if (zone !== undefined) return link.address === `::%${zone}`;
  if (inNetworks(from, link.networks)) return true;
  const others = Object.entries(readInterfaces()).filter(([name]) => name !== link.name);
  const cidrs = others.flatMap(([, infos]) => infos?.flatMap(({ cidr }) => cidr ?? []) ?? []);
  return !inNetworks(from, cidrs);
}
