/** How senseless options of discovery and announcement by mDNS are refused. */

import { requireOption } from '../../core/requireOption.js';
import { isName } from './name.js';

/** @throws FleetError `INVALID_OPTION` */
export function requireNetwork(options: {
  readonly interfaces: readonly string[] | undefined;
  readonly domain: string;
  readonly port: number;
}): void {
  const { interfaces, domain, port } = options;
  requireOption(!interfaces || interfaces.length > 0, 'interfaces', 'left out, or name at least one', '[]');
  requireOption(Number.isInteger(port) && port > 0 && port <= 65_535, 'port', 'from 1 to 65535', port);
  requireOption(isName(domain) && !/\s/.test(domain), 'domain', 'a DNS name such as "local"', domain);
}

/** @throws FleetError `INVALID_OPTION` for a time that is not over zero. */
export function requireIntervals(intervals: Readonly<Record<string, number>>): void {
  for (const [field, value] of Object.entries(intervals)) {
    requireOption(value > 0 && value < 2 ** 31, field, 'over 0 and under 2^31', value);
  }
}
