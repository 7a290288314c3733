/** How many of some nodes are healthy. */

import type { Node } from './node.js';
import { standingOf } from './standing.js';

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
    const standing = standingOf(node);
    if (standing === 'aside') continue;
    total++;
    if (standing === 'healthy') healthy++;
  }
  return { healthy, total };
}
