/** The latest changes of in-flight counts, for every list of a subscription to catch up with when it is next asked. */

import type { Node } from '../core/node.js';

/** A power of two. */
const capacity = 1_024;
const mask = capacity - 1;

/**
 * A node may stand in many lists, one for each requirement. To tell each list of each change would cost every call as
 * many updates as there are lists; so changes are written down once, and a list that nobody asks costs nothing.
 */
export class LoadJournal {
  /** Changes written so far. */
  count = 0;
  private readonly nodes: (Node | undefined)[] = new Array<Node | undefined>(capacity).fill(undefined);
  private readonly indexes = new Int32Array(capacity);

  /** A change of one node, and its place in the list that it was picked from. */
  readonly write = (node: Node, index: number): void => {
    const at = this.count++ & mask;
    this.nodes[at] = node;
    this.indexes[at] = index;
  };

  /** False when changes after number `since` were overwritten: then look at every node. */
  reaches(since: number): boolean {
    return this.count - since <= capacity;
  }

  nodeAt(number: number): Node {
    return this.nodes[number & mask]!;
  }

  indexAt(number: number): number {
    return this.indexes[number & mask]!;
  }
}
