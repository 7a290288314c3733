/** The name under which a service stands in DNS. */

import { FleetError } from '../../core/fleetError.js';

export interface QueryNameOptions {
  readonly type: 'srv' | 'a';
  readonly protocol: string;
  readonly domain: string | undefined;
}

/**
 * The whole name, without a final dot: `_service._protocol[.namespace].domain` for SRV records, `service[.namespace].domain`
 * for addresses. A service that ends with a dot is a whole name already; so is one of several labels where no domain is
 * given. One such as `_http._udp` brings its protocol along.
 *
 * @throws FleetError `INVALID_OPTION` when that is no name in DNS, or the domain is missing.
 */
export function queryName(service: string, namespace: string | undefined, options: QueryNameOptions): string {
  const { type, protocol, domain } = options;
  const given = service.replace(/\.$/, '');
  const isService = /^_[^.]+\._[^.]+$/.test(given);
  const isWhole = service.endsWith('.') || (domain === undefined && given.includes('.') && !isService);
  if (isWhole) return checked(given, service);
  if (domain === undefined) {
    throw new FleetError('INVALID_OPTION', `dns: give the domain of service "${service}", or its whole name`);
  }
  const first = type === 'a' || isService ? given : `_${given}._${protocol}`;
  return checked([first, namespace, domain.replace(/\.$/, '')].filter(Boolean).join('.'), service);
}

function checked(name: string, service: string): string {
  const labels = name.split('.');
  const fits =
    name.length <= 253 && labels.every((label) => /^[^\s]{1,63}$/.test(label) && Buffer.byteLength(label) < 64);
  if (!service || !fits)
    throw new FleetError('INVALID_OPTION', `dns: service "${service}" makes no name in DNS: "${name}"`);
  return name;
}
