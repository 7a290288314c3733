/** What a health check is: a function from a target to verdicts. */

import type { Observable } from 'rxjs';
import type { Channel } from '../core/channel.js';
import { FleetError } from '../core/fleetError.js';
import type { Health, Node } from '../core/node.js';

/** A node, and the channel (or whatever else is held of it) by which it can be asked. */
export interface HealthTarget<C = Channel> {
  readonly node: Node;
  readonly channel: C;
}

/** What one look at a node found. */
export interface Verdict {
  readonly serving: boolean;
  /** Why not, in a sentence; of one that serves, what should be known of it all the same. */
  readonly reason?: string | undefined;
  /**
   * True when the node itself said so: it counts at once. Otherwise it takes several in a row, since one lost packet
   * is no failure of a node. Default false.
   */
  readonly sure?: boolean;
}

/**
 * Looks at a node. Cold: each subscription is a look, and unsubscribing ends it.
 *
 * One that completes is asked again after the interval. One that stays open (a watch, or a node of which nothing more
 * can be learnt) is not. An error counts as a verdict that the node does not serve.
 */
export type HealthCheck<C = Channel> = (target: HealthTarget<C>) => Observable<Verdict>;

/** What the client holds of a node's health. */
export interface NodeHealth {
  readonly health: Health;
  /** Set when it does not serve, or when it counts as serving without having said so. */
  readonly reason: string | undefined;
}

/** The verdict on a node whose check failed with this error. */
export function failedVerdict(error: unknown): Verdict {
  const { code, detail } = FleetError.from(error);
  return { serving: false, reason: `${code}: ${detail}` };
}
