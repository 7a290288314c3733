/** A draw that passes over the nodes that were tried already. */

import type { Node } from '../core/node.js';
import type { Excluded } from './picker.js';

/** After this many draws that hit an excluded node, the rest is looked through instead. */
const draws = 8;

/**
 * Draws until a node is hit that is not excluded; when luck fails, takes the one at the fraction `part()` of the
 * summed shares of those left. So the shares among them stay right, and the list is looked through only where
 * nearly all of its shares are excluded. At least one node must not be excluded.
 */
export function drawExcept(
  nodes: readonly Node[],
  exclude: Excluded,
  draw: () => number,
  part: () => number,
  shareOf: (node: Node, index: number) => number,
): number {
  for (let i = 0; i < draws; i++) {
    const index = draw();
    if (!exclude.has(nodes[index]!.id)) return index;
  }
  let total = 0;
  for (let index = 0; index < nodes.length; index++) {
    const node = nodes[index]!;
    if (!exclude.has(node.id)) total += shareOf(node, index);
  }
  let rest = part() * total;
  let last = 0;
  for (let index = 0; index < nodes.length; index++) {
    const node = nodes[index]!;
    if (exclude.has(node.id)) continue;
    last = index;
    rest -= shareOf(node, index);
    if (rest < 0) break;
  }
  return last;
}
