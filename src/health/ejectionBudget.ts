/**
 * The one budget of all who take nodes out for their failures.
 *
 * Each detector alone can be right and all together still empty a fleet: an outage looks like many bad nodes. So whoever finds
 * one asks here, and every node counts that is out already, whoever took it out and why. And since fleets shrink, and nodes fail
 * that were to stand in for those that are out, the budget is kept afterwards, too: what detectors hold out beyond it is let in.
 */

import { isPending, isRoutable } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { NodeTally } from '../nodes/nodeTally.js';

/** How many nodes may be out at once. */
export interface EjectionBudgetOptions {
  /**
   * The share of the nodes, in percent, from 0 to 100. Default 10. Nodes that say themselves that they do not serve count,
   * too, but are never let in against their word. gRFC A50 and Envoy: `max_ejection_percent`.
   */
  readonly maxEjectionPercent?: number;
  /** So many in any case, as long as another node takes calls. Default 1, so that small fleets are not left to one bad node. */
  readonly minEjections?: number;
}

/** Takes calls; is out by detectors alone; is out by others, or by its own word; may take calls soon; none of these. */
type Standing = 'takesCalls' | 'held' | 'out' | 'pending' | 'aside';

export class EjectionBudget {
  readonly #share: number;
  readonly #least: number;
  readonly #nodes: () => NodeSet;
  readonly #tally: NodeTally<Standing>;
  /** Nodes that were just taken out, until a set shows it: while one is being delivered the next has to wait. */
  readonly #granted = new Set<string>();
  #grantedAt = 0;

  /**
   * @param mine the names of the detectors.
   * @throws FleetError `INVALID_OPTION` for a share that is no percentage, or a least that is no whole number.
   */
  constructor(options: EjectionBudgetOptions, mine: readonly string[], nodes: () => NodeSet) {
    const { maxEjectionPercent = 10, minEjections = 1 } = options;
    const isShare = maxEjectionPercent >= 0 && maxEjectionPercent <= 100;
    requireOption(isShare, 'ejectionBudget.maxEjectionPercent', 'from 0 to 100', maxEjectionPercent);
    const isWhole = Number.isInteger(minEjections) && minEjections >= 0;
    requireOption(isWhole, 'ejectionBudget.minEjections', 'a whole number', minEjections);
    this.#share = maxEjectionPercent;
    this.#least = minEjections;
    this.#nodes = nodes;
    const names = new Set(mine);
    this.#tally = new NodeTally((node) => standingOf(node, names));
  }

  /** Whether a node may be taken out as well as those that are: within the budget, and never the last that takes calls. */
  mayEject(id: string): boolean {
    const set = this.#nodes();
    const tally = this.#tally;
    tally.follow(set);
    const standing = tally.kind(id);
    if (standing === undefined) return false;
    let out = tally.count('held') + tally.count('out');
    let takers = tally.count('takesCalls');
    if (standing === 'held' || standing === 'out') out--;
    else if (standing === 'takesCalls') takers--;
    if (set.revision !== this.#grantedAt) this.#granted.clear();
    for (const other of this.#granted) {
      const before = tally.kind(other);
      if (other === id || before === undefined || before === 'held' || before === 'out') continue;
      if (before === 'takesCalls') takers--;
      out++;
    }
    return takers > 0 && out < this.#allowed(set);
  }

  /** This node is about to be taken out. */
  grant(id: string): void {
    const { revision } = this.#nodes();
    if (revision !== this.#grantedAt) this.#granted.clear();
    this.#grantedAt = revision;
    this.#granted.add(id);
  }

  /** Those that detectors hold out beyond the budget, or while nobody else takes calls: first who would be back first. */
  excess(set: NodeSet): readonly Node[] {
    const tally = this.#tally;
    tally.follow(set);
    const held = tally.count('held');
    if (held === 0) return [];
    const surplus = held - this.#allowed(set);
    const nobody = tally.count('takesCalls') + tally.count('pending') === 0;
    if (surplus <= 0 && !nobody) return [];
    const nodes = set.nodes.filter(({ id }) => tally.kind(id) === 'held').sort((a, b) => backAt(a) - backAt(b));
    if (surplus > 0) return nodes.slice(0, surplus);
    return nodes.filter(couldTakeCalls).slice(0, 1);
  }

  /** A ceiling: the share is rounded down, but some may be out in any case. */
  #allowed({ size }: NodeSet): number {
    return Math.max(this.#least, Math.floor((size * this.#share) / 100));
  }
}

function standingOf(node: Node, detectors: ReadonlySet<string>): Standing {
  const { health, ejections } = node;
  if (health === 'ejected') {
    return ejections.length > 0 && ejections.every(({ by }) => detectors.has(by)) ? 'held' : 'out';
  }
  if (health === 'notServing') return 'out';
  if (isRoutable(node)) return 'takesCalls';
  return isPending(node) ? 'pending' : 'aside';
}

function backAt({ ejections }: Node): number {
  return Math.max(...ejections.map(({ until }) => until ?? Number.MAX_VALUE));
}

/** Once it is let in. */
function couldTakeCalls({ availability, compatibility, weight }: Node): boolean {
  const reachable = availability === 'ready' || availability === 'discovered';
  return reachable && compatibility === 'compatible' && weight > 0;
}
