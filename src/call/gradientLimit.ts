/**
 * A limit that follows latency: it grows while calls take hardly longer than when there are few, and shrinks in proportion to
 * how much longer they take.
 *
 * It finds the knee of a node whose latency grows when calls queue there, before any is dropped; so it is for calls of like
 * size, with many a second. Do not use it where latency says little of load (answers of very unequal length), nor for few, slow
 * calls: to learn what is least it lets only a few run at a time, until fifty have. `aimdLimit` needs none of that.
 *
 * The algorithm and its numbers are those of Envoy's gradient controller
 * (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter):
 * `gradient = (minRTT + B) / sampleRTT` within 0.5 and 2, `limit = gradient × limit + √(gradient × limit)`; the least latency is
 * measured anew each minute, and when the limit was the lowest five times in a row. Five things are different.
 *
 * - It goes a fifth of the way each time (as `Gradient2Limit` of Netflix' concurrency-limits), and by ten calls at least: else it
 *   swings with the chance of what few calls took.
 * - It does not move while fewer than half as many calls run (as there too), lest it be without effect when the rush comes.
 * - While calls are dropped it shrinks by their share at least: a node that refuses at once looks fast.
 * - What is least is measured for a second at least, where fifty calls take less: it is believed for a minute, and when it is found
 *   too low by chance the limit is far too low for as long.
 * - The limit while it measures can be set apart from the lowest one.
 */

import { requireOption } from '../core/requireOption.js';
import { LatencySamples } from './latencySamples.js';
import { requireBounds, type Limit, type LimitAlgorithm, type LimitPorts, type LimitSample } from './limit.js';

export interface GradientLimitOptions {
  /** The lowest limit, and the first. Default 3. Envoy: `min_concurrency_limit`. */
  readonly min?: number;
  /** Default 1,000. Envoy: `max_concurrency_limit`. */
  readonly max?: number;
  /** How often the limit is set anew, in milliseconds, by ten calls at least. Default 100. Envoy: `concurrency_update_interval`. */
  readonly sampleMs?: number;
  /** How far the limit moves each time towards what was found, above 0 and at most 1. Default 0.2. Envoy: all the way, 1. */
  readonly smoothing?: number;
  /** Which latency stands for those of a while: this part of them did not exceed it. Default 0.5. Envoy: `sample_aggregate_percentile`. */
  readonly percentile?: number;
  /** How much longer than the least latency is still as good, as a part of it. Default 0.25. Envoy: `buffer`. */
  readonly buffer?: number;
  /** How often the least latency is measured anew, in milliseconds. Default 60,000. Envoy: `min_rtt_calc_params.interval`. */
  readonly remeasureMs?: number;
  /** By how much of that it is put off at most, at random, so that clients do not measure all at once. Default 0.15. Envoy: `jitter`. */
  readonly jitter?: number;
  /** Calls that it is measured by, or those of ten times `sampleMs` where they are more. Default 50. Envoy: `request_count`. */
  readonly measureCalls?: number;
  /** The limit meanwhile; `Infinity` leaves it as it is. Default `min`. Envoy: `min_concurrency`. */
  readonly measureLimit?: number;
}

/**
 * Envoy's adaptive concurrency.
 *
 *     latency   min  min  1.1×  1.5×  1.5×      smoothing: 1
 *     limit     3 -- 5 -- 9 --- 14 -- 15 -- 16
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function gradientLimit(options: GradientLimitOptions = {}): LimitAlgorithm {
  const { min = 3, max = 1_000, sampleMs = 100, smoothing = 0.2, percentile = 0.5, buffer = 0.25 } = options;
  const { remeasureMs = 60_000, jitter = 0.15, measureCalls = 50, measureLimit = min } = options;
  const resolved = {
    min,
    max,
    sampleMs,
    smoothing,
    percentile,
    buffer,
    remeasureMs,
    jitter,
    measureCalls,
    measureLimit,
  };
  requireBounds('gradientLimit', { min, max, initial: min });
  requireOption(sampleMs > 0, 'gradientLimit.sampleMs', 'above 0', sampleMs);
  requireOption(smoothing > 0 && smoothing <= 1, 'gradientLimit.smoothing', 'above 0, at most 1', smoothing);
  requireOption(percentile > 0 && percentile <= 1, 'gradientLimit.percentile', 'above 0, at most 1', percentile);
  requireOption(buffer >= 0 && buffer < Infinity, 'gradientLimit.buffer', 'a number of at least 0', buffer);
  requireOption(remeasureMs > 0, 'gradientLimit.remeasureMs', 'above 0', remeasureMs);
  requireOption(jitter >= 0 && jitter <= 1, 'gradientLimit.jitter', 'from 0 to 1', jitter);
  const calls = Number.isInteger(measureCalls) && measureCalls >= 1;
  requireOption(calls, 'gradientLimit.measureCalls', 'a whole number from 1', measureCalls);
  requireOption(measureLimit >= 1, 'gradientLimit.measureLimit', 'at least 1', measureLimit);
  return (ports) => new Gradient(resolved, ports);
}

/** Fewer calls say little. */
const enough = 10;
/** For so many times `sampleMs` the least latency is measured, since it is believed for long. */
const measureSamples = 10;
/** So often in a row at the lowest limit, the least latency is doubted. */
const suspicious = 5;

