/** A list of nodes in a configuration. */

import { FleetError } from '../../core/fleetError.js';
import { staticNodes } from '../../discovery/staticNodes.js';
import { backendOf } from '../backend.js';
import { texts } from '../setting.js';

const section = {
  /** The nodes, as `host:port`. */
  addresses: texts({ aliases: ['nodes', 'endpoints', 'address'] }),
};

/** `static`. */
export const staticBackend = backendOf({
  name: 'static',
  aliases: ['list', 'direct'],
  section,
  usage: 'host:port[,host:port]',
  fromUrl: ({ hosts, segments }) => ({
    settings: { addresses: hosts.length > 0 ? hosts : undefined },
    service: segments.at(-1),
  }),
  discovery: ({ addresses }, path) => {
    if (addresses) return staticNodes(addresses);
    throw new FleetError('INVALID_OPTION', `${path}.addresses must be given: the nodes, as host:port`);
  },
});
