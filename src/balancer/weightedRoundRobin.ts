/** Each routable node in its turn, as often as its weight says. */

import type { Node } from '../core/node.js';
import { drawExcept } from './drawExcept.js';
import { FairTurns } from './fairTurns.js';
import type { Balancer, Excluded } from './picker.js';
import { sameWeights } from './sameWeights.js';
import { balancerOf, type Chooser } from './strategy.js';
import { carryTurn } from './turn.js';

export interface WeightedRoundRobinOptions {
  /**
   * Where the first turn falls among nodes of equal weight. Default: at the first of them. Give `Math.random` where
   * many clients start at once, or they all begin with the same nodes.
   */
  readonly random?: () => number;
}

/**
 * Takes the routable nodes in turn, each as often as its weight says, and as evenly spread: no bursts.
 *
 * Over a cycle (as many picks as the weights add up to) whole weights are kept exactly. Nodes of equal weight form a
 * ring in which they take turns, and the rings share the picks (`FairTurns`). Past 32 different weights a ring holds all
 * from one power of two to the next, and passes a node over until what its visits are worth adds up to a turn (as
 * gRPC's static stride scheduler does): so a pick takes about the same time whatever the number of nodes and weights.
 * The turns carry over when the set changes. All weights equal: the same as `roundRobin()`.
 *
 *     nodes$   a---------------|      a = x (weight 5) y (weight 1) z (weight 1)
 *     pick()   -p-p-p-p-p-p-p--|
 *     picked   -x-y-x-x-z-x-x--|
 *
 * gRPC name: `weighted_round_robin` (gRFC A58) with weights that discovery gives, not the load reports of the nodes.
 */
export function weightedRoundRobin(options: WeightedRoundRobinOptions = {}): Balancer {
  const { random } = options;
  return balancerOf('weighted_round_robin', () => ({ chooser: () => new WeightedRotation(random) }), { weights: true });
}

/** The nodes of one weight, or of weights that differ by less than twice. */
interface Ring {
  readonly key: number;
  readonly nodes: readonly Node[];
  /** Their places in the list. */
  readonly indexes: readonly number[];
  /** What a visit is worth to each, how much it has, and how much makes a turn: the greatest weight of the ring. */
  readonly weights: Float64Array;
  readonly credits: Float64Array;
  readonly turn: number;
  next: number;
}

/** Up to here each weight has a ring of its own, which spreads the turns best. */
const maxRings = 32;
/** A step that spreads evenly over 0 to 1 however often it is taken: the golden ratio. */
const golden = 0.6180339887498949;

class WeightedRotation implements Chooser {
  private nodes: readonly Node[] = [];
  private rings: readonly Ring[] = [];
  private turns = new FairTurns([], []);
  private part = 0;
  private readonly random: (() => number) | undefined;

  constructor(random: (() => number) | undefined) {
    this.random = random;
  }

  choose(): number {
    const ring = this.rings[this.turns.take()]!;
    const { indexes, weights, credits, turn } = ring;
    // Nobody in a ring weighs less than half a turn, so this ends with the second round at the latest.
    for (;;) {
      const { next } = ring;
      ring.next = next + 1 === indexes.length ? 0 : next + 1;
      const credit = credits[next]! + weights[next]!;
      credits[next] = credit < turn ? credit : credit - turn;
      if (credit >= turn) return indexes[next]!;
    }
  }

  chooseExcept(exclude: Excluded): number {
    return drawExcept(
      this.nodes,
      exclude,
      () => this.choose(),
      () => (this.part = (this.part + golden) % 1),
      (node) => node.weight,
    );
  }

  update(nodes: readonly Node[]): void {
    const { random } = this;
    const start = this.nodes.length === 0 ? random : undefined;
    const same = sameWeights(this.nodes, nodes);
    this.nodes = nodes;
    if (same) return;
    const before = new Map(this.rings.map((ring, party) => [ring.key, { ring, party }]));
    const rings = ringsOf(nodes, creditsOf(this.rings));
    for (const ring of rings) {
      const old = before.get(ring.key)?.ring;
      if (old) ring.next = carryTurn(old.nodes, old.next, ring.nodes);
      else if (start) ring.next = Math.floor(start() * ring.nodes.length);
    }
    const leads = rings.map(({ key }) => {
      const old = before.get(key);
      return old ? this.turns.lead(old.party) : 0;
    });
    this.rings = rings;
    this.turns = new FairTurns(
      rings.map(({ weights }) => weights.reduce((sum, weight) => sum + weight, 0)),
      leads,
    );
  }
}

/** What part of a turn each node has, by id; nobody has any where all weights of a ring are equal. */
function creditsOf(rings: readonly Ring[]): ReadonlyMap<string, number> {
  const credits = new Map<string, number>();
  for (const ring of rings) {
    if (ring.weights.every((weight) => weight === ring.turn)) continue;
    ring.nodes.forEach(({ id }, at) => credits.set(id, ring.credits[at]! / ring.turn));
  }
  return credits;
}

function ringsOf(nodes: readonly Node[], credits: ReadonlyMap<string, number>): Ring[] {
  const few = new Set(nodes.map(({ weight }) => weight)).size <= maxRings;
  const groups = new Map<number, number[]>();
  nodes.forEach(({ weight }, index) => {
    const key = few ? weight : 2 ** Math.floor(Math.log2(weight));
    const group = groups.get(key);
    if (group) group.push(index);
    else groups.set(key, [index]);
  });
  return Array.from(groups, ([key, indexes]) => {
    const members = indexes.map((index) => nodes[index]!);
    const weights = Float64Array.from(members, ({ weight }) => weight);
    const turn = weights.reduce((most, weight) => Math.max(most, weight), 0);
    // Who is new starts anywhere in its turn, lest all of one weight come up together.
    const startOf = (id: string, at: number) => credits.get(id) ?? (at * golden) % 1;
    const start = Float64Array.from(members, ({ id }, at) => (few ? 0 : startOf(id, at) * turn));
    return { key, nodes: members, indexes, weights, credits: start, turn, next: 0 };
  });
}
