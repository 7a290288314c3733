/** The live counters of one node: what its picks and their outcomes add up to. */

import type { Blame } from './errorCodes.js';
import type { FleetErrorCode } from './errorCodes.js';

/** How one attempt on a node ended: the one thing that flows back from a call to the balancer. */
export interface Outcome {
  readonly status: 'ok' | 'failed' | 'cancelled';
  /** Milliseconds from pick to end. */
  readonly latencyMs: number;
  /** Milliseconds from pick to the first message, when one came. */
  readonly firstMessageMs?: number;
  /** Set when failed. */
  readonly code?: FleetErrorCode;
  /** Set when failed: whom it is charged to. Only `node` and `network` count against a node. */
  readonly blame?: Blame;
}

const decay = 0.1;

/**
 * Counters that change with every call, so they stand beside the immutable snapshots and not in them:
 * one object a node, the same in each snapshot, always current. Read it; only picks write it.
 */
export class NodeStats {
  /** Attempts that were picked and have not ended. */
  inFlight = 0;
  /** Attempts that ended, however. */
  requests = 0;
  successes = 0;
  /** Attempts that ended badly through the fault of the node or the network. */
  failures = 0;
  /** Attempts that the caller cancelled, or that failed by their own fault. */
  excused = 0;
  /** Moving average of the latency of successes (each new one weighs a tenth); 0 before the first. */
  ewmaLatencyMs = 0;
  /** Sum of the latency of successes. */
  totalLatencyMs = 0;
  /** Failures since the last success. */
  consecutiveFailures = 0;

  begin(): void {
    this.inFlight++;
  }

  end(outcome: Outcome): void {
    this.inFlight--;
    this.requests++;
    if (outcome.status === 'ok') {
      const first = this.successes++ === 0;
      this.consecutiveFailures = 0;
      this.totalLatencyMs += outcome.latencyMs;
      this.ewmaLatencyMs = first
        ? outcome.latencyMs
        : this.ewmaLatencyMs + decay * (outcome.latencyMs - this.ewmaLatencyMs);
    } else if (outcome.status === 'failed' && (outcome.blame === 'node' || outcome.blame === 'network')) {
      this.failures++;
      this.consecutiveFailures++;
    } else {
      this.excused++;
    }
  }
}
