/**
 * Holds calls back from a node until its health check has spoken.
 *
 * A node that has just been connected counts as healthy until a check says otherwise, so a process that is up but still loads its
 * models is sent calls for as long as the first check takes. gRPC holds such a node in CONNECTING instead (gRFC A17: "READY only
 * after the first response"), at the price of one round trip after each connect. Give the check `initialJitterMs: 0` with this,
 * or that is what calls wait for.
 */

import { defer, map, type MonoTypeOperatorFunction } from 'rxjs';
import { updateNode, type Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { NodeView } from '../nodes/nodeView.js';

/**
 * Shows nodes that are ready, and of whose health nothing was said, as `connecting`: calls wait for them, if nobody else is there.
 *
 *     nodes$      a---b---c---     a = x connecting   b = x ready   c = x ready, serving
 *     shown       a---a---c---
 *
 * A node whose check broke is shown as it is: there will be no answer.
 */
export function awaitHealth(): MonoTypeOperatorFunction<NodeSet> {
  return (set$) =>
    defer(() => {
      const view = new NodeView(held);
      return set$.pipe(map((set) => view.follow(set)));
    });
}

function held(node: Node): Node {
  const asked = node.availability === 'ready' && node.health === 'unknown' && node.healthReason === undefined;
  if (!asked) return node;
  return updateNode(node, { availability: 'connecting', availabilityReason: 'connected, and asked for its health' });
}
