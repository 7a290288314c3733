/** The less busy of two drawn nodes: nearly as even as the least busy of all, with no order to keep. */

import type { Node } from '../core/node.js';
import type { NodeStats } from '../core/nodeStats.js';
import { drawExcept } from './drawExcept.js';
import type { Balancer, Excluded } from './picker.js';
import { balancerOf, type Chooser } from './strategy.js';

export interface PowerOfTwoOptions {
  /** Chance, from 0 up to 1; asked twice a pick. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Draws two different routable nodes and takes the one with fewer calls in flight for its weight.
 *
 * The choice for many clients that do not see each other's load: they do not all run to the node that is idle now.
 * Only what this client has in flight counts; for reported load see `leastLoaded()`. Compared is
 * `(inFlight + 1) / weight`; of equals the first drawn is taken. A node that fails fast looks idle, so one that failed
 * `k` times in a row is passed over `2^min(k, 6)` times for each time that it is taken; a success clears this.
 *
 *     nodes$   a-----|      a = x y
 *     pick()   -p-p-p|
 *     picked   -x-y-x|      nothing ends: the idle one of the two
 *
 * gRPC name: `least_request_experimental` (gRFC A48), with a `choiceCount` of 2 and no node drawn twice.
 */
export function powerOfTwo(options: PowerOfTwoOptions = {}): Balancer {
  const { random = Math.random } = options;
  return balancerOf('least_request_experimental', () => ({ chooser: () => new Duel(random) }), { weights: true });
}

const maxDoublings = 6;

class Duel implements Chooser {
  private nodes: readonly Node[] = [];
  private stats: readonly NodeStats[] = [];
  private weights = new Float64Array(0);
  private size = 0;
  /** How often a failing node was passed over since it was last taken, by id. */
  private readonly passedOver = new Map<string, number>();
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  update(nodes: readonly Node[], stats: readonly NodeStats[]): void {
    this.nodes = nodes;
    this.stats = stats;
    this.weights = Float64Array.from(nodes, (node) => node.weight);
    this.size = nodes.length;
    if (this.passedOver.size > nodes.length) this.passedOver.clear();
  }

  choose(): number {
    const { size } = this;
    const first = Math.floor(this.random() * size);
    if (size === 1) return first;
    const other = Math.floor(this.random() * (size - 1));
    return this.better(first, other < first ? other : other + 1);
  }

  chooseExcept(exclude: Excluded): number {
    const first = this.draw(exclude);
    return this.better(first, this.draw(exclude));
  }

  score(index: number): number {
    return (this.stats[index]!.inFlight + 1) / this.weights[index]!;
  }

  private draw(exclude: Excluded): number {
    return drawExcept(
      this.nodes,
      exclude,
      () => Math.floor(this.random() * this.size),
      this.random,
      () => 1,
    );
  }

  private better(first: number, second: number): number {
    const { stats, weights } = this;
    const a = stats[first]!;
    const b = stats[second]!;
    const firstIsLess = (a.inFlight + 1) * weights[second]! <= (b.inFlight + 1) * weights[first]!;
    if (a.consecutiveFailures === b.consecutiveFailures) return firstIsLess ? first : second;
    return firstIsLess ? this.unlessFailing(first, second) : this.unlessFailing(second, first);
  }

  private unlessFailing(winner: number, loser: number): number {
    const { id, stats } = this.nodes[winner]!;
    const failed = stats.consecutiveFailures;
    if (failed <= this.nodes[loser]!.stats.consecutiveFailures) return winner;
    const passed = this.passedOver.get(id) ?? 0;
    const taken = passed >= 2 ** Math.min(failed, maxDoublings);
    this.passedOver.set(id, taken ? 0 : passed + 1);
    return taken ? winner : loser;
  }
}
