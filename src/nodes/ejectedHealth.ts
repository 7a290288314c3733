/** The health of nodes that were taken out: several may take one out, and what its own health is waits below. */

import type { Ejection, Node, NodeState } from '../core/node.js';

type OwnHealth = Pick<NodeState, 'health' | 'healthReason'>;

/** The ejected nodes of a directory, each with the health that it has by itself. */
export class EjectedHealth {
  readonly #own = new Map<string, OwnHealth>();

  /** The state without what it says of the health of an ejected node, which is kept until the node is let in again. */
  keep(id: string, state: Partial<NodeState>): Partial<NodeState> {
    const own = this.#own.get(id);
    if (!own || !('health' in state || 'healthReason' in state)) return state;
    const { health = own.health, healthReason, ...rest } = state;
    this.#own.set(id, { health, healthReason });
    return rest;
  }

  /** The state with these ejections put on a node, and those that are undefined lifted from it. */
  apply(node: Node, state: Partial<NodeState>, changes: ReadonlyMap<string, Ejection | undefined>): Partial<NodeState> {
    if (changes.size === 0) return state;
    const { id } = node;
    const others = node.ejections.filter(({ by }) => !changes.has(by));
    const ejections = [...others, ...[...changes.values()].filter((ejection) => ejection !== undefined)];
    if (ejections.length === 0) {
      const own = this.#own.get(id);
      this.#own.delete(id);
      return own ? { ...state, ...own, ejections } : state;
    }
    if (!this.#own.has(id)) {
      const { health = node.health, healthReason = node.healthReason } = state;
      this.#own.set(id, { health, healthReason });
    }
    const healthReason = ejections.map(({ by, reason }) => `${by}: ${reason}`).join('; ');
    return { ...state, health: 'ejected', healthReason, ejections };
  }

  forget(id: string): void {
    this.#own.delete(id);
  }
}
