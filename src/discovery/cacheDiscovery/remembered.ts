/** What a cache holds of one service. */

import type { NodeSet } from '../../core/nodeSet.js';

/** What was known, and when it was last right: `Infinity` while it is. */
export interface Remembered {
  readonly set: NodeSet;
  readonly at: number;
}
