/** The nodes that bear certain tags. */

import type { OperatorFunction } from 'rxjs';
import type { NodeSet } from '../core/nodeSet.js';
import { tagFilter, type TagFilter } from './tagFilter.js';
import { whereNodes } from './whereNodes.js';

/**
 * Keeps the nodes whose tags meet every filter; without a filter, all.
 *
 *     nodes$                  a---b--      a = x(gpu, env=prod) y(env=prod)   b = x y z(gpu)
 *     ('gpu')                 a---b--      a = x                              b = x z
 *     ('gpu', /^env=/)        a------      a = x
 *
 * ```ts
 * whereTags('gpu', 'env=prod', 'zone-*', /^team=(a|b)$/, { key: 'tier', value: 'front', pattern: 'prefix' });
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a filter that makes no sense, naming its place.
 */
export function whereTags(...filters: readonly TagFilter[]): OperatorFunction<NodeSet, NodeSet> {
  const tests = filters.map((filter, index) => tagFilter(filter, `whereTags, filter ${index + 1}`));
  return whereNodes((node) => tests.every((test) => test(node.tags)));
}
