/** How an address is named to HTTP. */

import type { Address } from '../../core/address.js';
import { authorityOf } from '../authorityOf.js';
import type { ResolvedTransportOptions } from '../transportOptions.js';

/** `http://host:port`, or `https://` when it is. */
export function originOf(address: Address, { tls }: ResolvedTransportOptions): string {
  return `${tls ? 'https' : 'http'}://${authorityOf(address)}`;
}
