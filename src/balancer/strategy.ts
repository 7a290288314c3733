/** The frame of every strategy: from a way to choose in a list of nodes to an operator over node sets. */

import { defer, map } from 'rxjs';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { NodeStats } from '../core/nodeStats.js';
import { CandidateLists, copyOf, forgetOldest, NodePick } from './candidates.js';
import type { Candidates, InFlightChanged, PickPorts } from './candidates.js';
import type { Balancer, BalancerTraits, Excluded, NoPick, Pick, PickContext, Picker, Requirement } from './picker.js';

/**
 * Chooses from one list of candidates and remembers, from one form of the list to the next, what its strategy
 * remembers: whose turn it is, the ring. There is one for the calls without a requirement and one for each requirement.
 */
export interface Chooser {
  /**
   * The list in a new snapshot with the counters of each, never empty; told before the first choice from it.
   *
   * @param candidates its `members` are the nodes that the list is drawn from, whether or not they may take calls now.
   */
  update(nodes: readonly Node[], stats: readonly NodeStats[], candidates: Candidates): void;
  /** Index of the node for a call. */
  choose(context: PickContext): number;
  /** The same, passing over the excluded ids; at least one node of the list is not excluded. */
  chooseExcept(exclude: Excluded, context: PickContext): number;
  /** What it compares, of the node at a place of the list, for the account of a pick. */
  score?(index: number): number;
}

/** What a strategy is made of, for one subscription. */
export interface Strategy {
  /** Asked once for the calls without a requirement, and once for each requirement. */
  readonly chooser: (requires: Requirement | undefined) => Chooser;
  /** Told after each pick and each end, for strategies that keep an order by load or learn from outcomes. */
  readonly changed?: InFlightChanged;
}

/**
 * A balancer of a strategy. Each subscription makes its own; each set yields a picker, which looks at its nodes
 * at the first pick: sets that nobody picks from cost nothing.
 *
 * @param name for `why`: the gRPC name of the policy where it has one.
 * @param heeds what of nodes and calls counts for it. Default: nothing.
 */
export function balancerOf(
  name: string,
  strategy: () => Strategy,
  heeds: { readonly weights?: boolean; readonly keys?: boolean } = {},
): Balancer {
  const { weights = false, keys = false } = heeds;
  return withTraits({ name, weighted: weights, keyed: keys }, (set$) =>
    defer(() => {
      const memory = new Memory(name, strategy());
      return set$.pipe(map((set) => new StrategyPicker(set, memory)));
    }),
  );
}

/** The balancer, with what can be said of it. */
export function withTraits(traits: BalancerTraits, balancer: Balancer): Balancer {
  return Object.assign((...given: Parameters<Balancer>) => balancer(...given), { traits });
}

/** A chooser and the form of its list that it was last told. */
class Seat implements PickPorts {
  readonly chooser: Chooser;
  readonly changed: InFlightChanged | undefined;
  told: Candidates | undefined = undefined;

  constructor(strategy: Strategy, requires: Requirement | undefined) {
    this.chooser = strategy.chooser(requires);
    this.changed = strategy.changed;
  }

  scoreAt(index: number, candidates: Candidates): number | undefined {
    // Of a list that is no longer the latest nothing is known.
    return this.told === candidates ? this.chooser.score?.(index) : undefined;
  }
}

/** What survives the sets of one subscription. */
class Memory {
  readonly name: string;
  readonly noted: Picker['noted'];
  private readonly strategy: Strategy;
  private all: Seat | undefined;
  private readonly seats = new Map<string, Seat>();

  constructor(name: string, strategy: Strategy) {
    this.name = name;
    this.strategy = strategy;
    const { changed } = strategy;
    this.noted = changed && ((node, outcome) => changed(node, -1, outcome));
  }

  seat(requires: Requirement | undefined): Seat {
    if (!requires) return (this.all ??= new Seat(this.strategy, undefined));
    let seat = this.seats.get(requires.name);
    if (!seat) {
      seat = new Seat(this.strategy, requires);
      forgetOldest(this.seats);
      this.seats.set(requires.name, seat);
    }
    return seat;
  }
}

class StrategyPicker implements Picker {
  readonly set: NodeSet;
  private readonly memory: Memory;
  private lists: CandidateLists | undefined = undefined;
  // The list of the call before, since most calls are like the one before.
  private requires: Requirement | undefined = undefined;
  private candidates: Candidates | undefined = undefined;
  private seat: Seat | undefined = undefined;

  constructor(set: NodeSet, memory: Memory) {
    this.set = set;
    this.memory = memory;
  }

  get noted(): Picker['noted'] {
    return this.memory.noted;
  }

  pick(context: PickContext): Pick | NoPick {
    const { requires, exclude } = context;
    if (this.seat === undefined || requires !== this.requires) this.turnTo(requires);
    const candidates = this.candidates!;
    const seat = this.seat!;
    // Another picker of this subscription may have been asked in between.
    if (seat.told !== candidates) {
      const { nodes } = candidates;
      if (nodes.length === 0) return candidates.noPick(exclude);
      seat.told = candidates;
      seat.chooser.update(nodes, candidates.stats, candidates);
    }
    if (exclude === undefined || exclude.size === 0) {
      return begin(candidates, seat, seat.chooser.choose(context), undefined, false);
    }
    const strict = context.strict === true;
    const others = candidates.hasOther(exclude);
    if (strict && !others) return candidates.noPick(copyOf(exclude), strict);
    const index = others ? seat.chooser.chooseExcept(exclude, context) : seat.chooser.choose(context);
    return begin(candidates, seat, index, copyOf(exclude), strict);
  }

  private turnTo(requires: Requirement | undefined): void {
    this.lists ??= new CandidateLists(this.set, this.memory.name);
    this.requires = requires;
    this.candidates = this.lists.for(requires);
    this.seat = this.memory.seat(requires);
  }
}

function begin(
  candidates: Candidates,
  seat: Seat,
  index: number,
  exclude: Excluded | undefined,
  strict: boolean,
): Pick {
  const { changed } = seat;
  const node = candidates.nodes[index]!;
  candidates.stats[index]!.begin();
  if (changed !== undefined) changed(node, index, undefined);
  return new NodePick(node, index, candidates, exclude, strict, seat);
}
