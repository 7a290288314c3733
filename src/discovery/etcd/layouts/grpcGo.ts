/** The layout of etcd's own naming for gRPC in Go (`go.etcd.io/etcd/client/v3/naming/endpoints`). */

import { formatAddress } from '../../../core/address.js';
import { factsOf, labelsOf } from '../labels.js';
import type { EtcdLayout } from '../layout.js';
import { optionalNumber, readFields, requiredText, texts, type Fields } from '../readFields.js';

/**
 * Key `{service}/{address}`; value `{"Op":0,"Addr":"host:port","Metadata":…}`. The service is what Go calls the target,
 * and may hold slashes.
 *
 * Metadata is an object, or anything else that Go wrote, which is then kept as the label `metadata`. Version, weight,
 * zone, region, tags and an id other than the address stand in it. Namespaces are unknown to it; use the `prefix` option.
 */
export const grpcGoLayout: EtcdLayout = {
  prefixes: ({ service }) => [`${service}/`],

  encode(node) {
    const address = formatAddress(node.address);
    const labels = {
      ...labelsOf(node, ['version', 'weight', 'zone', 'region']),
      ...(node.id === address ? {} : { id: node.id }),
    };
    return {
      key: `${node.service}/${address}`,
      value: JSON.stringify({
        ...{ Op: 0, Addr: address },
        Metadata: Object.keys(labels).length > 0 ? labels : null,
      }),
    };
  },

  decode({ key, value }, { service }) {
    const fields = readFields(value);
    // Deletions were once written as values.
    if (optionalNumber(fields, 'Op') === 1) return undefined;
    const { Metadata: metadata = null } = fields;
    const { id = key.slice(service.length + 1), ...labels } = texts(
      typeof metadata === 'object' && !Array.isArray(metadata) ? ((metadata ?? {}) as Fields) : { metadata },
    );
    return { id, service, address: requiredText(fields, 'Addr'), ...factsOf(labels) };
  },
};
