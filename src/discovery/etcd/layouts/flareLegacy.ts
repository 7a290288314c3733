/** The layout of flare-server-core before its rewrite, of which entries may still be about. */

import { FleetError } from '../../../core/fleetError.js';
import { factsOf, labelsOf } from '../labels.js';
import type { EtcdLayout } from '../layout.js';
import { optionalFields, readFields, requiredText, texts } from '../readFields.js';
import { requireSegment } from '../requireSegment.js';

const defaultNamespace = 'flare';

/**
 * Key `/{namespace}/{service}/{id}`, with a leading slash; the value has the keys `service_type`, `service_id`,
 * `instance_id`, `address` (a host), `port` and `metadata`. The namespace is `flare` where none is given.
 *
 * It has no fields for version, weight, zone, region and tags: they stand in the metadata.
 */
export const flareLegacyLayout: EtcdLayout = {
  prefixes: ({ service, namespace = defaultNamespace }) => [`/${namespace}/${service}/`],

  encode(node, namespace = defaultNamespace) {
    const { id, service } = node;
    const { host, port } = node.address;
    const within = requireSegment(node.namespace ?? namespace, 'namespace');
    return {
      key: `/${within}/${requireSegment(service, 'service')}/${requireSegment(id, 'id')}`,
      value: JSON.stringify({
        ...{ service_type: service, service_id: `${service}-${id}`, instance_id: id, address: host, port },
        metadata: labelsOf(node, ['version', 'weight', 'zone', 'region']),
      }),
    };
  },

  decode({ key, value }, { service }) {
    const fields = readFields(value);
    const { port } = fields;
    if (typeof port !== 'number') throw new FleetError('BAD_SCHEMA', 'the field port must be a number');
    if (requiredText(fields, 'service_type') !== service) return undefined;
    return {
      id: requiredText(fields, 'instance_id'),
      service,
      namespace: key.split('/')[1]!,
      address: { host: requiredText(fields, 'address'), port },
      ...factsOf(texts(optionalFields(fields, 'metadata'))),
    };
  },
};
