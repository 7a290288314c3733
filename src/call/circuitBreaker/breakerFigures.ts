/** What breakers stand at, for snapshots and dashboards. */

import type { BreakerState } from '../callEvent.js';

/** One breaker that is not closed. */
export interface BreakerFigures {
  /** The id of its node. */
  readonly node: string;
  /** Its method, where each has a breaker of its own. */
  readonly method: string | undefined;
  readonly state: BreakerState;
  /** Why, in a sentence. */
  readonly reason: string;
  /** Since when, in milliseconds since the epoch. */
  readonly since: number;
  /** When it will let probes through, in milliseconds since the epoch; undefined when it does already. */
  readonly retryAt: number | undefined;
}

/** The breakers of one client, of nodes that were called. */
export interface BreakerReport {
  readonly closed: number;
  readonly open: number;
  readonly halfOpen: number;
  /** Those that are not closed. */
  readonly breakers: readonly BreakerFigures[];
}
