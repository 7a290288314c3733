/** Where a node listens: one socket address, and the text forms of it. */

import { FleetError } from './fleetError.js';

/** One socket address. `host` is an IPv4 or IPv6 address (no brackets, a zone such as `%eth0` allowed) or a host name. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `10.0.0.5:50051`, `[::1]:50051`, `node-1.example:50051`. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Reads `host:port`, `[v6]:port` or an `Address`.
 *
 * @throws FleetError `INVALID_OPTION` when the text is no address, naming it.
 */
export function parseAddress(input: string | Address): Address {
  if (typeof input !== 'string') return checked(input, input);
  const text = input.trim();
  const match = /^\[([^\]]+)\]:(\d+)$/.exec(text) ?? /^([^:[\]\s/]+):(\d+)$/.exec(text);
  if (!match) throw invalid(input);
  return checked({ host: match[1]!, port: Number(match[2]) }, input);
}

/** True when both name the same socket; host names compare without regard to case. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.port === b.port && a.host.toLowerCase() === b.host.toLowerCase();
}

/** True for a literal IPv6 address. */
export function isIPv6(host: string): boolean {
  return host.includes(':');
}

/** True for a literal IPv4 address. */
export function isIPv4(host: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(host);
}

function checked(address: Address, input: string | Address): Address {
  if (
    !address.host ||
    typeof address.host !== 'string' ||
    !Number.isInteger(address.port) ||
    address.port < 1 ||
    address.port > 65_535
  ) {
    throw invalid(input);
  }
  return address;
}

function invalid(input: string | Address): FleetError {
  const text = typeof input === 'string' ? input : `${input.host}:${input.port}`;
  return new FleetError('INVALID_OPTION', `"${text}" is no address: write host:port or [ipv6]:port, port 1 to 65535`);
}
