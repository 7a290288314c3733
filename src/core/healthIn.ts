/** How many of some nodes are healthy, and the same nodes as if nothing were known of their health. */

import { isRoutable } from './isRoutable.js';
import { updateNode, type Node } from './node.js';
import { NodeSet } from './nodeSet.js';

export interface HealthTally {
  /** Those that take calls. */
  readonly healthy: number;
  /**
   * Those, and the nodes that do not serve, were taken out, or cannot be reached. Nodes that drain, are only being
   * dialled or asked, are incompatible or have the weight 0 count on neither side.
   */
  readonly total: number;
}

export function healthIn(nodes: readonly Node[]): HealthTally {
  let healthy = 0;
  let total = 0;
  for (const node of nodes) {
    if (isRoutable(node)) {
      healthy++;
      total++;
    } else if (isUnhealthy(node)) total++;
  }
  return { healthy, total };
}

/** Nodes that are not serving, or were taken out, may take calls in it; those that cannot be reached stay out. */
export function withoutHealth(set: NodeSet, why: string): NodeSet {
  const nodes = set.nodes.map((node) =>
    node.health === 'notServing' || node.health === 'ejected'
      ? updateNode(node, { health: 'unknown', healthReason: `panic, ${why}: ${node.healthReason ?? node.health}` })
      : node,
  );
  return NodeSet.of(nodes, set.stale);
}

/** Out for its health, or out of reach. */
function isUnhealthy({ availability, compatibility, weight }: Node): boolean {
  return (
    weight > 0 &&
    compatibility === 'compatible' &&
    (availability === 'ready' || availability === 'discovered' || availability === 'unavailable')
  );
}
