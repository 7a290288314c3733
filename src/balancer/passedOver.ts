/**
 * Who fails is passed over.
 *
 * A node that fails at once looks idle and fast, and would draw all calls to it: a black hole. So whatever a strategy compares,
 * one that fails at level `k` (`NodeStats.failureLevel`: failures less successes, up to 6) is chosen `2^k` times in vain for each
 * time that it is taken, where somebody else fails less. That holds at any latency and any load; and it is still tried, so that
 * its recovery is seen.
 */

import type { Node } from '../core/node.js';
import type { NodeStats } from '../core/nodeStats.js';

export class PassedOver {
  private nodes: readonly Node[] = [];
  private stats: readonly NodeStats[] = [];
  /** How often each was since it was last taken, by id. */
  private readonly counts = new Map<string, number>();

  update(nodes: readonly Node[], stats: readonly NodeStats[]): void {
    this.nodes = nodes;
    this.stats = stats;
    if (this.counts.size > nodes.length) this.counts.clear();
  }

  /** The node that was chosen, unless it fails more than the other one and it is not its turn. */
  unlessFailing(chosen: number, other: number): number {
    const level = this.stats[chosen]!.failureLevel;
    if (level === 0 || level <= this.stats[other]!.failureLevel) return chosen;
    const { id } = this.nodes[chosen]!;
    const passed = this.counts.get(id) ?? 0;
    const taken = passed >= 2 ** level;
    this.counts.set(id, taken ? 0 : passed + 1);
    return taken ? chosen : other;
  }
}
