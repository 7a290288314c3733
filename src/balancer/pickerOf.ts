/** How a custom balancer is written: a function that chooses, made a picker. */

import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { CandidateLists, copyOf, NodePick } from './candidates.js';
import type { PickContext, Picker } from './picker.js';

/**
 * A picker of one set that chooses by a function.
 *
 *     const nearest = (zone: string): Balancer => (nodes$) =>
 *       nodes$.pipe(map((set) => pickerOf(set, (nodes) => nodes.find((n) => n.zone === zone) ?? nodes[0])));
 *
 * Everything around the choice is done: only routable nodes that meet the requirement of the call are offered, those
 * tried already only when nobody else is left, and the pick counts as in flight on its node until its `end`.
 * State that should survive the sets goes inside `defer` or `scan`, as in any operator.
 *
 * @param choose one of the nodes offered, which are never none; `undefined` means nobody now, and the pick is `NO_NODES`.
 *   What it throws, `pick` throws.
 * @param name what `why` calls the strategy. Default `custom`.
 */
export function pickerOf(
  set: NodeSet,
  choose: (candidates: readonly Node[], context: PickContext) => Node | undefined,
  name = 'custom',
): Picker {
  const lists = new CandidateLists(set, name);
  return {
    set,
    pick(context) {
      const { requires, exclude, strict = false } = context;
      const candidates = lists.for(requires);
      if (candidates.nodes.length === 0) return candidates.noPick(exclude);
      const excluded = exclude?.size ? copyOf(exclude) : undefined;
      const others = excluded && candidates.hasOther(excluded);
      if (excluded && strict && !others) return candidates.noPick(excluded, strict);
      const offered = others ? candidates.nodes.filter((node) => !excluded.has(node.id)) : candidates.nodes;
      const node = choose(offered, context);
      if (!node) return candidates.noPick(excluded, strict);
      node.stats.begin();
      return new NodePick(node, 0, candidates, excluded, strict, noPorts);
    },
  };
}

const noPorts = {};
