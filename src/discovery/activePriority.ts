/** Failover by priority: the nodes of the best priority that has anyone, and no others. */

import { defer, map, distinctUntilChanged, type OperatorFunction } from 'rxjs';
import { isPending, isRoutable } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { settled } from './settled.js';

/**
 * Keeps the nodes of the lowest `metadata.priority` of which at least one takes calls (`isRoutable`), or may soon
 * (`isPending`). Nodes without a priority have 0.
 *
 *     nodes$              a---b---a--      a = x(0) y(1)   b = x(0, not serving) y(1)
 *     activePriority()    a---b---a--      a = x           b = y
 *
 * When nobody takes calls anywhere, the lowest priority that lists anyone stands. On a discovery "takes calls" is what
 * the source says; in front of a balancer it also follows connections and health checks of the client:
 *
 * ```ts
 * balancer: (nodes$) => nodes$.pipe(activePriority(), roundRobin());
 * ```
 *
 * gRPC name: `priority_experimental`, without its timer: a node that is being dialled keeps its priority for as long as
 * the transport's connect deadline lets it (gRFC A56 says 10 s).
 */
export function activePriority(): OperatorFunction<NodeSet, NodeSet> {
  return (set$) =>
    defer(() => {
      let before: NodeSet | undefined;
      return set$.pipe(
        map((set) => (before = settled(before, nodesOfActivePriority(set.nodes), set.stale))),
        distinctUntilChanged(),
      );
    });
}

/** The part of these nodes that `activePriority()` keeps, in the same order. */
export function nodesOfActivePriority(nodes: readonly Node[]): readonly Node[] {
  let lowest = Infinity;
  let active = Infinity;
  let same = true;
  for (const node of nodes) {
    const priority = priorityOf(node);
    if (lowest !== Infinity && priority !== lowest) same = false;
    lowest = Math.min(lowest, priority);
    if (priority < active && (isRoutable(node) || isPending(node))) active = priority;
  }
  if (same) return nodes;
  const kept = active === Infinity ? lowest : active;
  return nodes.filter((node) => priorityOf(node) === kept);
}

function priorityOf({ metadata }: Node): number {
  const priority = Number(metadata.priority ?? 0);
  return Number.isFinite(priority) ? priority : 0;
}
