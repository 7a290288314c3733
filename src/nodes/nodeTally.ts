/** How many nodes are of which kind, kept up from change to change: a count costs nothing, whatever the size of the fleet. */

import type { Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';

export class NodeTally<Kind extends string> {
  readonly #kindOf: (node: Node) => Kind;
  readonly #kinds = new Map<string, Kind>();
  readonly #counts = new Map<Kind, number>();
  #set = NodeSet.empty;

  /** @param kindOf a pure function of the node. */
  constructor(kindOf: (node: Node) => Kind) {
    this.#kindOf = kindOf;
  }

  /** Counts the nodes of a later set. */
  follow(set: NodeSet): void {
    const { added, updated, removed } = set.changesSince(this.#set);
    this.#set = set;
    for (const { id } of removed) this.#enter(id, undefined);
    for (const node of updated) this.#enter(node.id, this.#kindOf(node));
    for (const node of added) this.#enter(node.id, this.#kindOf(node));
  }

  count(kind: Kind): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** Undefined for an id that is not in the set. */
  kind(id: string): Kind | undefined {
    return this.#kinds.get(id);
  }

  #enter(id: string, kind: Kind | undefined): void {
    const before = this.#kinds.get(id);
    if (before === kind) return;
    if (before !== undefined) this.#counts.set(before, this.count(before) - 1);
    if (kind === undefined) this.#kinds.delete(id);
    else {
      this.#kinds.set(id, kind);
      this.#counts.set(kind, this.count(kind) + 1);
    }
  }
}
