/**
 * A set of nodes of which some are shown otherwise than they are, such as with another weight.
 *
 * It follows its source from change to change, so that a change of one node of 10,000 is a change of one node for those who look
 * at the view, too: all others stay the same objects. While nobody is shown otherwise the view is its source.
 */

import type { Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';

/** Past this many changes at once a set is cheaper made anew than derived. */
const many = 1_000;

export class NodeView {
  readonly #show: (node: Node) => Node;
  #source = NodeSet.empty;
  #shown = NodeSet.empty;
  /** Those that are shown otherwise, as they are shown. */
  readonly #others = new Map<string, Node>();

  /** @param show how a node is to be shown, with the same id; the node itself when as it is. */
  constructor(show: (node: Node) => Node) {
    this.#show = show;
  }

  /** What is shown now. */
  get shown(): NodeSet {
    return this.#shown;
  }

  /** What is shown of a later set. */
  follow(source: NodeSet): NodeSet {
    const before = this.#source;
    const { added, removed, updated } = source.changesSince(before);
    this.#source = source;
    for (const { id } of removed) this.#others.delete(id);
    const changed = [...updated, ...added].map((node) => this.#look(node));
    if (this.#others.size === 0) this.#shown = source;
    else if (this.#shown === before || changed.length > many) this.#shown = this.#whole();
    else {
      const stayed = this.#shown.without(...removed.map(({ id }) => id));
      this.#shown = stayed.with(...changed).withStale(source.stale);
    }
    return this.#shown;
  }

  /** Looks again at these nodes of the source, since it may have changed how they are to be shown. */
  renew(ids: Iterable<string>): NodeSet {
    const source = this.#source;
    const changed: Node[] = [];
    for (const id of ids) {
      const node = source.get(id);
      if (!node) continue;
      const before = this.#others.get(id) ?? node;
      const shown = this.#look(node);
      if (shown !== before) changed.push(shown);
    }
    if (changed.length === 0) return this.#shown;
    if (this.#others.size === 0) this.#shown = source;
    else if (this.#shown === source || changed.length > many) this.#shown = this.#whole();
    else this.#shown = this.#shown.with(...changed);
    return this.#shown;
  }

  #look(node: Node): Node {
    const shown = this.#show(node);
    if (shown === node) this.#others.delete(node.id);
    else this.#others.set(node.id, shown);
    return shown;
  }

  #whole(): NodeSet {
    const { nodes, stale } = this.#source;
    return NodeSet.of(
      nodes.map((node) => this.#others.get(node.id) ?? node),
      stale,
    );
  }
}
