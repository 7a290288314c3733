/** How an address is named to the node that has it. */

import { isIPv6, type Address } from '../core/address.js';

/** `host:port` for the `:authority` header; a zone is nobody's business but ours (RFC 6874, 3). */
export function authorityOf({ host, port }: Address): string {
  return isIPv6(host) ? `[${host.replace(/%.*$/, '')}]:${port}` : `${host}:${port}`;
}
