/** The frame of every strategy: from a way to choose in a list of nodes to an operator over node sets. */

import { defer, map } from 'rxjs';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { NodeStats } from '../core/nodeStats.js';
import { CandidateLists, forgetOldest, NodePick, type Candidates, type InFlightChanged } from './candidates.js';
import type { Balancer, NoPick, Pick, PickContext, Picker, Requirement } from './picker.js';

/**
 * Chooses from one list of candidates and remembers, from one form of the list to the next, what its strategy
 * remembers: whose turn it is, the ring. There is one for the calls without a requirement and one for each requirement.
 */
export interface Chooser {
  /** The list in a new snapshot with the counters of each, never empty; told before the first choice from it. */
  update(nodes: readonly Node[], stats: readonly NodeStats[]): void;
  /** Index of the node for a call. */
  choose(context: PickContext): number;
  /** The same, passing over the excluded ids; at least one node of the list is not excluded. */
  chooseExcept(exclude: ReadonlySet<string>, context: PickContext): number;
}

/** What a strategy is made of, for one subscription. */
export interface Strategy {
  readonly chooser: () => Chooser;
  /** Told after each pick and each end, by strategies that keep an order by load. */
  readonly changed?: InFlightChanged;
}

/**
 * A balancer of a strategy. Each subscription makes its own; each set yields a picker, which looks at its nodes
 * at the first pick: sets that nobody picks from cost nothing.
 *
 * @param name for `why`: the gRPC name of the policy where it has one.
 */
export function balancerOf(name: string, strategy: () => Strategy): Balancer {
  return (set$) =>
    defer(() => {
      const memory = new Memory(name, strategy());
      return set$.pipe(map((set) => new StrategyPicker(set, memory)));
    });
}

/** A chooser and the form of its list that it was last told. */
class Seat {
  readonly chooser: Chooser;
  told: Candidates | undefined = undefined;

  constructor(chooser: Chooser) {
    this.chooser = chooser;
  }
}

/** What survives the sets of one subscription. */
class Memory {
  readonly name: string;
  readonly changed: InFlightChanged | undefined;
  private readonly strategy: Strategy;
  private all: Seat | undefined;
  private readonly seats = new Map<string, Seat>();

  constructor(name: string, strategy: Strategy) {
    this.name = name;
    this.strategy = strategy;
    this.changed = strategy.changed;
  }

  seat(requires: Requirement | undefined): Seat {
    if (!requires) return (this.all ??= new Seat(this.strategy.chooser()));
    let seat = this.seats.get(requires.name);
    if (!seat) {
      seat = new Seat(this.strategy.chooser());
      forgetOldest(this.seats);
      this.seats.set(requires.name, seat);
    }
    return seat;
  }
}

class StrategyPicker implements Picker {
  readonly set: NodeSet;
  private readonly memory: Memory;
  private readonly changed: InFlightChanged | undefined;
  private lists: CandidateLists | undefined = undefined;
  // The list of the call before, since most calls are like the one before.
  private requires: Requirement | undefined = undefined;
  private candidates: Candidates | undefined = undefined;
  private seat: Seat | undefined = undefined;

  constructor(set: NodeSet, memory: Memory) {
    this.set = set;
    this.memory = memory;
    this.changed = memory.changed;
  }

  pick(context: PickContext): Pick | NoPick {
    const { requires, exclude } = context;
    if (this.seat === undefined || requires !== this.requires) this.turnTo(requires);
    const candidates = this.candidates!;
    const seat = this.seat!;
    const { nodes } = candidates;
    // Another picker of this subscription may have been asked in between.
    if (seat.told !== candidates) {
      if (nodes.length === 0) return candidates.noPick(exclude);
      seat.told = candidates;
      seat.chooser.update(nodes, candidates.stats);
    }
    if (exclude === undefined || exclude.size === 0)
      return this.begin(candidates, seat.chooser.choose(context), undefined);
    const index = candidates.hasOther(exclude)
      ? seat.chooser.chooseExcept(exclude, context)
      : seat.chooser.choose(context);
    // The caller's set grows with each attempt; the account is of this one.
    return this.begin(candidates, index, new Set(exclude));
  }

  private begin(candidates: Candidates, index: number, exclude: ReadonlySet<string> | undefined): Pick {
    const { changed } = this;
    const node = candidates.nodes[index]!;
    candidates.stats[index]!.begin();
    if (changed !== undefined) changed(node, index);
    return new NodePick(node, index, candidates, exclude, changed);
  }

  private turnTo(requires: Requirement | undefined): void {
    this.lists ??= new CandidateLists(this.set, this.memory.name);
    this.requires = requires;
    this.candidates = this.lists.for(requires);
    this.seat = this.memory.seat(requires);
  }
}
