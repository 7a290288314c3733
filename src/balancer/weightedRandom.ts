/** Any routable node by chance, in proportion to its weight. */

import type { Node } from '../core/node.js';
import { aliasTable, drawFrom, type AliasTable } from './aliasTable.js';
import { drawExcept } from './drawExcept.js';
import type { Balancer, Excluded } from './picker.js';
import { sameWeights } from './sameWeights.js';
import { balancerOf, type Chooser } from './strategy.js';

export interface WeightedRandomOptions {
  /** Chance, from 0 up to 1; asked once a pick. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Takes any routable node, as likely as its weight says.
 *
 * A pick costs the same whatever the number of nodes (alias method), and remembers nothing, so that many clients
 * together keep the weights. Within one client `weightedRoundRobin()` is more even.
 *
 *     nodes$   a-----|      a = x (weight 3) y (weight 1)
 *     picks    x 75 %, y 25 %
 *
 * Envoy name: `random` with endpoint weights.
 */
export function weightedRandom(options: WeightedRandomOptions = {}): Balancer {
  const { random = Math.random } = options;
  return balancerOf('weighted_random', () => ({ chooser: () => new WeightedLot(random) }), { weights: true });
}

class WeightedLot implements Chooser {
  private nodes: readonly Node[] = [];
  private table: AliasTable = aliasTable([]);
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  update(nodes: readonly Node[]): void {
    if (!sameWeights(this.nodes, nodes)) this.table = aliasTable(nodes.map((node) => node.weight));
    this.nodes = nodes;
  }

  choose(): number {
    return drawFrom(this.table, this.random);
  }

  chooseExcept(exclude: Excluded): number {
    return drawExcept(
      this.nodes,
      exclude,
      () => this.choose(),
      this.random,
      (node) => node.weight,
    );
  }
}
