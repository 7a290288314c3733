/** Who of one snapshot may take a call, and the account of those who may not. */

import { isPending, isRoutable, whyNotRoutable } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { NodeStats, Outcome } from '../core/nodeStats.js';
import type { NoPick, Pick, Requirement, Why } from './picker.js';

/** Names of requirements come from callers: past this many, the oldest list is dropped and built again when asked for. */
export const maxLists = 256;

/** The nodes of a set that can take a call with one requirement, or with none. */
export class Candidates {
  readonly nodes: readonly Node[];
  /** The counters of each, side by side: a pick then need not touch the node itself, which is seldom in the cache. */
  readonly stats: readonly NodeStats[];
  readonly set: NodeSet;
  readonly requires: Requirement | undefined;
  readonly strategy: string;
  private pending: boolean | undefined;

  constructor(set: NodeSet, strategy: string, routable: readonly Node[], requires: Requirement | undefined) {
    this.set = set;
    this.strategy = strategy;
    this.requires = requires;
    this.nodes = requires ? routable.filter((node) => requires.test(node)) : routable;
    this.stats = this.nodes.map((node) => node.stats);
  }

  /** True when somebody is left after the excluded. Looks at the nodes only when there are as many ids as nodes. */
  hasOther(exclude: ReadonlySet<string>): boolean {
    return exclude.size < this.nodes.length || this.nodes.some((node) => !exclude.has(node.id));
  }

  noPick(exclude?: ReadonlySet<string>): NoPick {
    this.pending ??= this.set.nodes.some((node) => isPending(node) && mayMatter(node, this.requires));
    const lacksTask = this.nodes.length === 0 && this.requires !== undefined && this.set.nodes.some(isRoutable);
    return new Nobody(this, exclude, this.pending, lacksTask ? 'NO_NODE_FOR_TASK' : 'NO_NODES');
  }

  /** The account of a pick: every node that could not take it, with its reason. */
  why(chosen: Node | undefined, exclude: ReadonlySet<string> | undefined): Why {
    const { requires, strategy } = this;
    const tried = exclude && this.hasOther(exclude) ? exclude : undefined;
    const leftOut: { node: string; reason: string }[] = [];
    for (const node of this.set.nodes) {
      if (node === chosen) continue;
      const reason =
        whyNotRoutable(node) ??
        (requires && !requires.test(node) ? `does not offer ${requires.name}` : undefined) ??
        (tried?.has(node.id) ? 'tried already' : undefined);
      if (reason !== undefined) leftOut.push({ node: node.id, reason });
    }
    return { strategy, candidates: this.set.size - leftOut.length, leftOut };
  }
}

/** The candidates of one set for each requirement, each list made when first asked for. */
export class CandidateLists {
  readonly set: NodeSet;
  private readonly strategy: string;
  private routable: readonly Node[] | undefined;
  private all: Candidates | undefined;
  private readonly lists = new Map<string, Candidates>();

  constructor(set: NodeSet, strategy: string) {
    this.set = set;
    this.strategy = strategy;
  }

  /** The list for a requirement; equal names share one. */
  for(requires: Requirement | undefined): Candidates {
    if (!requires) return (this.all ??= this.candidates(undefined));
    let list = this.lists.get(requires.name);
    if (!list) {
      list = this.candidates(requires);
      forgetOldest(this.lists);
      this.lists.set(requires.name, list);
    }
    return list;
  }

  private candidates(requires: Requirement | undefined): Candidates {
    this.routable ??= this.set.nodes.filter(isRoutable);
    return new Candidates(this.set, this.strategy, this.routable, requires);
  }
}

/** Makes room for one more entry once there are `maxLists`. */
export function forgetOldest(map: Map<string, unknown>): void {
  if (map.size >= maxLists) map.delete(map.keys().next().value!);
}

/** Told of each change of a node's in-flight count that a pick makes. */
export type InFlightChanged = (node: Node, index: number) => void;

/** A pick as handed out: one object, no closure. */
export class NodePick implements Pick {
  readonly node: Node;
  private readonly candidates: Candidates;
  private readonly exclude: ReadonlySet<string> | undefined;
  private readonly changed: InFlightChanged | undefined;
  /** Place of the node among the candidates; -1 once ended. */
  private index: number;

  /** Of a call that was counted as in flight already. */
  constructor(
    node: Node,
    index: number,
    candidates: Candidates,
    exclude: ReadonlySet<string> | undefined,
    changed: InFlightChanged | undefined,
  ) {
    this.node = node;
    this.index = index;
    this.candidates = candidates;
    this.exclude = exclude;
    this.changed = changed;
  }

  end(outcome: Outcome): void {
    const { index } = this;
    if (index < 0) return;
    this.index = -1;
    this.node.stats.end(outcome);
    if (this.changed !== undefined) this.changed(this.node, index);
  }

  get why(): Why {
    return this.candidates.why(this.node, this.exclude);
  }
}

class Nobody implements NoPick {
  readonly node = undefined;
  readonly pending: boolean;
  readonly code: NoPick['code'];
  private readonly candidates: Candidates;
  private readonly exclude: ReadonlySet<string> | undefined;

  constructor(
    candidates: Candidates,
    exclude: ReadonlySet<string> | undefined,
    pending: boolean,
    code: NoPick['code'],
  ) {
    this.candidates = candidates;
    this.exclude = exclude;
    this.pending = pending;
    this.code = code;
  }

  get why(): Why {
    return this.candidates.why(undefined, this.exclude);
  }
}

/** Whether a pending node, once it is there, could take the call. What it offers may not be known yet. */
function mayMatter(node: Node, requires: Requirement | undefined): boolean {
  if (!(node.weight > 0)) return false;
  if (!requires || node.compatibility === 'pending' || node.capabilities.length === 0) return true;
  return requires.test(node);
}
