/** The first choice of nodes while anybody there can take calls, else the next one. */

import { defer, distinctUntilChanged, map, type OperatorFunction } from 'rxjs';
import { isRoutable } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';
import { NodeFilter } from '../core/nodeFilter.js';
import { NodeSet, type NodeChanges } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';

/** A condition on nodes, with a name for those who are told of the switch. */
export interface Choice {
  /** Such as `zone eu-1`. */
  readonly name: string;
  readonly test: (node: Node) => boolean;
}

export interface PreferNodesOptions {
  /**
   * Told of the choice that is in force: the first one, and each that takes its place. `rank` 0 is the first choice;
   * anything else is a fallback. When nobody can take calls, it is the first choice that lists anyone.
   */
  readonly onChoice?: (choice: Choice, rank: number) => void;
}

/**
 * Keeps the nodes of the first choice of which at least one can take calls (`isRoutable`).
 *
 *     nodes$       a---b---a--      a = x(eu) y(us)   b = x(eu, not serving) y(us)
 *     eu, any      a---b---a--      a = x             b = x y
 *
 * When no choice has anybody who can, the first that lists anyone stands, so that what is there stays visible.
 * On a discovery "can take calls" is what the registry says (its own health checks, a weight of 0); put on
 * `fleet.nodes$` it also follows connections and health checks of the client.
 *
 * @throws FleetError `INVALID_OPTION` when there is nothing to choose.
 */
export function preferNodes(
  choices: readonly Choice[],
  options: PreferNodesOptions = {},
): OperatorFunction<NodeSet, NodeSet> {
  requireOption(choices.length > 0, 'preferNodes', 'at least one choice', 'none');
  const { onChoice } = options;
  return (set$) =>
    defer(() => {
      const parts = choices.map((choice) => new Part(choice));
      let before = NodeSet.empty;
      let told = -1;
      return set$.pipe(
        map((set) => {
          const changes = set.changesSince(before);
          before = set;
          for (const part of parts) part.next(set, changes);
          const best = bestOf(parts);
          if (best !== told) onChoice?.(choices[best]!, best);
          told = best;
          return parts[best]!.set;
        }),
        distinctUntilChanged(),
      );
    });
}

function bestOf(parts: readonly Part[]): number {
  const able = parts.findIndex((part) => part.able > 0);
  if (able >= 0) return able;
  return Math.max(
    0,
    parts.findIndex((part) => part.set.size > 0),
  );
}

/** The nodes of one choice, and how many of them can take calls. */
class Part {
  set = NodeSet.empty;
  readonly #filter: NodeFilter;
  readonly #able = new Set<string>();

  constructor({ test }: Choice) {
    this.#filter = new NodeFilter(test);
  }

  get able(): number {
    return this.#able.size;
  }

  next(whole: NodeSet, changes: NodeChanges): void {
    const before = this.set;
    this.set = this.#filter.next(whole, changes);
    const { added, updated, removed } = this.set.changesSince(before);
    for (const { id } of removed) this.#able.delete(id);
    for (const node of [...added, ...updated]) {
      if (isRoutable(node)) this.#able.add(node.id);
      else this.#able.delete(node.id);
    }
  }
}