class Gradient implements Limit {
  private readonly options: Required<GradientLimitOptions>;
  private readonly ports: LimitPorts;
  private estimate: number;
  private leastMs = 0;
  /** The least latency is being measured. */
  private measuring = true;
  /** What began before then ran under another limit, and does not count. */
  private since = -Infinity;
  private sampleUntil = 0;
  private measureUntil = NaN;
  private remeasureAt = 0;
  private readonly samples = new LatencySamples();
  private drops = 0;
  private mostInFlight = 0;
  /** How often in a row the limit was the lowest. */
  private lowest = 0;

  constructor(options: Required<GradientLimitOptions>, ports: LimitPorts) {
    this.options = options;
    this.ports = ports;
    this.estimate = options.min;
  }

  get limit(): number {
    return Math.floor(this.measuring ? Math.min(this.estimate, this.options.measureLimit) : this.estimate);
  }

  onSample({ latencyMs, inFlight, dropped, now }: LimitSample): void {
    if (now - latencyMs < this.since) return;
    if (dropped) this.drops++;
    else this.samples.record(latencyMs);
    if (inFlight > this.mostInFlight) this.mostInFlight = inFlight;
    const { measureCalls, sampleMs } = this.options;
    if (Number.isNaN(this.measureUntil)) this.measureUntil = now + measureSamples * sampleMs;
    if (this.measuring) {
      if (now >= this.measureUntil && this.samples.count >= measureCalls) this.measured(now);
    } else if (now >= this.sampleUntil && this.samples.count + this.drops >= enough) {
      this.adjust(now);
      if (now >= this.remeasureAt || this.lowest >= suspicious) this.measure(now);
    }
  }

  private measure(now: number): void {
    const { measureLimit, sampleMs } = this.options;
    this.measuring = true;
    this.measureUntil = now + measureSamples * sampleMs;
    // Of those that begin under the same limit the short ones end first: then all must count.
    this.since = measureLimit < this.estimate ? now : -Infinity;
    this.lowest = 0;
    this.forget();
  }

  private measured(now: number): void {
    const { options, ports } = this;
    this.leastMs = this.samples.quantile(options.percentile);
    this.measuring = false;
    this.sampleUntil = now + options.sampleMs;
    this.remeasureAt = now + options.remeasureMs * (1 + options.jitter * ports.random());
    this.forget();
  }

  private adjust(now: number): void {
    const { min, max, smoothing, sampleMs } = this.options;
    const before = this.estimate;
    const moved = before + smoothing * (this.target() - before);
    const after = Math.max(min, Math.min(max, moved));
    this.estimate = after;
    this.lowest = before === min && after === min ? this.lowest + 1 : 0;
    this.sampleUntil = now + sampleMs;
    this.forget();
  }

  private target(): number {
    const { samples, drops, estimate } = this;
    const gradient = samples.count === 0 ? 1 : this.gradient();
    if (drops > 0) {
      const kept = 1 - drops / (drops + samples.count);
      return estimate * Math.max(0.5, Math.min(1, gradient) * kept);
    }
    // Who does not use what there is learns nothing of what there could be.
    if (this.mostInFlight * 2 < estimate) return estimate;
    const scaled = estimate * gradient;
    return scaled + Math.sqrt(scaled);
  }

  private gradient(): number {
    const { options, samples, leastMs } = this;
    const sampleMs = samples.quantile(options.percentile);
    const gradient = sampleMs > 0 ? (leastMs * (1 + options.buffer)) / sampleMs : 1;
    return Math.max(0.5, Math.min(2, gradient));
  }

  private forget(): void {
    this.samples.clear();
    this.drops = 0;
    this.mostInFlight = 0;
  }
}
