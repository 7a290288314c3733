/** Where a node stands for those who ask how many are healthy. */

import { isRoutable } from './isRoutable.js';
import { updateNode, type Node } from './node.js';

/**
 * Takes calls; takes none for its health alone; cannot be reached; none of these, that is draining, only being dialled or
 * asked, incompatible, or of weight 0.
 */
export type Standing = 'healthy' | 'sidelined' | 'away' | 'aside';

export function standingOf(node: Node): Standing {
  if (isRoutable(node)) return 'healthy';
  const { availability, compatibility, weight } = node;
  if (!(weight > 0) || compatibility !== 'compatible') return 'aside';
  if (availability === 'unavailable') return 'away';
  return availability === 'ready' || availability === 'discovered' ? 'sidelined' : 'aside';
}

/** The same node as if nothing were known of its health. @param why such as `ignored in panic`. */
export function withoutHealth(node: Node, why: string): Node {
  return updateNode(node, { health: 'unknown', healthReason: `${why}: ${node.healthReason ?? node.health}` });
}
