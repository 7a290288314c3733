/** Who of one snapshot may take a call, and the account of those who may not. */

import { isPending, isRoutable, obstacleOf } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { NodeStats, Outcome } from '../core/nodeStats.js';
import type { Candidate, LeftOut, Refusal, Why } from '../core/why.js';
import type { Excluded, NoPick, Pick, Requirement } from './picker.js';

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

  /**
   * Every node of the set that meets the requirement and has a weight, in the order of the set, whether or not it may
   * take calls now: for strategies in which a node keeps its place while it is down. Whoever is in the list is one, also
   * where its requirement says otherwise by now.
   */
  get members(): readonly Node[] {
    const { nodes, requires } = this;
    let next = 0;
    return this.set.nodes.filter((node) => {
      if (node !== nodes[next]) return node.weight > 0 && (requires === undefined || requires.test(node));
      next++;
      return true;
    });
  }

  /** True when somebody is left after the excluded. Looks at the nodes only when there are as many ids as nodes. */
  hasOther(exclude: Excluded): boolean {
    return exclude.size < this.nodes.length || this.nodes.some((node) => !exclude.has(node.id));
  }

  noPick(exclude?: Excluded, strict = false): NoPick {
    this.pending ??= this.set.nodes.some((node) => isPending(node) && mayMatter(node, this.requires));
    const lacksTask = this.nodes.length === 0 && this.requires !== undefined && this.set.nodes.some(isRoutable);
    return new Nobody(this, exclude, strict, this.pending, lacksTask ? 'NO_NODE_FOR_TASK' : 'NO_NODES');
  }

  /**
   * The account of a pick: who could take it, and every node that could not, with its reason.
   */
  why(chosen: Node | undefined, exclude: Excluded | undefined, strict: boolean, ports?: PickPorts): Why {
    const { requires, strategy } = this;
    const excluded = exclude && (strict || this.hasOther(exclude)) ? exclude : undefined;
    const candidates: Candidate[] = [];
    const leftOut: LeftOut[] = [];
    let place = -1;
    for (const node of this.set.nodes) {
      if (node === this.nodes[place + 1]) place++;
      const refusal =
        node === chosen
          ? undefined
          : (obstacleOf(node) ??
            (requires && !requires.test(node) ? lacking(requires) : undefined) ??
            (excluded && refusalIn(excluded, node.id)));
      if (refusal) {
        const { obstacle, reason } = refusal;
        leftOut.push({ node: node.id, obstacle, reason });
        continue;
      }
      const score = this.nodes[place] === node ? ports?.scoreAt?.(place, this) : undefined;
      candidates.push(score === undefined ? { node: node.id } : { node: node.id, score });
    }
    return { strategy, candidates, leftOut };
  }
}

/** A node does not offer what a call requires. */
export function lacking({ name }: Requirement): Refusal {
  return { obstacle: 'lacks', reason: `does not offer ${name}` };
}

const tried: Refusal = { obstacle: 'tried', reason: 'tried already' };

/** Why a node is passed over, if it is. */
export function refusalIn(exclude: Excluded, id: string): Refusal | undefined {
  if ('get' in exclude) return exclude.get(id);
  return exclude.has(id) ? tried : undefined;
}

/** As it is now: the caller's own grows with each attempt. */
export function copyOf(exclude: Excluded): Excluded {
  return 'get' in exclude ? new Map(exclude) : new Set(exclude);
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

/**
 * Told of each change of a node's in-flight count that a pick makes; with the outcome, when it ended with one. `index` is
 * the place of the node in the list that it was picked from, -1 when somebody else picked it.
 */
export type InFlightChanged = (node: Node, index: number, outcome: Outcome | undefined) => void;

/** What a pick needs of its strategy. */
export interface PickPorts {
  readonly changed?: InFlightChanged | undefined;
  /** What the strategy compares, of the node at a place of a list; undefined for a list that has changed since. */
  scoreAt?(index: number, candidates: Candidates): number | undefined;
}

/** A pick as handed out: one object, no closure. */
export class NodePick implements Pick {
  readonly node: Node;
  private readonly candidates: Candidates;
  private readonly exclude: Excluded | undefined;
  private readonly strict: boolean;
  private readonly ports: PickPorts;
  /** Place of the node among the candidates; -1 once ended. */
  private index: number;

  /** Of a call that was counted as in flight already. */
  constructor(
    node: Node,
    index: number,
    candidates: Candidates,
    exclude: Excluded | undefined,
    strict: boolean,
    ports: PickPorts,
  ) {
    this.node = node;
    this.index = index;
    this.candidates = candidates;
    this.exclude = exclude;
    this.strict = strict;
    this.ports = ports;
  }

  end(outcome: Outcome): void {
    const { index } = this;
    if (index < 0) return;
    this.index = -1;
    this.node.stats.end(outcome);
    const { changed } = this.ports;
    if (changed !== undefined) changed(this.node, index, outcome);
  }

  release(): void {
    const { index } = this;
    if (index < 0) return;
    this.index = -1;
    this.node.stats.release();
    const { changed } = this.ports;
    if (changed !== undefined) changed(this.node, index, undefined);
  }

  get why(): Why {
    return this.candidates.why(this.node, this.exclude, this.strict, this.ports);
  }
}

class Nobody implements NoPick {
  readonly node = undefined;
  readonly pending: boolean;
  readonly code: NoPick['code'];
  private readonly candidates: Candidates;
  private readonly exclude: Excluded | undefined;
  private readonly strict: boolean;

  constructor(
    candidates: Candidates,
    exclude: Excluded | undefined,
    strict: boolean,
    pending: boolean,
    code: NoPick['code'],
  ) {
    this.candidates = candidates;
    this.exclude = exclude;
    this.strict = strict;
    this.pending = pending;
    this.code = code;
  }

  get why(): Why {
    return this.candidates.why(undefined, this.exclude, this.strict);
  }
}

/** Whether a pending node, once it is there, could take the call. What it offers may not be known yet. */
function mayMatter(node: Node, requires: Requirement | undefined): boolean {
  if (!(node.weight > 0)) return false;
  if (!requires || node.compatibility === 'pending' || node.capabilities.length === 0) return true;
  return requires.test(node);
}
