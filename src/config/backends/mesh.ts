/** A service mesh, that is an xDS control plane, in a configuration. */

import { formatAddress, parseAddress } from '../../core/address.js';
import { FleetError } from '../../core/fleetError.js';
import { staticNodes } from '../../discovery/staticNodes.js';
import { backendOf } from '../backend.js';
import { lazyDiscovery } from '../lazyDiscovery.js';
import { text, texts, yesNo } from '../setting.js';
import { tlsOf, tlsSection } from '../tls.js';

const section = {
  /** The control plane, as `host:port` or `http://host:port`. Default: as the bootstrap says. */
  xds_server: text({ aliases: ['server', 'url', 'address'] }),
  /** The path of a bootstrap file. Default: that of `GRPC_XDS_BOOTSTRAP`. */
  bootstrap: text({ aliases: ['bootstrap_file'] }),
  /** Who we are to the control plane. */
  node_id: text(),
  /** True takes the service for the name of a cluster. */
  cluster: yesNo({ default: false }),
  tls: tlsSection,
  /** The nodes themselves: with these no control plane is asked, as in flare. */
  addresses: texts({ note: () => 'these are the nodes: no control plane is asked' }),
};

/** `mesh`, `xds`. Read-only. */
export const meshBackend = backendOf({
  name: 'mesh',
  aliases: ['xds', 'envoy', 'istio'],
  section,
  usage: 'xds://[host:port]/service',
  fromUrl: ({ hosts, segments }) => ({
    settings: { xds_server: hosts[0] },
    service: segments.join('/') || undefined,
  }),
  discovery: ({ xds_server, bootstrap, node_id, cluster, addresses, ...rest }, path) => {
    if (addresses) return staticNodes(addresses);
    const tls = tlsOf(rest.tls, `${path}.tls`) ?? (/^https:/i.test(xds_server ?? '') ? {} : undefined);
    const options = {
      cluster,
      ...(xds_server === undefined ? {} : { server: hostOf(xds_server, `${path}.xds_server`) }),
      ...(bootstrap === undefined ? {} : { bootstrap }),
      ...(node_id === undefined ? {} : { nodeId: node_id }),
      ...(tls ? { tls } : {}),
    };
    return lazyDiscovery(() => import('../../discovery/xds.js').then(({ xds }) => xds(options)));
  },
});

function hostOf(server: string, path: string): string {
  try {
    return formatAddress(parseAddress(server.replace(/^https?:\/\//i, '').replace(/\/+$/, '')));
  } catch (cause) {
    throw new FleetError('INVALID_OPTION', `${path}: ${FleetError.from(cause).detail}`, { cause });
  }
}
