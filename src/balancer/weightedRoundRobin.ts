/** Each routable node in its turn, as often as its weight says. */

import type { Node } from '../core/node.js';
import { drawExcept } from './drawExcept.js';
import { FairTurns } from './fairTurns.js';
import type { Balancer } from './picker.js';
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
 * ring in which they take turns, and the rings share the picks (`FairTurns`), so that a pick takes O(log k) for k different weights.
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
  return balancerOf('weighted_round_robin', () => ({ chooser: () => new WeightedRotation(random) }));
}

/** The nodes of one weight. */
interface Ring {
  readonly weight: number;
  readonly nodes: readonly Node[];
  /** Their places in the list. */
  readonly indexes: readonly number[];
  next: number;
}

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
    const { next } = ring;
    ring.next = next + 1 === ring.indexes.length ? 0 : next + 1;
    return ring.indexes[next]!;
  }

  chooseExcept(exclude: ReadonlySet<string>): number {
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
    const before = new Map(this.rings.map((ring, party) => [ring.weight, { ring, party }]));
    const rings = ringsOf(nodes);
    for (const ring of rings) {
      const old = before.get(ring.weight)?.ring;
      if (old) ring.next = carryTurn(old.nodes, old.next, ring.nodes);
      else if (start) ring.next = Math.floor(start() * ring.nodes.length);
    }
    const leads = rings.map(({ weight }) => {
      const old = before.get(weight);
      return old ? this.turns.lead(old.party) : 0;
    });
    this.rings = rings;
    this.turns = new FairTurns(
      rings.map((ring) => ring.weight * ring.nodes.length),
      leads,
    );
  }
}

function ringsOf(nodes: readonly Node[]): Ring[] {
  const rings = new Map<number, { weight: number; nodes: Node[]; indexes: number[]; next: number }>();
  nodes.forEach((node, index) => {
    let ring = rings.get(node.weight);
    if (!ring) {
      ring = { weight: node.weight, nodes: [], indexes: [], next: 0 };
      rings.set(node.weight, ring);
    }
    ring.nodes.push(node);
    ring.indexes.push(index);
  });
  return [...rings.values()];
}
