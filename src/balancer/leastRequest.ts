/** The least busy of a few drawn nodes: nearly as even as the least busy of all, with no order to keep. */

import type { Node } from '../core/node.js';
import type { NodeStats } from '../core/nodeStats.js';
import { requireOption } from '../core/requireOption.js';
import { NodeDraw } from './nodeDraw.js';
import { PassedOver } from './passedOver.js';
import type { Balancer, Excluded } from './picker.js';
import { balancerOf, type Chooser } from './strategy.js';

export interface LeastRequestOptions {
  /**
   * How many nodes are drawn for each pick, at least 2; more than 10 count as 10. Default 2, to which more add little. gRPC and
   * Envoy: `choice_count`.
   */
  readonly choiceCount?: number;
  /**
   * How much calls in flight count against weight, where weights differ: by 2 a node of four times the weight carries twice as
   * many, by 0.5 sixteen times as many; 0 does not look at them, and shares go by weight alone. Default 1. Envoy:
   * `active_request_bias`.
   */
  readonly activeRequestBias?: number;
  /** Chance, from 0 up to 1; asked once for each node drawn. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Draws a few different nodes, as likely as their weights say, and takes the one with the fewest calls in flight for its weight.
 *
 * The choice for many clients that do not see each other's load: they do not all run to the node that is idle now. Only what
 * this process has in flight counts; for reported load see `leastLoaded()`, for nodes of unequal speed `peakEwma()`.
 *
 * Compared is Envoy's `weight / (inFlight + 1) ^ activeRequestBias`, of which the greatest is taken and of equals the one drawn
 * first. A node drawn first that has nothing in flight is taken at once, so that light nodes have their share while all are idle.
 * A node that fails fast looks idle, so one whose failures outnumber its successes by `k` of late, at most 6, is passed over `2^k`
 * times for each time that it is taken.
 *
 *     nodes$   a-------|      a = x y z
 *     pick()   -p-p-p-p|
 *     first    -x-x-x-z|
 *     second   ---y-y--|
 *     picked   -x-y-x-z|      an idle one at once; the less busy; of equals the first
 *
 * gRPC name: `least_request_experimental` (gRFC A48), which may draw one node twice and knows no weights. Where weights differ,
 * Envoy draws nothing but keeps a schedule by the same formula.
 *
 * @throws FleetError `INVALID_OPTION` for a `choiceCount` that is not whole or below 2, or a bias below 0.
 */
export function leastRequest(options: LeastRequestOptions = {}): Balancer {
  const { choiceCount = 2, activeRequestBias = 1, random = Math.random } = options;
  requireOption(
    Number.isInteger(choiceCount) && choiceCount >= 2,
    'choiceCount',
    'a whole number of at least 2',
    choiceCount,
  );
  const bias = activeRequestBias;
  requireOption(bias >= 0 && bias < Infinity, 'activeRequestBias', 'a number of at least 0', bias);
  const choices = Math.min(choiceCount, maxChoices);
  const chooser = () => new FewestOfDrawn(choices, bias, random);
  return balancerOf('least_request_experimental', () => ({ chooser }), { weights: true });
}

const maxChoices = 10;

class FewestOfDrawn implements Chooser {
  private stats: readonly NodeStats[] = [];
  /** What calls in flight are divided by: the weight, as much as the bias lets it count. */
  private divisors = new Float64Array(0);
  private readonly draw: NodeDraw;
  private readonly passedOver = new PassedOver();
  private readonly choices: number;
  private readonly bias: number;

  constructor(choices: number, bias: number, random: () => number) {
    this.choices = choices;
    this.bias = bias;
    this.draw = new NodeDraw(random, choices);
  }

  update(nodes: readonly Node[], stats: readonly NodeStats[]): void {
    this.stats = stats;
    this.divisors = Float64Array.from(nodes, ({ weight }) => divisorOf(weight, this.bias));
    this.draw.update(nodes);
    this.passedOver.update(nodes, stats);
  }

  choose(): number {
    const { draw, choices } = this;
    const { size } = draw;
    const first = draw.first();
    const stats = this.stats[first]!;
    if (size === 1 || (stats.inFlight === 0 && stats.failureLevel === 0)) return first;
    if (choices === 2) return this.lessOf(first, draw.other(first));
    const count = Math.min(choices, size);
    draw.several(first, count);
    return this.least(count);
  }

  chooseExcept(exclude: Excluded): number {
    const { draw } = this;
    const { drawn } = draw;
    for (let i = 0; i < drawn.length; i++) drawn[i] = draw.except(exclude);
    return this.least(drawn.length);
  }

  score(index: number): number {
    return this.bias === 0 ? 1 : (this.stats[index]!.inFlight + 1) / this.divisors[index]!;
  }

  private lessOf(first: number, second: number): number {
    const { stats, divisors, bias } = this;
    // As by their scores, but without a division.
    const firstScore = (stats[first]!.inFlight + 1) * divisors[second]!;
    const firstIsLess = bias === 0 || firstScore <= (stats[second]!.inFlight + 1) * divisors[first]!;
    const less = firstIsLess ? first : second;
    // Looked at here, too, since that is all there is to it for nearly every pick.
    if (stats[less]!.failureLevel === 0) return less;
    return this.passedOver.unlessFailing(less, firstIsLess ? second : first);
  }

  /** The same of all that were drawn. */
  private least(count: number): number {
    const { stats } = this;
    const { drawn } = this.draw;
    let least = drawn[0]!;
    for (let i = 1; i < count; i++) if (this.score(drawn[i]!) < this.score(least)) least = drawn[i]!;
    if (stats[least]!.failureLevel === 0) return least;
    // Of those that fail least, the least busy.
    let calm = least;
    for (let i = 0; i < count; i++) {
      const index = drawn[i]!;
      const more = stats[index]!.failureLevel - stats[calm]!.failureLevel;
      if (more < 0 || (more === 0 && this.score(index) < this.score(calm))) calm = index;
    }
    return this.passedOver.unlessFailing(least, calm);
  }
}

/**
 * The order of `weight / (inFlight + 1) ^ bias` is that of its root, which needs no power for each pick: so the weight is
 * raised to `1 / bias`, once. Finite and above 0.
 */
function divisorOf(weight: number, bias: number): number {
  if (bias === 0 || bias === 1) return weight;
  return Math.min(1e100, Math.max(1e-100, weight ** (1 / bias)));
}
