/** Our own layout: everything that a node can say of itself, and nothing lost on the way. */

import { formatAddress } from '../../../core/address.js';
import { FleetError } from '../../../core/fleetError.js';
import type { NodeInit } from '../../../core/node.js';
import type { EtcdLayout } from '../layout.js';
import { optionalFields, optionalNumber, optionalText, readFields, requiredText, texts } from '../readFields.js';

const root = 'rxfleet/services';

/**
 * Key `rxfleet/services/{service}/{namespace}/{id}`, each part percent-encoded, the namespace `default` where none is
 * given. Without a namespace in the query, the nodes of all are listed. Value:
 *
 *     {"id":"node-1","name":"node-1","service":"thumbnails","namespace":"prod","version":"1.4.2","zone":"eu-1a",
 *      "region":"eu-1","addresses":["10.0.0.7:50051"],"weight":1,"tags":{"gpu":""},"metadata":{},"state":"serving"}
 *
 * `id` and `addresses` are required; `state` is `serving`, `notServing` or `draining`.
 */
export const rxfleetLayout: EtcdLayout = {
  prefixes: ({ service, namespace }) => [
    namespace === undefined
      ? `${root}/${encodeURIComponent(service)}/`
      : `${root}/${encodeURIComponent(service)}/${encodeURIComponent(namespace)}/`,
  ],

  encode(node, namespace = 'default') {
    const { id, name, service, version, zone, region, addresses, weight, tags, metadata } = node;
    const within = node.namespace ?? namespace;
    const state =
      node.availability === 'draining' ? 'draining' : node.health === 'notServing' ? 'notServing' : 'serving';
    return {
      key: [root, ...[service, within, id].map(encodeURIComponent)].join('/'),
      value: JSON.stringify({
        ...{ id, name, service, namespace: within, version, zone, region },
        ...{ addresses: addresses.map(formatAddress), weight, tags, metadata, state },
      }),
    };
  },

  decode({ value }) {
    const fields = readFields(value);
    const { addresses } = fields;
    if (!Array.isArray(addresses) || !addresses.every((address) => typeof address === 'string')) {
      throw new FleetError('BAD_SCHEMA', 'the field addresses must be a list of texts');
    }
    const state = optionalText(fields, 'state');
    const name = optionalText(fields, 'name');
    const service = optionalText(fields, 'service');
    const weight = optionalNumber(fields, 'weight');
    const draining: NodeInit = state === 'draining' ? { availability: 'draining' } : {};
    const refusing: NodeInit =
      state === 'notServing' ? { health: 'notServing', healthReason: 'it says that it does not serve' } : {};
    return {
      id: requiredText(fields, 'id'),
      addresses,
      ...(name === undefined ? {} : { name }),
      ...(service === undefined ? {} : { service }),
      ...(weight === undefined ? {} : { weight }),
      namespace: optionalText(fields, 'namespace'),
      version: optionalText(fields, 'version'),
      zone: optionalText(fields, 'zone'),
      region: optionalText(fields, 'region'),
      tags: texts(optionalFields(fields, 'tags')),
      metadata: texts(optionalFields(fields, 'metadata')),
      ...draining,
      ...refusing,
    };
  },
};
