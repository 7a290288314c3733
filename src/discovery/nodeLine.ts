/** One line of sets told by several sources in turn, in which a node that did not change keeps its object. */

import { createNode, type Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { sameNode } from './sameNode.js';
import { settled } from './settled.js';

/** What was told last, and by whom. */
export class NodeLine {
  /** The set that was told last. */
  current: NodeSet | undefined;
  #source: unknown;
  #heard: NodeSet | undefined;

  /**
   * The set to tell when `source` says `set`: `current` itself when that is nothing new. A change of source compares
   * all nodes; within a source, only what changed is looked at.
   */
  next(source: unknown, set: NodeSet): NodeSet {
    const before = this.current;
    if (!before || !this.#heard || source !== this.#source) {
      this.current = settled(before, set.nodes, set.stale);
    } else {
      const { added, updated, removed } = set.changesSince(this.#heard);
      const changed = [...updated, ...added]
        .map((node) => carriedOn(before.get(node.id), node))
        .filter((node) => before.get(node.id) !== node);
      this.current = before
        .without(...removed.map(({ id }) => id))
        .with(...changed)
        .withStale(set.stale);
    }
    this.#source = source;
    this.#heard = set;
    return this.current;
  }

  /** Marks what was told last as stale; the source is heard again by its next set. */
  stale(reason: string, since: number): NodeSet | undefined {
    if (this.current && !this.current.stale) this.current = this.current.withStale({ since, reason });
    return this.current;
  }
}

function carriedOn(before: Node | undefined, node: Node): Node {
  if (!before) return node;
  if (sameNode(before, node)) return before;
  return before.stats === node.stats ? node : createNode({ ...node, firstSeen: before.firstSeen, stats: before.stats });
}
