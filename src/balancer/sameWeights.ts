/** Whether a list changed in what the weighted strategies look at. */

import type { Node } from '../core/node.js';

/** True when both lists have the same ids with the same weights in the same order. */
export function sameWeights(before: readonly Node[], after: readonly Node[]): boolean {
  if (before.length !== after.length) return false;
  for (let i = 0; i < after.length; i++) {
    const a = before[i]!;
    const b = after[i]!;
    if (a !== b && (a.id !== b.id || a.weight !== b.weight)) return false;
  }
  return true;
}
