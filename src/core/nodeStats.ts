/** The live counters of one node: what its picks and their outcomes add up to. */

import type { Blame, FleetErrorCode } from './errorCodes.js';
import { LatencyWindow } from './latencyWindow.js';
import type { LoadReport } from './loadReport.js';

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
  /** When it ended, on the stopwatch by which latencies are measured. */
  readonly at?: number;
  /** What the node reported of its load with the answer, when it did (gRFC A51). */
  readonly load?: LoadReport;
}

const decay = 0.1;
const maxFailureLevel = 6;

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
  /**
   * How much it fails lately: one more with each failure, one less with each success, from 0 up to 6. So a node that fails
   * every second call stands out, too, and one failure in a hundred does not last.
   */
  failureLevel = 0;
  /** The latencies of the successes of the last minute or two; undefined before the first. */
  latencies: LatencyWindow | undefined = undefined;
  /** The last report of its load, by trailers or out of band. */
  report: LoadReport | undefined = undefined;
  /** When that report came, on the stopwatch by which latencies are measured. */
  reportedAt = 0;

  begin(): void {
    this.inFlight++;
  }

  /** A pick was not used after all: as if it had never been. */
  release(): void {
    this.inFlight--;
  }

  end(outcome: Outcome): void {
    this.inFlight--;
    this.requests++;
    const { at } = outcome;
    if (outcome.load !== undefined && at !== undefined) this.reported(outcome.load, at);
    if (outcome.status === 'ok') {
      const first = this.successes++ === 0;
      this.consecutiveFailures = 0;
      if (this.failureLevel > 0) this.failureLevel--;
      this.totalLatencyMs += outcome.latencyMs;
      this.ewmaLatencyMs = first
        ? outcome.latencyMs
        : this.ewmaLatencyMs + decay * (outcome.latencyMs - this.ewmaLatencyMs);
      if (at !== undefined) (this.latencies ??= new LatencyWindow(at)).record(outcome.latencyMs, at);
    } else if (outcome.status === 'failed' && (outcome.blame === 'node' || outcome.blame === 'network')) {
      this.failures++;
      this.consecutiveFailures++;
      if (this.failureLevel < maxFailureLevel) this.failureLevel++;
    } else {
      this.excused++;
    }
  }

  /** The node told of its load. */
  reported(report: LoadReport, at: number): void {
    this.report = report;
    this.reportedAt = at;
  }
}
