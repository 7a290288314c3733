/**
 * How many calls a node may have in flight next to the others: consistent hashing with bounded loads.
 *
 * A popular key overloads the one node that it is hashed to. With a bound `c` no node takes a call while it has `c` times
 * the average in flight or more, and the key goes on to the next that has room; with `c` near 1 loads are even and
 * keys wander, with 2 they seldom do (V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded
 * Loads", arXiv 1608.01350: a node takes at most `⌈c × (calls in flight + 1) / nodes⌉`). Weights scale the share of a
 * node, as in HAProxy and Envoy.
 *
 * A node that fails at once has nothing in flight, and would be where all that overflows ends, and all the more as the average
 * of the others seems too much. So while its failures outnumber its successes it counts as having its share of the calls in
 * flight, and what overflows passes it by.
 */

import type { Node } from '../core/node.js';
import type { NodeStats } from '../core/nodeStats.js';
import type { LoadJournal } from './loadJournal.js';

/** The bounds of one list of nodes. */
export class LoadBound {
  private stats: readonly NodeStats[] = [];
  private nodes: readonly Node[] = [];
  /** Places by id, made when a change comes from another list. */
  private indexes: Map<string, number> | undefined;
  /** The part of all calls in flight that each may have. */
  private shares = new Float64Array(0);
  /** What each had in flight when it was last looked at, and the sum. */
  private known = new Float64Array(0);
  private total = 0;
  /** Changes of the journal that are in the sum. */
  private seen = 0;
  /** The node to look at next, whatever the journal says. */
  private visitor = 0;
  private readonly factor: number;
  private readonly journal: LoadJournal;

  /** @param factor how many times the average a node may have; over 1. */
  constructor(factor: number, journal: LoadJournal) {
    this.factor = factor;
    this.journal = journal;
  }

  /** @param placed whether a node can be hashed to at all: who cannot has no share, or the others had less than all. */
  update(nodes: readonly Node[], stats: readonly NodeStats[], placed: (index: number) => boolean): void {
    this.nodes = nodes;
    this.stats = stats;
    this.indexes = undefined;
    this.visitor = 0;
    const shares = new Float64Array(nodes.length);
    let weights = 0;
    for (let i = 0; i < nodes.length; i++) {
      if (placed(i)) weights += shares[i] = Math.min(nodes[i]!.weight, maxWeight);
    }
    const part = this.factor / (weights || 1);
    for (let i = 0; i < nodes.length; i++) shares[i]! *= part;
    this.shares = shares;
    this.known = new Float64Array(nodes.length);
    this.recount();
  }

  /** Brings the sum up to date; asked before each choice. */
  follow(): void {
    const { journal } = this;
    if (journal.count - this.seen > 0) {
      if (!journal.reaches(this.seen)) return this.recount();
      while (this.seen < journal.count) {
        const index = this.place(journal.nodeAt(this.seen), journal.indexAt(this.seen++));
        if (index !== undefined) this.look(index);
      }
    }
    // Other balancers of the client may have put calls on a node, of which the journal does not know.
    const { visitor } = this;
    this.visitor = visitor + 1 === this.stats.length ? 0 : visitor + 1;
    this.look(visitor);
  }

  /** Whether a node may take one more call. */
  hasRoom(index: number): boolean {
    this.look(index);
    // Of whole numbers those below x are those below ⌈x⌉.
    return this.known[index]! < this.shares[index]! * (this.total + 1);
  }

  /** How much of its bound a node has, as it stands now: 1 and more is full. */
  load(index: number): number {
    this.follow();
    return this.stats[index]!.inFlight / Math.max(1, Math.ceil(this.shares[index]! * (this.total + 1)));
  }

  /** Whether a call that overflows another node should rather go elsewhere. */
  isFailing(index: number): boolean {
    return this.stats[index]!.failureLevel > 0;
  }

  private look(index: number): void {
    const { inFlight, failureLevel } = this.stats[index]!;
    const now = failureLevel === 0 ? inFlight : Math.max(inFlight, this.fairLoad(index));
    this.total += now - this.known[index]!;
    this.known[index] = now;
  }

  /** What it would have in flight if it had its share of all. */
  private fairLoad(index: number): number {
    const share = this.shares[index]! / this.factor;
    return share < 1 ? ((this.total - this.known[index]!) * share) / (1 - share) : 0;
  }

  private recount(): void {
    const { stats, known } = this;
    this.seen = this.journal.count;
    this.total = 0;
    for (let i = 0; i < stats.length; i++) this.total += known[i] = stats[i]!.inFlight;
  }

  /** The place of a node here; `index` is its place in the list that it was picked from, mostly this one. */
  private place(node: Node, index: number): number | undefined {
    if (this.stats[index] === node.stats) return index;
    this.indexes ??= new Map(this.nodes.map(({ id }, at) => [id, at]));
    return this.indexes.get(node.id);
  }
}

/** So that a senseless weight leaves the others something. */
const maxWeight = 2 ** 40;
