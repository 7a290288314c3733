/** When an attempt is a failover, as `snapshot()` counts them, too. */

import type { AttemptStarted } from '../call/callEvent.js';

/** A further attempt, but no copy beside another, on a node that has not failed the call. */
export function isFailover({ attempt, reason, call, node }: AttemptStarted): boolean {
  return attempt > 1 && reason !== 'hedge' && !call.attempts.some((failed) => failed.node === node.id);
}
