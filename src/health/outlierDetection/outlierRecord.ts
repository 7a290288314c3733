/** What outlier detection knows of one node. */

import type { Address } from '../../core/address.js';
import type { Node } from '../../core/node.js';
import type { NodeStats } from '../../core/nodeStats.js';

export class OutlierRecord {
  readonly address: Address;
  /** Its live counters, which tell it from a node of the same id that was there before. */
  readonly stats: NodeStats;
  /** Calls that ended in the interval that runs. */
  successes = 0;
  failures = 0;
  /** Calls of the interval that is over, and the share of them that succeeded. */
  volume = 0;
  rate = 0;
  /** Times in a row that it was taken out. gRFC A50: `ejection_time_multiplier`. */
  private times = 0;
  /** Ends of intervals until it is let in again. Counted, not timed: clocks are set, and jump. */
  private left = 0;
  /** Its ejection was seen at the node. */
  private seen = false;

  constructor({ address, stats }: Node) {
    this.address = address;
    this.stats = stats;
  }

  get isOut(): boolean {
    return this.left > 0;
  }

  /** The interval is over. */
  swap(): void {
    this.volume = this.successes + this.failures;
    this.rate = this.volume === 0 ? 1 : this.successes / this.volume;
    this.successes = 0;
    this.failures = 0;
  }

  /** @returns the ends of intervals that it stays out, this one not counted. */
  eject(sweepsFor: (times: number) => number): number {
    const sweeps = sweepsFor(++this.times);
    // The end of an interval at which it is taken out passes, too.
    this.left = sweeps + 1;
    this.seen = false;
    return sweeps;
  }

  /** The end of an interval passes. True: the node is let in again. */
  pass(): boolean {
    if (this.left === 0) {
      if (this.times > 0) this.times--;
      return false;
    }
    return --this.left === 0;
  }

  /** The node as it is now: somebody may have let it in. */
  see({ ejections }: Node, by: string): void {
    const shown = ejections.some((ejection) => ejection.by === by);
    if (this.seen && !shown) this.left = 0;
    this.seen = shown;
  }
}
