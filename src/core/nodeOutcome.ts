import type { Node } from './node.js';
import type { Outcome } from './nodeStats.js';

/** How one attempt ended, and on which node. */
export interface NodeOutcome {
  readonly node: Node;
  readonly outcome: Outcome;
}
