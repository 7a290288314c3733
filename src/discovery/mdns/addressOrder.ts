/** Which of the addresses of a node to dial first. */

import { inNetworks } from './links.js';

/** What the order goes by. */
export interface HeardAddress {
  readonly address: string;
  /** Lower first: the rank of the SRV record that led here. */
  readonly order: number;
  /** Replaced or withdrawn, and gone within a second. */
  readonly dying: boolean;
  /** The networks of the interface that it was heard on. */
  readonly networks: readonly string[];
  /** Was that loopback? */
  readonly loopback: boolean;
}

/**
 * The rank of an address, lower first:
 *
 * 0. IPv4 of a network of the interface that it was heard on (on loopback: 127.0.0.0/8)
 * 1. other IPv4
 * 2. IPv6 of a network of that interface
 * 3. other IPv6
 * 4. link-local IPv4 (169.254.0.0/16)
 * 5. link-local IPv6 (fe80::/10)
 * 6. loopback that was heard on another interface
 *
 * So the address of a container bridge, which no other machine can reach, does not stand before that of the network.
 */
export function addressRank({ address, networks, loopback }: HeardAddress): number {
  const near = inNetworks(address, networks);
  if (address.includes(':')) {
    if (/^fe[89ab]/i.test(address)) return 5;
    if (address === '::1' && !loopback) return 6;
    return near ? 2 : 3;
  }
  if (address.startsWith('127.')) return loopback ? 0 : 6;
  if (address.startsWith('169.254.')) return near ? 0 : 4;
  return near ? 0 : 1;
}

/** Orders by what is not dying, then by SRV record, rank, and text, so that the order does not depend on who spoke first. */
export function addressOrder(a: HeardAddress, b: HeardAddress): number {
  return (
    Number(a.dying) - Number(b.dying) ||
    a.order - b.order ||
    addressRank(a) - addressRank(b) ||
    (a.address < b.address ? -1 : a.address > b.address ? 1 : 0)
  );
}
