/**
 * The latencies of the last minute, as quantiles, in memory and time that do not grow with their number.
 *
 * Each latency is counted in one of 240 buckets: 16 of a microsecond, then eight to each doubling (as in HDR histograms,
 * G. Tene), so that a quantile is off by 6 % at most. Two windows take turns: quantiles come from the running one and
 * the one before, and so tell of the last one to two windows.
 */

const linear = 16;
const perDoubling = 8;
const buckets = linear + (31 - 4) * perDoubling;
const microseconds = 1_000;
/** About half an hour; what lasts longer counts as this. */
const longest = 2 ** 31 - 1;

export class LatencyWindow {
  #current = new Uint32Array(buckets);
  #before: Uint32Array<ArrayBuffer> | undefined;
  #count = 0;
  #countBefore = 0;
  #end: number;
  readonly #windowMs: number;

  /** @param now on the clock by which `record` and `quantile` are told the time. */
  constructor(now: number, windowMs = 60_000) {
    this.#windowMs = windowMs;
    this.#end = now + windowMs;
  }

  record(latencyMs: number, now: number): void {
    if (now >= this.#end) this.#turn(now);
    this.#current[bucketOf(latencyMs)]!++;
    this.#count++;
  }

  /** How many latencies the quantiles come from. */
  count(now: number): number {
    if (now >= this.#end) this.#turn(now);
    return this.#count + this.#countBefore;
  }

  /** The latency that this fraction (0 to 1) of the calls did not exceed; undefined before the first. */
  quantile(fraction: number, now: number): number | undefined {
    return this.quantiles([fraction], now)?.[0];
  }

  /** Several at once, the lowest fraction first. */
  quantiles(fractions: readonly number[], now: number): readonly number[] | undefined {
    return quantilesOf([this], fractions, now);
  }

  /** Adds how many there are in each bucket to `sums`, and says how many in all. */
  addTo(sums: Float64Array, now: number): number {
    const total = this.count(now);
    for (let i = 0; i < buckets; i++) sums[i]! += this.#current[i]! + (this.#before?.[i] ?? 0);
    return total;
  }

  #turn(now: number): void {
    const skipped = now >= this.#end + this.#windowMs;
    const spare = this.#before ?? new Uint32Array(buckets);
    this.#before = skipped ? undefined : this.#current;
    this.#countBefore = skipped ? 0 : this.#count;
    if (skipped) this.#current.fill(0);
    else {
      spare.fill(0);
      this.#current = spare;
    }
    this.#count = 0;
    this.#end = now + this.#windowMs;
  }
}

/** The quantiles of several windows together, the lowest fraction first; undefined when all are empty. */
export function quantilesOf(
  windows: Iterable<LatencyWindow>,
  fractions: readonly number[],
  now: number,
): readonly number[] | undefined {
  const sums = new Float64Array(buckets);
  let total = 0;
  for (const window of windows) total += window.addTo(sums, now);
  if (total === 0) return undefined;
  const found: number[] = [];
  let seen = 0;
  let bucket = -1;
  for (const fraction of fractions) {
    const rank = Math.max(1, Math.ceil(fraction * total));
    while (seen < rank) seen += sums[++bucket]!;
    found.push(middleOf(bucket));
  }
  return found;
}

function bucketOf(latencyMs: number): number {
  const whole = latencyMs > 0 ? Math.min(longest, latencyMs * microseconds) | 0 : 0;
  if (whole < linear) return whole;
  const doubling = 31 - Math.clz32(whole);
  return linear + (doubling - 4) * perDoubling + ((whole >>> (doubling - 3)) & (perDoubling - 1));
}

function middleOf(bucket: number): number {
  if (bucket < linear) return (bucket + 0.5) / microseconds;
  const doubling = 4 + Math.floor((bucket - linear) / perDoubling);
  const width = 2 ** (doubling - 3);
  return (2 ** doubling + (((bucket - linear) % perDoubling) + 0.5) * width) / microseconds;
}
