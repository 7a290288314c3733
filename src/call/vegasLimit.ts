/**
 * A limit that keeps a short queue at the nodes: it grows while fewer calls wait there than it likes, and shrinks when more do.
 *
 * How many wait is reckoned from the latency, `limit × (1 − least latency / latency)`: of calls that take twice as long as when
 * nothing else runs, half wait. It moves by small steps, so it is calmer than `gradientLimit`, and slower. As with that one,
 * latency must say something of load, so calls should be of like size.
 *
 * The algorithm and its numbers are those of TCP Vegas (L. Brakmo and L. Peterson, 1995) as in Netflix' concurrency-limits
 * (`VegasLimit` in a `WindowedLimit`): a queue of 3 to 6, times log₁₀ of the limit; windows of a second with ten calls at least,
 * of which the average counts. Three things are different.
 *
 * - Windows are averaged in turn, each new one by three tenths, and by how much this is off by chance (its standard error) is not
 *   taken for a queue, nor for a new least latency; else the luckiest window of all would be the measure, and the limit stay where
 *   noise alone looks like its queue.
 * - It takes two windows in a row without a queue until it grows by much.
 * - The least latency is measured by fifty calls, not before those that begin and those that end are alike, and anew every 60 to
 *   120 windows rather than every 15 to 30 times `limit`; ten after a drop, since latency should have foretold it. For as long as
 *   that takes the limit is halved, as BBR does in `ProbeRTT`; else the queue that it keeps itself would be taken for the way
 *   things are, and grow with each measure.
 */

import { requireOption } from '../core/requireOption.js';
import { requireBounds, type Limit, type LimitAlgorithm, type LimitBounds, type LimitSample } from './limit.js';

export interface VegasLimitOptions {
  /** The first limit. Default 20, within `min` and `max`. */
  readonly initial?: number;
  /** Default 1. */
  readonly min?: number;
  /** Default 1,000. */
  readonly max?: number;
  /** The limit grows while fewer calls wait. Default 3 × log₁₀ of the limit, at least 3. */
  readonly alpha?: number;
  /** The limit shrinks while more calls wait. Default 6 × log₁₀ of the limit, at least 6. */
  readonly beta?: number;
  /** For how long latencies are averaged, in milliseconds. Default 1,000. */
  readonly windowMs?: number;
}

/**
 * TCP Vegas.
 *
 *     waiting   0     0     2     4     7
 *     limit     20 -- 21 -- 27 -- 28 -- 28 -- 27
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function vegasLimit(options: VegasLimitOptions = {}): LimitAlgorithm {
  const { min = 1, max = 1_000, alpha, beta, windowMs = 1_000 } = options;
  const { initial = Math.min(Math.max(20, min), max) } = options;
  requireBounds('vegasLimit', { min, max, initial });
  requireOption(alpha === undefined || (alpha > 0 && alpha < Infinity), 'vegasLimit.alpha', 'above 0', alpha);
  const above = beta === undefined || (beta >= (alpha ?? 0) && beta > 0 && beta < Infinity);
  requireOption(above, 'vegasLimit.beta', 'above 0, and at least alpha', beta);
  requireOption(windowMs > 0, 'vegasLimit.windowMs', 'above 0', windowMs);
  return ({ random }) => new Vegas({ min, max, initial }, { alpha, beta, windowMs }, random);
}

/** Fewer calls say little; and what is least is believed for long. */
const enough = 10;
const enoughForLeast = 50;
/** What each window counts in the moving average. */
const weight = 0.3;
/** Windows between two probes at most; and after a drop, which latency should have foretold. */
const probeAfter = 120;
const probeAfterDrop = 10;
/** After a start, short calls end first: so many latencies later, those that end are as those that begin. */
const settledAfter = 3;

class Vegas implements Limit {
  private readonly bounds: LimitBounds;
  private readonly options: Pick<VegasLimitOptions, 'alpha' | 'beta'> & { readonly windowMs: number };
  private readonly random: () => number;
  private estimate: number;
  /** The least latency; 0 while it is not known. */
  private leastMs = 0;
  private probing = false;
  /** Windows until the next probe. */
  private untilProbe: number;
  /** When the first call began, or the probe. */
  private since = NaN;
  private windowStart = 0;
  private sumMs = 0;
  private squares = 0;
  private count = 0;
  /** The moving average of the latency, and the variance that it has by chance. */
  private steadyMs = 0;
  private variance = 0;
  /** Windows in a row in which nobody waited. */
  private calm = 0;
  private dropped = false;
  private mostInFlight = 0;

