/** The layout of flare-server-core: what its readers parse, and what its writers write. */

import { formatAddress, isIPv4, isIPv6 } from '../../../core/address.js';
import { FleetError } from '../../../core/fleetError.js';
import { requireOption } from '../../../core/requireOption.js';
import { isServing } from '../isServing.js';
import type { EtcdLayout } from '../layout.js';
import { optionalFields, optionalNumber, optionalText, readFields, requiredText, texts } from '../readFields.js';
import { requireSegment } from '../requireSegment.js';

/** Where flare looks when nobody names a namespace. */
const namespaces = ['flare', 'flare-test', 'default'];

/**
 * Key `{namespace}/services/{service}/{id}`, without a leading slash; the value has nine keys, all always written:
 * `service_type`, `instance_id`, `address`, `namespace`, `version`, `tags`, `metadata` (`region`, `zone`, `environment`,
 * `custom`), `healthy`, `weight`.
 *
 * Without a namespace, nodes are put under `flare`, and looked for under `flare`, `flare-test` and `default`. Flare
 * parses only addresses of the form ip:port and whole weights, so others are refused. `healthy: false` reads as not
 * serving; a draining node is written so. The environment stands in the metadata of a node as `environment`.
 */
export const flareLayout: EtcdLayout = {
  prefixes: ({ service, namespace }) =>
    (namespace === undefined ? namespaces : [namespace]).map((name) => `${name}/services/${service}/`),

  encode(node, namespace = namespaces[0]!) {
    const { id, service, address, version = null, region = null, zone = null, weight } = node;
    const within = requireSegment(node.namespace ?? namespace, 'namespace');
    requireOption(
      isIPv4(address.host) || isIPv6(address.host),
      'address',
      'an IP address and a port for readers of flare',
      `"${formatAddress(address)}"`,
    );
    requireOption(
      Number.isInteger(weight) && weight < 2 ** 32,
      'weight',
      'a whole number for readers of flare',
      weight,
    );
    const { environment = null, ...custom } = node.metadata;
    return {
      key: `${within}/services/${requireSegment(service, 'service')}/${requireSegment(id, 'id')}`,
      value: JSON.stringify({
        ...{ service_type: service, instance_id: id, address: formatAddress(address), namespace: within, version },
        ...{ tags: node.tags, metadata: { region, zone, environment, custom }, healthy: isServing(node), weight },
      }),
    };
  },

  decode({ key, value }, { service, namespace }) {
    const fields = readFields(value);
    const { healthy } = fields;
    if (typeof healthy !== 'boolean') throw new FleetError('BAD_SCHEMA', 'the field healthy must be true or false');
    if (requiredText(fields, 'service_type') !== service) return undefined;
    const within = optionalText(fields, 'namespace') ?? key.slice(0, key.indexOf('/services/'));
    if (namespace !== undefined && within !== namespace) return undefined;
    const metadata = optionalFields(fields, 'metadata');
    const environment = optionalText(metadata, 'environment');
    return {
      id: requiredText(fields, 'instance_id'),
      service,
      address: requiredText(fields, 'address'),
      namespace: within,
      version: optionalText(fields, 'version'),
      region: optionalText(metadata, 'region'),
      zone: optionalText(metadata, 'zone'),
      tags: texts(optionalFields(fields, 'tags')),
      metadata: { ...texts(optionalFields(metadata, 'custom')), ...(environment ? { environment } : {}) },
      weight: optionalNumber(fields, 'weight') ?? 1,
      ...(healthy ? {} : { health: 'notServing', healthReason: 'it is registered as not healthy' }),
    };
  },
};
