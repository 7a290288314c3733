/** Whose turn it is when a list changes between two picks. */

import type { Node } from '../core/node.js';

/**
 * Index in `after` of the node whose turn it is: the one that was next in `before`, or, when it is gone, the first
 * after it that is still there. So nobody is passed over or favoured because of a change elsewhere in the list.
 */
export function carryTurn(before: readonly Node[], next: number, after: readonly Node[]): number {
  if (before.length === 0) return 0;
  const { id } = before[next]!;
  if (after[next]?.id === id) return next;
  const found = after.findIndex((node) => node.id === id);
  if (found >= 0) return found;
  const indexes = new Map(after.map((node, index) => [node.id, index]));
  for (let step = 1; step < before.length; step++) {
    const index = indexes.get(before[(next + step) % before.length]!.id);
    if (index !== undefined) return index;
  }
  return 0;
}
