/** The health of nodes that were taken out: several may take one out, and what its own health is waits below. */

import type { Ejection, Node, NodeState } from '../core/node.js';

type OwnHealth = Pick<NodeState, 'health' | 'healthReason'>;

/** The ejected nodes of a directory, each with the health that it has by itself. */
export class EjectedHealth {
  readonly #own = new Map<string, OwnHealth>();

  /**
   * What was said of a node, without what counts only once it is let in again: that is kept. Nobody says of a node who took it
   * out, since those who do so would not know when to let it in.
   */
  keep(id: string, said: Partial<NodeState>): Partial<NodeState> {
    const own = this.#own.get(id);
    if (!own && !('ejections' in said)) return said;
    const { ejections: _, ...rest } = said;
    if (!own) return rest;
    this.#own.set(id, healthOf(rest, own));
    const { health: _health, healthReason: _reason, ...others } = rest;
    return others;
  }

  /** The state with these ejections put on a node, and those that are undefined lifted from it. */
  apply(node: Node, state: Partial<NodeState>, changes: ReadonlyMap<string, Ejection | undefined>): Partial<NodeState> {
    const { id } = node;
    const ejections = changed(node.ejections, changes);
    if (ejections === node.ejections) return state;
    if (ejections.length === 0) {
      const own = this.#own.get(id);
      this.#own.delete(id);
      return { ...state, ...own, ejections };
    }
    if (!this.#own.has(id)) this.#own.set(id, healthOf(state, node));
    const healthReason = ejections.map(({ by, reason }) => `${by}: ${reason}`).join('; ');
    return { ...state, health: 'ejected', healthReason, ejections };
  }

  forget(id: string): void {
    this.#own.delete(id);
  }
}

/** Each in the place of the one by the same, new ones at the end; the same list when nothing changed. */
function changed(before: readonly Ejection[], changes: ReadonlyMap<string, Ejection | undefined>): readonly Ejection[] {
  let same = true;
  const after: Ejection[] = [];
  for (const old of before) {
    const ejection = changes.has(old.by) ? changes.get(old.by) : old;
    if (ejection) after.push(ejection);
    same &&= ejection === old;
  }
  for (const [by, ejection] of changes) {
    if (!ejection || before.some((old) => old.by === by)) continue;
    after.push(ejection);
    same = false;
  }
  return same ? before : after;
}

/** The health that a node has once this was said of it. */
function healthOf(said: Partial<NodeState>, before: OwnHealth): OwnHealth {
  const { health = before.health } = said;
  return { health, healthReason: 'healthReason' in said ? said.healthReason : before.healthReason };
}