  constructor(bounds: LimitBounds, options: Vegas['options'], random: () => number) {
    this.bounds = bounds;
    this.options = options;
    this.random = random;
    this.estimate = bounds.initial;
    this.untilProbe = this.nextProbe();
  }

  get limit(): number {
    return Math.max(this.bounds.min, Math.floor(this.probing ? this.estimate / 2 : this.estimate));
  }

  onSample({ latencyMs, inFlight, dropped, now }: LimitSample): void {
    if (Number.isNaN(this.since)) this.since = this.windowStart = now - latencyMs;
    if (dropped) this.dropped = true;
    else {
      this.sumMs += latencyMs;
      this.squares += latencyMs * latencyMs;
      this.count++;
    }
    if (inFlight > this.mostInFlight) this.mostInFlight = inFlight;
    const { leastMs, probing, count } = this;
    const measures = probing || leastMs === 0;
    if (now - this.windowStart < this.options.windowMs) return;
    if (count >= (measures ? enoughForLeast : enough)) this.windowOver(measures, now);
    else if (this.dropped) this.stepBack();
    else return;
    this.windowStart = now;
    this.sumMs = 0;
    this.squares = 0;
    this.count = 0;
    this.dropped = false;
    this.mostInFlight = 0;
  }

  private windowOver(measures: boolean, now: number): void {
    const { dropped, count, windowStart, since } = this;
    const averageMs = this.sumMs / count;
    if (dropped) this.stepBack();
    if (measures && windowStart - since < settledAfter * averageMs) return;
    this.average(averageMs, measures);
    if (measures) this.believe();
    else if (!dropped) this.adjust();
    if (--this.untilProbe > 0) return;
    this.untilProbe = this.nextProbe();
    this.probing = true;
    this.since = now;
  }

  /** Enters the window into the moving average; `anew`: it ran under another limit than those before. */
  private average(averageMs: number, anew: boolean): void {
    const { count } = this;
    const variance = Math.max(0, this.squares / count - averageMs * averageMs) / count;
    const part = anew ? 1 : weight;
    this.steadyMs += part * (averageMs - this.steadyMs);
    this.variance = part ** 2 * variance + (1 - part) ** 2 * this.variance;
  }

  /** What was measured at the start, or under half the limit, is least, unless it is more by chance alone. */
  private believe(): void {
    const { steadyMs, leastMs, variance } = this;
    if (steadyMs < leastMs || steadyMs - Math.sqrt(variance) > leastMs) this.leastMs = steadyMs;
    this.probing = false;
  }

  private adjust(): void {
    const { estimate, leastMs, mostInFlight, steadyMs } = this;
    const chanceMs = Math.sqrt(this.variance);
    if (steadyMs + chanceMs < leastMs) {
      this.leastMs = steadyMs;
      return;
    }
    // Who does not use what there is learns nothing of what there could be.
    if (mostInFlight * 2 < estimate || steadyMs <= chanceMs) return;
    const by = step(estimate);
    const { alpha = 3 * by, beta = 6 * by } = this.options;
    const waiting = Math.ceil(estimate * (1 - leastMs / (steadyMs - chanceMs)));
    this.calm = waiting <= by ? this.calm + 1 : 0;
    if (this.calm > 1) this.set(estimate + beta);
    else if (waiting < alpha) this.set(estimate + by);
    else if (waiting > beta) this.set(estimate - by);
  }

  /** Calls were dropped. */
  private stepBack(): void {
    this.set(this.estimate - step(this.estimate));
    this.untilProbe = Math.min(this.untilProbe, probeAfterDrop);
  }

  private set(estimate: number): void {
    this.estimate = Math.max(this.bounds.min, Math.min(this.bounds.max, estimate));
  }

  /** Sooner for some clients than for others, so that they do not probe all at once. */
  private nextProbe(): number {
    return Math.ceil(probeAfter * (0.5 + this.random() / 2));
  }
}

/** log₁₀ of a limit in whole numbers, at least 1. */
function step(limit: number): number {
  return Math.max(1, Math.floor(Math.log10(limit)));
}
