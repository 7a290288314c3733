/**
 * How long calls take, once they are let in.
 *
 * Mean and mean deviation are kept as TCP keeps those of its round trips (RFC 6298), by an eighth and a quarter of each new
 * one: a few additions a call, and they follow a node that slows down within some tens of calls.
 */

export class ServiceTime {
  /** 0 while nothing is known. */
  meanMs = 0;
  private deviationMs = 0;

  /** What a quick call takes: one that has less time left will hardly be in time. */
  get quickMs(): number {
    return Math.max(0, this.meanMs - this.deviationMs);
  }

  record(latencyMs: number): void {
    if (this.meanMs === 0) {
      this.meanMs = latencyMs;
      this.deviationMs = latencyMs / 2;
      return;
    }
    const off = latencyMs - this.meanMs;
    this.meanMs += off / 8;
    this.deviationMs += (Math.abs(off) - this.deviationMs) / 4;
  }
}
