/** Equal keys to the same node, around a circle of places: what all hashing strategies share. */

import type { Node } from '../core/node.js';
import type { NodeStats } from '../core/nodeStats.js';
import { requireOption } from '../core/requireOption.js';
import type { Candidates } from './candidates.js';
import { LoadBound } from './loadBound.js';
import { LoadJournal } from './loadJournal.js';
import type { Balancer, Excluded, PickContext } from './picker.js';
import { balancerOf, type Chooser } from './strategy.js';

export interface KeyedOptions {
  /**
   * No node takes a call while it has this many times the average of this client in flight; the key goes on to the next
   * node that has room. Over 1; from 1.2 to 2 is usual. Weights scale the bound. Below one call a node on average each
   * may have one, so that calls with one key at once go to several nodes. The account of a pick scores each node by how
   * full it is, 1 being full. Default: no bound. Envoy name: `hash_balance_factor`, in percent.
   */
  readonly boundedLoad?: number;
  /** Chance for the calls without a key, from 0 up to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** Places around a circle, each owned by a node: a ring of hashes, or a table. */
export interface Circle {
  /** The number of the owner of each place. */
  readonly owners: Int32Array;
  readonly size: number;
  /** The index in the list of each owner; -1 of one that is not in it now. */
  readonly indexOf: Int32Array;
  /** 1 for each owner that has a place, where some may have none. */
  readonly owning?: Uint8Array;
  /** Where a key falls. */
  placeOf(key: string): number;
  /** Where a call without a key falls; `chance` is from 0 up to 1. */
  placeAt(chance: number): number;
  /** The list in a new snapshot, never empty, and what it is drawn from. */
  update(nodes: readonly Node[], candidates: Candidates): void;
}

/** A balancer by hash of the key. */
export function keyedBalancer(name: string, circle: () => Circle, options: KeyedOptions): Balancer {
  const { boundedLoad, random = Math.random } = options;
  const sane = boundedLoad === undefined || (boundedLoad > 1 && Number.isFinite(boundedLoad));
  requireOption(sane, 'boundedLoad', 'a number over 1', boundedLoad);
  const strategy = () => {
    if (boundedLoad === undefined) return { chooser: () => new KeyedChooser(circle(), random, undefined) };
    const journal = new LoadJournal();
    return {
      chooser: () => new KeyedChooser(circle(), random, new LoadBound(boundedLoad, journal)),
      changed: journal.write,
    };
  };
  return balancerOf(name, strategy, { weights: true, keys: true });
}

/** After so many places of nodes that are full, or fail, the call takes the first that it met. */
const patience = 1_024;

class KeyedChooser implements Chooser {
  /** With a bound: how much of it each node has. */
  readonly score: ((index: number) => number) | undefined;
  private nodes: readonly Node[] = [];
  private readonly circle: Circle;
  private readonly random: () => number;
  private readonly bound: LoadBound | undefined;

  constructor(circle: Circle, random: () => number, bound: LoadBound | undefined) {
    this.circle = circle;
    this.random = random;
    this.bound = bound;
    this.score = bound && ((index) => bound.load(index));
  }

  update(nodes: readonly Node[], stats: readonly NodeStats[], candidates: Candidates): void {
    const { circle } = this;
    this.nodes = nodes;
    circle.update(nodes, candidates);
    this.bound?.update(nodes, stats, this.placed());
  }

  choose({ key }: PickContext): number {
    const { circle, bound } = this;
    const place = this.start(key);
    const index = circle.indexOf[circle.owners[place]!]!;
    if (bound === undefined) return index >= 0 ? index : this.walk(place, undefined);
    bound.follow();
    return index >= 0 && bound.hasRoom(index) ? index : this.walk(place, undefined);
  }

  chooseExcept(exclude: Excluded, { key }: PickContext): number {
    this.bound?.follow();
    return this.walk(this.start(key), exclude);
  }

  /** Whether a key can fall on the node at an index of the list. */
  private placed(): (index: number) => boolean {
    const { owning, indexOf } = this.circle;
    if (owning === undefined) return () => true;
    const placed = new Uint8Array(this.nodes.length);
    for (let owner = 0; owner < owning.length; owner++) {
      const index = indexOf[owner]!;
      if (index >= 0) placed[index] = owning[owner]!;
    }
    return (index) => placed[index] === 1;
  }

  private start(key: string | undefined): number {
    return key === undefined ? this.circle.placeAt(this.random()) : this.circle.placeOf(key);
  }

  /** The first node from a place on that may take the call; with a bound, rather one that does not fail. */
  private walk(start: number, exclude: Excluded | undefined): number {
    const { nodes, bound } = this;
    const { owners, size, indexOf } = this.circle;
    let full = -1;
    let failing = -1;
    let met = 0;
    let place = start;
    for (let step = 0; step < size; step++) {
      const index = indexOf[owners[place]!]!;
      place = place + 1 === size ? 0 : place + 1;
      if (index < 0 || exclude?.has(nodes[index]!.id)) continue;
      if (bound === undefined) return index;
      if (bound.hasRoom(index)) {
        if (full < 0 || !bound.isFailing(index)) return index;
        if (failing < 0) failing = index;
      } else if (full < 0) {
        full = index;
      }
      // Somebody has room, as long as nobody is excluded; but it may be one that fails.
      if ((exclude !== undefined || failing >= 0) && ++met === patience) break;
    }
    if (failing >= 0) return failing;
    return full >= 0 ? full : this.placeless(start, exclude);
  }

  /** None of those who own a place may take the call: a list longer than the circle. */
  private placeless(start: number, exclude: Excluded | undefined): number {
    const { length } = this.nodes;
    let index = start % length;
    while (exclude?.has(this.nodes[index]!.id)) index = index + 1 === length ? 0 : index + 1;
    return index;
  }
}

/** For circles in which the number of an owner is its place among the members: the index in the list of each. */
export function indexesOf(members: readonly Node[], nodes: readonly Node[]): Int32Array<ArrayBuffer> {
  const indexOf = new Int32Array(members.length).fill(-1);
  // The list is drawn from the members in their order; who should not be one has no place.
  for (let i = 0, next = 0; next < nodes.length && i < members.length; i++) {
    if (members[i] === nodes[next]) indexOf[i] = next++;
  }
  return indexOf;
}
