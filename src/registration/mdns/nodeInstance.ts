/** A node as mDNS announces it. */

import { isIP } from 'node:net';
import { FleetError } from '../../core/fleetError.js';
import type { Node } from '../../core/node.js';
import type { ServiceInstance } from './advertisement.js';

/** What stands for "every address of this machine". */
const anyHost = /^(0\.0\.0\.0|::|)$/;

/**
 * The id is the instance name, since that is what `mdns()` makes the id of. The TXT record has the metadata, and what
 * else is known under `v`, `namespace`, `zone`, `region`, `weight` (unless 1), `tags` and `availability` (if draining).
 *
 * @throws FleetError `INVALID_OPTION` for a host name: what is announced are addresses.
 */
export function nodeInstance(node: Node): ServiceInstance {
  const { id, service, address, addresses, metadata, version, namespace, zone, region, weight } = node;
  const hosts = addresses.filter(({ port }) => port === address.port).map(({ host }) => host.replace(/%.*$/, ''));
  const named = hosts.find((host) => !anyHost.test(host) && isIP(host) === 0);
  if (named !== undefined) {
    const message = `mdns announces IP addresses, and "${named}" of node ${id} is none: give the address, or 0.0.0.0 for all`;
    throw new FleetError('INVALID_OPTION', message);
  }
  const tags = Object.entries(node.tags).map(([key, value]) => (value === '' ? key : `${key}=${value}`));
  return {
    ...{ service, name: id, port: address.port },
    ...(!hosts.some((host) => anyHost.test(host)) && { addresses: hosts }),
    txt: {
      ...metadata,
      ...{ v: version ?? metadata.v, namespace, zone, region },
      weight: weight === 1 ? undefined : String(weight),
      tags: tags.length > 0 ? tags.join(',') : undefined,
      availability: node.availability === 'draining' ? 'draining' : undefined,
    },
  };
}
