/** The latest latencies of a short while, for the one quantile that is asked of them at its end. */

const most = 512;

export class LatencySamples {
  /** How many came, those that were overwritten since included. */
  count = 0;
  private readonly kept = new Float64Array(most);

  record(latencyMs: number): void {
    this.kept[this.count++ % most] = latencyMs;
  }

  /** The latency that this fraction did not exceed; there must be some. */
  quantile(fraction: number): number {
    const kept = Math.min(this.count, most);
    const sorted = this.kept.slice(0, kept).sort();
    return sorted[Math.max(0, Math.ceil(fraction * kept) - 1)]!;
  }

  clear(): void {
    this.count = 0;
  }
}
