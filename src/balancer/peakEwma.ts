/**
 * The one that would answer soonest of two drawn nodes, judged by how long it takes and by what it is busy with.
 *
 * Calls in flight alone do not tell a slow node from a fast one until the slow one has piled up its queue. This one hears of
 * every latency: a slow answer counts at once and in full, later ones make up for it little by little. Best where nodes are of
 * unequal speed (mixed hardware, another zone, a neighbour that takes the processor) and calls are alike. Where the calls
 * themselves are very unequal, such as prompts of any length, latency says more of the call than of the node: take
 * `leastRequest()`, or `leastLoaded()` where nodes report their load. Where most nodes see less than a call in ten seconds, all
 * that was learnt has decayed before it is needed.
 *
 * From Finagle's `PeakEwma` (https://github.com/twitter/finagle), with its decay of 10 s, by way of tower's `load::PeakEwma`, with
 * its 1 s for a node not heard of. From go-zero's `p2c_ewma` that a node which was not picked for a second is picked; from
 * Linkerd's load biaser (https://linkerd.io/docs/reference/load-balancing/) that a failure counts as a latency, not as an answer.
 */

import { asyncScheduler, type SchedulerLike } from 'rxjs';
import type { Node } from '../core/node.js';
import type { NodeStats } from '../core/nodeStats.js';
import { requireOption } from '../core/requireOption.js';
import { stopwatchOf } from '../core/stopwatch.js';
import { NodeDraw } from './nodeDraw.js';
import { PassedOver } from './passedOver.js';
import { Estimates } from './peakEwma/estimates.js';
import type { Balancer, Excluded } from './picker.js';
import { RecentTime } from './recentTime.js';
import { balancerOf, type Chooser, type Strategy } from './strategy.js';

export interface PeakEwmaOptions {
  /**
   * How long a latency is remembered: after this time about a third of it is left, in milliseconds. Default 10,000.
   * Finagle: `decayTime`; tower: `decay`.
   */
  readonly decayMs?: number;
  /**
   * What a node is taken to need that has calls in flight and has not answered any yet, in milliseconds, unless the fleet is
   * slower on average. Default 1,000. tower: `default_rtt`.
   */
  readonly defaultLatencyMs?: number;
  /** Chance, from 0 up to 1; asked twice a pick. Default `Math.random`. */
  readonly random?: () => number;
  /** Must be that of the client, by whose stopwatch latencies are told. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Draws two different nodes, as likely as their weights say, and takes the one that a further call costs less on:
 *
 *     latency × (inFlight / weight + 1)        weights relative to their mean, so 1 where all are equal
 *
 * - `latency` jumps to a peak at once and comes down as an average over `decayMs`. That of a node without calls in flight decays
 *   by itself, so that it is tried again. That of one with calls does not: a node that hangs would look ever better.
 * - A failure of the node or the network counts as `2^k` average answers, where failures outnumber successes by `k` of late, at
 *   most 6; it never lowers what is known, and successes make up for it as for any peak. A failing node that costs less all the
 *   same is passed over `2^k` times for each time that it is taken. A call that was cancelled, or failed by its own fault, took
 *   at least that long.
 * - A node not heard of yet counts as average for its first call, and as `defaultLatencyMs` for more before that is answered.
 * - Nobody starves: a node without calls that was not picked for a second (`2^k` seconds if it fails) is taken instead of one
 *   that was, when both are drawn.
 *
 * What is known belongs to the node, whatever its calls require, and is kept as long as the node is. While few calls are in
 * flight, latency outweighs weight. Where one node has most of the weight that shows: the light ones get up to twice their share.
 *
 *     nodes$   a----------|      a = x y
 *     pick()   -pepf-pppp-|      e: x needed 100 ms, f: y needed 350 ms
 *     picked   -x-y--xxxy-|      a fourth call on x costs 400 ms
 *
 * gRPC and Envoy names: none in gRPC; `envoy.load_balancing_policies.peak_ewma`.
 *
 * @throws FleetError `INVALID_OPTION` for a time that is not above 0.
 */
export function peakEwma(options: PeakEwmaOptions = {}): Balancer {
  const { decayMs = 10_000, defaultLatencyMs = 1_000, random = Math.random, scheduler = asyncScheduler } = options;
  requireOption(decayMs > 0 && decayMs < Infinity, 'decayMs', 'above 0', decayMs);
  const sensible = defaultLatencyMs > 0 && defaultLatencyMs < Infinity;
  requireOption(sensible, 'defaultLatencyMs', 'above 0', defaultLatencyMs);
  const strategy = () => {
    const estimates = new Estimates(decayMs, defaultLatencyMs, new RecentTime(stopwatchOf(scheduler)));
    return {
      chooser: () => new CheaperOfTwo(estimates, random),
      changed: (node, index, outcome) => {
        if (outcome !== undefined) estimates.observe(node.stats, index, outcome);
      },
    } satisfies Strategy;
  };
  return balancerOf('peak_ewma', strategy, { weights: true });
}

/** Who was not picked for so long is. */
const forcedAfterMs = 1_000;
/** So that every cost is finite. */
const leastWeight = 1e-100;

class CheaperOfTwo implements Chooser {
  private stats: readonly NodeStats[] = [];
  /** What is known of each. */
  private rows: Int32Array = new Int32Array(0);
  /** Relative to their mean. */
  private weights = new Float64Array(0);
  private readonly estimates: Estimates;
  private readonly draw: NodeDraw;
  private readonly passedOver = new PassedOver();

  constructor(estimates: Estimates, random: () => number) {
    this.estimates = estimates;
    this.draw = new NodeDraw(random);
  }

  update(nodes: readonly Node[], stats: readonly NodeStats[]): void {
    this.rows = this.estimates.rowsOf(stats);
    this.stats = stats;
    const mean = nodes.reduce((sum, { weight }) => sum + weight / nodes.length, 0);
    this.weights = Float64Array.from(nodes, ({ weight }) => Math.max(leastWeight, weight / mean));
    this.draw.update(nodes);
    this.passedOver.update(nodes, stats);
  }

  choose(): number {
    const { draw } = this;
    const first = draw.first();
    return this.take(first, draw.size === 1 ? first : draw.other(first));
  }

  chooseExcept(exclude: Excluded): number {
    const { draw } = this;
    return this.take(draw.except(exclude), draw.except(exclude));
  }

  score(index: number): number {
    return this.estimates.cost(this.rows[index]!, this.stats[index]!.inFlight, this.weights[index]!);
  }

  private take(first: number, second: number): number {
    const { estimates, rows } = this;
    const firstIsCheaper = this.score(first) <= this.score(second);
    const cheaper = firstIsCheaper ? first : second;
    const other = firstIsCheaper ? second : first;
    const taken = this.starves(other, cheaper) ? other : this.passedOver.unlessFailing(cheaper, other);
    estimates.picked(rows[taken]!);
    return taken;
  }

  /** Whether a node was not picked for long, though calls came, as another one shows. */
  private starves(index: number, other: number): boolean {
    const { estimates, rows } = this;
    const waitedMs = estimates.waitedMs(rows[index]!);
    if (waitedMs < forcedAfterMs || estimates.waitedMs(rows[other]!) >= forcedAfterMs) return false;
    const { inFlight, failureLevel } = this.stats[index]!;
    return inFlight === 0 && waitedMs >= forcedAfterMs * 2 ** failureLevel;
  }
}
