/** How a source that knows all its nodes goes from one set to the next. */

import { createNode, type Node } from '../core/node.js';
import { NodeSet, type Staleness } from '../core/nodeSet.js';
import { sameNode } from './sameNode.js';

/**
 * The set that follows `before` when these are all the nodes there are: unchanged nodes keep their object, changed ones
 * their `firstSeen` and `stats`. It is `before` itself when nothing changed.
 *
 * @param before Undefined for the first set.
 */
export function settled(before: NodeSet | undefined, nodes: readonly Node[], stale?: Staleness): NodeSet {
  if (!before) return NodeSet.of(nodes, stale);
  const ids = new Set(nodes.map(({ id }) => id));
  const gone = before.nodes.filter(({ id }) => !ids.has(id)).map(({ id }) => id);
  const next = nodes.map((node) => {
    const old = before.get(node.id);
    if (!old) return node;
    return sameNode(old, node) ? old : createNode({ ...node, firstSeen: old.firstSeen, stats: old.stats });
  });
  const changed = next.filter((node) => node !== before.get(node.id));
  // A set of which most changed is cheaper made anew than derived.
  if (gone.length + changed.length > before.size / 2 && changed.length > 0) return NodeSet.of(next, stale);
  return before
    .without(...gone)
    .with(...changed)
    .withStale(stale);
}
