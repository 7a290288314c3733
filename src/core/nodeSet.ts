/** An immutable snapshot of the nodes known at one moment, cheap to derive from the one before. */

import type { Node } from './node.js';

/** How two snapshots differ. */
export interface NodeChanges {
  readonly added: readonly Node[];
  readonly removed: readonly Node[];
  /** The new forms of nodes that were there before. */
  readonly updated: readonly Node[];
}

/** Set on a snapshot whose source is cut off: the nodes are the last that were known. */
export interface Staleness {
  /** When the source was last right, in milliseconds since the epoch by the scheduler of the source. */
  readonly since: number;
  readonly reason: string;
}

const noChanges: NodeChanges = { added: [], removed: [], updated: [] };
let lastRevision = 0;

/**
 * A snapshot: `nodes` in a stable order, found by id in constant time.
 *
 * Deriving one (`with`, `without`) copies the array of references and hands the index on to the newer snapshot,
 * so that 10,000 nodes of which one changes cost some microseconds; an older snapshot builds its own index
 * again in the rare case that it is still asked.
 */
export class NodeSet {
  static readonly empty: NodeSet = new NodeSet([]);

  readonly nodes: readonly Node[];
  /** Grows with every snapshot of the process, whatever its source. */
  readonly revision: number = ++lastRevision;
  /** Undefined while the source is connected. */
  readonly stale: Staleness | undefined;

  #index: Map<string, Node> | undefined;
  readonly #basis: number;
  readonly #changes: NodeChanges;

  private constructor(
    nodes: readonly Node[],
    stale?: Staleness,
    index?: Map<string, Node>,
    basis = 0,
    changes = noChanges,
  ) {
    this.nodes = nodes;
    this.stale = stale;
    this.#index = index;
    this.#basis = basis;
    this.#changes = changes;
  }

  /** A snapshot of these nodes. Of several with one id the last counts. */
  static of(nodes: Iterable<Node>, stale?: Staleness): NodeSet {
    const index = new Map<string, Node>();
    for (const node of nodes) index.set(node.id, node);
    return new NodeSet([...index.values()], stale, index);
  }

  get size(): number {
    return this.nodes.length;
  }

  get(id: string): Node | undefined {
    return this.#owned().get(id);
  }

  has(id: string): boolean {
    return this.#owned().has(id);
  }

  /** With these nodes added, or put in the place of those with the same ids. Of several with one id the last counts. */
  with(...changed: readonly Node[]): NodeSet {
    if (changed.length === 0) return this;
    const latest = changed.length === 1 ? changed : new Map(changed.map((node) => [node.id, node])).values();
    const index = this.#takeIndex();
    const added: Node[] = [];
    const updated: Node[] = [];
    const replacements = new Map<Node, Node>();
    for (const node of latest) {
      const before = index.get(node.id);
      if (before) {
        replacements.set(before, node);
        updated.push(node);
      } else {
        added.push(node);
      }
      index.set(node.id, node);
    }
    const nodes = this.nodes.slice();
    if (replacements.size === 1) {
      nodes[nodes.indexOf(replacements.keys().next().value!)] = updated[0]!;
    } else if (replacements.size > 1) {
      for (let i = 0; i < nodes.length; i++) nodes[i] = replacements.get(nodes[i]!) ?? nodes[i]!;
    }
    for (const node of added) nodes.push(node);
    return new NodeSet(nodes, this.stale, index, this.revision, { added, removed: [], updated });
  }

  /** Without the nodes of these ids. */
  without(...ids: readonly string[]): NodeSet {
    const removed = [...new Set(ids)].map((id) => this.get(id)).filter((node) => node !== undefined);
    if (removed.length === 0) return this;
    const index = this.#takeIndex();
    for (const { id } of removed) index.delete(id);
    const gone = new Set(removed);
    const nodes = this.nodes.filter((node) => !gone.has(node));
    return new NodeSet(nodes, this.stale, index, this.revision, { added: [], removed, updated: [] });
  }

  /** The same nodes, marked as stale, or as fresh again. */
  withStale(stale: Staleness | undefined): NodeSet {
    if (stale === this.stale) return this;
    return new NodeSet(this.nodes, stale, this.#takeIndex(), this.revision, noChanges);
  }

  /** How this snapshot differs from an earlier one: at once when derived from it, else by comparing. */
  changesSince(before: NodeSet): NodeChanges {
    if (before === this) return noChanges;
    if (this.#basis === before.revision) return this.#changes;
    const added: Node[] = [];
    const updated: Node[] = [];
    for (const node of this.nodes) {
      const old = before.get(node.id);
      if (!old) added.push(node);
      else if (old !== node) updated.push(node);
    }
    const removed = before.nodes.filter((node) => !this.has(node.id));
    return { added, removed, updated };
  }

  #owned(): Map<string, Node> {
    return (this.#index ??= new Map(this.nodes.map((node) => [node.id, node])));
  }

  #takeIndex(): Map<string, Node> {
    const index = this.#owned();
    this.#index = undefined;
    return index;
  }
}
