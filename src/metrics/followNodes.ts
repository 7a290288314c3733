/** Tells recorders of nodes that have gone, and of those that have moved. */

import { sameAddress } from '../core/address.js';
import { NodeSet } from '../core/nodeSet.js';
import type { Recorder } from './recorder.js';

/**
 * Takes each set of a client.
 *
 * @param now told of the set before the recorders are, so that they see the world as it is.
 */
export function followNodes(
  recorders: readonly Pick<Recorder, 'forget' | 'moved'>[],
  now: (set: NodeSet) => void,
): (set: NodeSet) => void {
  let before = NodeSet.empty;
  return (set) => {
    const { removed, updated } = set.changesSince(before);
    const known = before;
    before = set;
    now(set);
    for (const node of removed) for (const recorder of recorders) recorder.forget?.(node);
    for (const node of updated) {
      const old = known.get(node.id);
      if (!old || old.address === node.address || sameAddress(old.address, node.address)) continue;
      for (const recorder of recorders) recorder.moved?.(old);
    }
  };
}
