/** The nodes of a namespace. */

import type { OperatorFunction } from 'rxjs';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { whereNodes } from './whereNodes.js';

export interface WhereNamespaceOptions {
  /** What becomes of nodes that name no namespace. Default `drop`: they may belong to anybody. */
  readonly unnamed?: 'drop' | 'keep';
}

/**
 * Keeps the nodes of this namespace, or of these.
 *
 *     nodes$          a---b--      a = x(prod) y(test)   b = x(prod) y(test) z(prod)
 *     ('prod')        a---b--      a = x                 b = x z
 *
 * For sources that list several namespaces at once; where the source itself can ask for one (`DiscoveryQuery.namespace`),
 * that is cheaper.
 *
 * @throws FleetError `INVALID_OPTION` for an empty name, or none.
 */
export function whereNamespace(
  namespace: string | readonly string[],
  options: WhereNamespaceOptions = {},
): OperatorFunction<NodeSet, NodeSet> {
  const names = new Set(typeof namespace === 'string' ? [namespace] : namespace);
  requireOption(names.size > 0 && !names.has(''), 'whereNamespace', 'a name, or some names', JSON.stringify(namespace));
  const unnamed = options.unnamed === 'keep';
  return whereNodes((node) => (node.namespace === undefined ? unnamed : names.has(node.namespace)));
}
