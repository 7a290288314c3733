/** What each node is taken to answer in: one estimate a node, whatever lists it stands in, for as long as it lives. */

import type { NodeStats, Outcome } from '../../core/nodeStats.js';
import type { RecentTime } from '../recentTime.js';

/** What each new answer counts in the average of the fleet. */
const part = 1 / 64;
/** So that among nodes that answer in no time, or were not asked for long, calls in flight decide; and so that all is finite. */
const [leastMs, mostMs] = [0.001, 1e9];

/** Fields of a row: the latency, below 0 while nothing is known; when it was last heard of, and last picked. */
const latency = 0;
const heardAt = 1;
const pickedAt = 2;
const fields = 4;

/**
 * One row of numbers a node, side by side, so that a pick touches one line of the cache for each node that it looks at. A row is
 * named by its place. It is kept as long as somebody holds the counters of its node.
 */
export class Estimates {
  /** What an answer took lately, of whichever node; undefined before the first. */
  private averageMs: number | undefined = undefined;
  private rows = new Float64Array(fields * 16);
  private owners: WeakRef<NodeStats>[] = [];
  private readonly rowOf = new WeakMap<NodeStats, number>();
  /** The nodes of the list that was told last, and their rows: most ends are of its picks. */
  private listed: readonly NodeStats[] = [];
  private listedRows: Int32Array = new Int32Array(0);
  private readonly free: number[] = [];
  private readonly decayMs: number;
  private readonly defaultMs: number;
  private readonly time: RecentTime;

  constructor(decayMs: number, defaultMs: number, time: RecentTime) {
    this.decayMs = decayMs;
    this.defaultMs = defaultMs;
    this.time = time;
  }

  /** The rows of a list of nodes, by their counters, which are the same in each snapshot. */
  rowsOf(list: readonly NodeStats[]): Int32Array {
    const { listed, listedRows } = this;
    this.time.read();
    this.listedRows = Int32Array.from(list, (stats, i) => (stats === listed[i] ? listedRows[i]! : this.row(stats)));
    this.listed = list;
    return this.listedRows;
  }

  /** What a further call on the node costs: the latency expected of it, for each call that it would then have in flight. */
  cost(row: number, inFlight: number, weight: number): number {
    let expectedMs = this.rows[row + latency]!;
    if (expectedMs < 0) expectedMs = this.untoldMs(inFlight);
    // A node that has calls in flight does not look better for the time that they take.
    if (inFlight === 0) expectedMs *= Math.exp((this.rows[row + heardAt]! - this.time.now) / this.decayMs);
    return Math.max(leastMs, expectedMs) * (inFlight / weight + 1);
  }

  picked(row: number): void {
    this.time.picked();
    this.rows[row + pickedAt] = this.time.now;
  }

  /** How long ago it was picked, or first seen. */
  waitedMs(row: number): number {
    return this.time.now - this.rows[row + pickedAt]!;
  }

  /** A call on a node ended, which was picked at this place of its list. */
  observe(stats: NodeStats, index: number, { status, blame, latencyMs, at }: Outcome): void {
    this.time.ended(at);
    const row = this.listed[index] === stats ? this.listedRows[index]! : this.row(stats);
    const tookMs = latencyMs > 0 ? Math.min(latencyMs, mostMs) : 0;
    const charged = status === 'failed' && (blame === 'node' || blame === 'network');
    if (status === 'ok') this.answered(row, tookMs);
    else if (charged) this.raise(row, Math.max(tookMs, this.penaltyMs(stats.failureLevel)), 0);
    // It would have taken at least that long.
    else this.raise(row, tookMs, 1);
    this.rows[row + heardAt] = this.time.now;
  }

  private row(stats: NodeStats): number {
    let row = this.rowOf.get(stats);
    if (row === undefined) {
      row = this.freeRow();
      this.owners[row / fields] = new WeakRef(stats);
      this.rowOf.set(stats, row);
      this.rows[row + latency] = -1;
      this.rows[row + heardAt] = this.time.now;
      this.rows[row + pickedAt] = this.time.now;
    }
    return row;
  }

  private answered(row: number, tookMs: number): void {
    const { rows, averageMs = tookMs } = this;
    this.averageMs = averageMs + part * (tookMs - averageMs);
    const before = rows[row + latency]!;
    const kept = before > tookMs ? Math.exp((rows[row + heardAt]! - this.time.now) / this.decayMs) : 0;
    rows[row + latency] = tookMs + kept * (before - tookMs);
  }

  /** @param inFlight as which a node counts that has told nothing. */
  private raise(row: number, toMs: number, inFlight: number): void {
    const before = this.rows[row + latency]!;
    if (toMs > (before < 0 ? this.untoldMs(inFlight) : before)) this.rows[row + latency] = toMs;
  }

  private penaltyMs(failureLevel: number): number {
    return (this.averageMs ?? this.defaultMs) * 2 ** failureLevel;
  }

  /** A node that has told nothing counts as average; but the calls after the first wait for what that one tells. */
  private untoldMs(inFlight: number): number {
    const { averageMs = this.defaultMs } = this;
    return inFlight === 0 ? averageMs : Math.max(averageMs, this.defaultMs);
  }

  private freeRow(): number {
    const { owners, free } = this;
    const row = free.pop();
    if (row !== undefined) return row;
    if (owners.length * fields < this.rows.length) return owners.length * fields;
    // Before there are more, those whose nodes are gone.
    owners.forEach((owner, place) => {
      if (owner.deref() === undefined) free.push(place * fields);
    });
    if (free.length < owners.length / 4) {
      const more = new Float64Array(2 * this.rows.length);
      more.set(this.rows);
      this.rows = more;
    }
    return free.pop() ?? owners.length * fields;
  }
}
