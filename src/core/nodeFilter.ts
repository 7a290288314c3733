/** A part of a node set that follows the whole: one change among 10,000 nodes costs one test. */

import type { Node } from './node.js';
import { NodeSet, type NodeChanges } from './nodeSet.js';

/** Follows one line of snapshots and keeps the nodes that pass. */
export class NodeFilter {
  readonly #test: (node: Node) => boolean;
  #kept: NodeSet | undefined;

  /** @param test Asked once for each new form of a node. What it throws, `next` throws. */
  constructor(test: (node: Node) => boolean) {
    this.#test = test;
  }

  /**
   * The part of the next snapshot, stale if the whole is; the same object as before when nothing in it changed.
   *
   * @param changes How `set` differs from the snapshot before it; not looked at for the first.
   */
  next(set: NodeSet, changes: NodeChanges): NodeSet {
    const before = this.#kept;
    if (!before) return (this.#kept = NodeSet.of(set.nodes.filter(this.#test), set.stale));
    const gone = changes.removed.filter(({ id }) => before.has(id)).map(({ id }) => id);
    const passing: Node[] = [];
    for (const node of changes.updated) {
      if (this.#test(node)) passing.push(node);
      else if (before.has(node.id)) gone.push(node.id);
    }
    for (const node of changes.added) if (this.#test(node)) passing.push(node);
    // A part of which most changed is cheaper made anew than derived.
    if (gone.length + passing.length > before.size / 2 && gone.length + passing.length > 0) {
      const left = new Set([...gone, ...passing.map(({ id }) => id)]);
      const stayed = before.nodes.filter(({ id }) => !left.has(id));
      this.#kept = NodeSet.of([...stayed, ...passing], set.stale);
    } else {
      this.#kept = before
        .without(...gone)
        .with(...passing)
        .withStale(sameStaleness(before.stale, set.stale) ? before.stale : set.stale);
    }
    return this.#kept;
  }
}

function sameStaleness(a: NodeSet['stale'], b: NodeSet['stale']): boolean {
  return a === b || (a !== undefined && b !== undefined && a.since === b.since && a.reason === b.reason);
}
