/** The layout of fyer-rpc: what its readers parse, and what its writers write. */

import { formatAddress } from '../../../core/address.js';
import { FleetError } from '../../../core/fleetError.js';
import { isServing } from '../isServing.js';
import { factsOf, labelsOf } from '../labels.js';
import type { EtcdLayout } from '../layout.js';
import { optionalFields, readFields, requiredText, texts } from '../readFields.js';
import { requireSegment } from '../requireSegment.js';

const root = '/fyerrpc/services';

/**
 * Key `/fyerrpc/services/{service}/{version}/{id}`; the value has seven keys, all always written: `id`, `service`,
 * `version`, `address`, `metadata`, `status` (1 takes calls, 0 does not), `updated_at` (always 0).
 *
 * Every version of the service is listed; namespaces are unknown to it, so one in a query is passed over. Weight, zone,
 * region and tags stand in the metadata, which fyer-rpc selects by. A value that it cannot parse ends a reader of
 * fyer-rpc, so nodes without a version, or with slashes in their names, are refused.
 */
export const fyerLayout: EtcdLayout = {
  prefixes: ({ service }) => [`${root}/${service}/`],

  encode(node) {
    const id = requireSegment(node.id, 'id');
    const service = requireSegment(node.service, 'service');
    const version = requireSegment(node.version ?? '', 'version');
    return {
      key: `${root}/${service}/${version}/${id}`,
      value: JSON.stringify({
        ...{ id, service, version, address: formatAddress(node.address) },
        ...{ metadata: labelsOf(node, ['weight', 'zone', 'region']), status: isServing(node) ? 1 : 0, updated_at: 0 },
      }),
    };
  },

  decode({ value }, { service }) {
    const fields = readFields(value);
    const { status } = fields;
    if (status !== 0 && status !== 1) throw new FleetError('BAD_SCHEMA', 'the field status must be 0 or 1');
    if (requiredText(fields, 'service') !== service) return undefined;
    return {
      id: requiredText(fields, 'id'),
      service,
      address: requiredText(fields, 'address'),
      ...factsOf(texts(optionalFields(fields, 'metadata'))),
      version: requiredText(fields, 'version'),
      ...(status ? {} : { health: 'notServing', healthReason: 'it is registered as disabled' }),
    };
  },
};
