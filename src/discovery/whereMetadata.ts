/** The nodes whose metadata says certain things. */

import type { OperatorFunction } from 'rxjs';
import type { NodeSet } from '../core/nodeSet.js';
import { tagFilter, type TagFilter } from './tagFilter.js';
import { whereNodes } from './whereNodes.js';

/**
 * `whereTags` over the metadata of the nodes: keeps those that meet every filter.
 *
 *     nodes$                  a--      a = x(group=blue) y(group=green)
 *     ('group=blue')          a--      a = x
 *
 * For systems whose groups stand in the metadata, as fyer's do: `{ key: 'group', value: '^blue', pattern: 'regex' }`.
 *
 * @throws FleetError `INVALID_OPTION` for a filter that makes no sense, naming its place.
 */
export function whereMetadata(...filters: readonly TagFilter[]): OperatorFunction<NodeSet, NodeSet> {
  const tests = filters.map((filter, index) => tagFilter(filter, `whereMetadata, filter ${index + 1}`));
  return whereNodes((node) => tests.every((test) => test(node.metadata)));
}
