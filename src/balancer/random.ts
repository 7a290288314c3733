/** Any routable node, by chance: needs no memory, and many clients at once do not march in step. */

import type { Node } from '../core/node.js';
import { drawExcept } from './drawExcept.js';
import type { Balancer, Excluded } from './picker.js';
import { balancerOf, type Chooser } from './strategy.js';

export interface RandomOptions {
  /** Chance, from 0 up to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Takes any routable node, each as likely as the others.
 *
 * More even than `roundRobin()` over many short-lived clients, less even within one. Weights do not count here:
 * see `weightedRandom()`.
 *
 *     nodes$   a-----|      a = x y z
 *     pick()   -p-p-p|
 *     chance   -0-.9-.4
 *     picked   -x-z-y|
 *
 * Envoy name: `random`.
 */
export function random(options: RandomOptions = {}): Balancer {
  const { random: chance = Math.random } = options;
  return balancerOf('random', () => ({ chooser: () => new Lot(chance) }));
}

class Lot implements Chooser {
  private nodes: readonly Node[] = [];
  private size = 0;
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  update(nodes: readonly Node[]): void {
    this.nodes = nodes;
    this.size = nodes.length;
  }

  choose(): number {
    return Math.floor(this.random() * this.size);
  }

  chooseExcept(exclude: Excluded): number {
    return drawExcept(
      this.nodes,
      exclude,
      () => this.choose(),
      this.random,
      () => 1,
    );
  }
}
