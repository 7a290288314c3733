/** The nodes that meet a condition: what the named filters are made of, and how a filter of your own is written. */

import { defer, distinctUntilChanged, map, type OperatorFunction } from 'rxjs';
import type { Node } from '../core/node.js';
import { NodeFilter } from '../core/nodeFilter.js';
import { NodeSet } from '../core/nodeSet.js';

/**
 * Keeps the nodes for which `test` is true.
 *
 *     nodes$        a---b---c--      a = x1 y2   b = x1 y2 z2   c = y2 z2
 *     weight 1      a-------c--      a = x       c = none
 *
 * Nodes keep their objects and their `sources`, the set its staleness; a change that concerns nobody who passes is not
 * told. `test` is asked once for each new form of a node, not for all nodes at each change; what it throws ends the
 * stream as its error. Works on a discovery and on `fleet.nodes$` alike.
 *
 * ```ts
 * (query) => etcd(options)(query).pipe(whereNodes((node) => node.weight >= 10));
 * ```
 */
export function whereNodes(test: (node: Node) => boolean): OperatorFunction<NodeSet, NodeSet> {
  return (set$) =>
    defer(() => {
      const filter = new NodeFilter(test);
      let before = NodeSet.empty;
      return set$.pipe(
        map((set) => {
          const changes = set.changesSince(before);
          before = set;
          return filter.next(set, changes);
        }),
        distinctUntilChanged(),
      );
    });
}
