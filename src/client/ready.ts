/** The moment from which calls go through. */

import { defer, filter, take, throwError, throwIfEmpty, timeout, type Observable, type SchedulerLike } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { isRoutable, whyNotRoutable } from '../core/isRoutable.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';

export interface ReadyOptions {
  /** Milliseconds to wait. Default 10,000; `Infinity` waits as long as it takes. */
  readonly deadlineMs?: number;
  /** So many nodes must take calls. Default 1. */
  readonly nodes?: number;
}

/**
 * Emits the node set once enough nodes take calls, and completes.
 *
 *     nodes$     -a---b---c-     a = none   b = x is dialled   c = x is ready
 *     ready      ---------(c|)
 *
 * Errors with `NO_NODES`, and what became of each node, when they do not in time; `CLOSED` when the client is closed first.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless deadline or number.
 */
export function ready(
  nodes$: Observable<NodeSet>,
  scheduler: SchedulerLike,
  { deadlineMs = 10_000, nodes: enough = 1 }: ReadyOptions = {},
): Observable<NodeSet> {
  requireOption(deadlineMs > 0, 'deadlineMs', 'above 0', deadlineMs);
  requireOption(Number.isInteger(enough) && enough >= 1, 'nodes', 'a whole number from 1', enough);
  return defer(() => {
    let last: NodeSet | undefined;
    const ready$ = nodes$.pipe(
      filter((set) => {
        last = set;
        let found = 0;
        return set.nodes.some((node) => isRoutable(node) && ++found >= enough);
      }),
      take(1),
      throwIfEmpty(() => new FleetError('CLOSED', 'the client was closed')),
    );
    if (deadlineMs === Infinity) return ready$;
    const late = () => throwError(() => noneIn(deadlineMs, enough, last));
    return ready$.pipe(timeout({ first: deadlineMs, scheduler, with: late }));
  });
}

function noneIn(deadlineMs: number, enough: number, set: NodeSet | undefined): FleetError {
  const known = set?.nodes.map((node) => `${node.id}: ${whyNotRoutable(node) ?? 'ready'}`).join('; ');
  const why = known || (set?.stale?.reason ?? 'discovery found none: start a node, or check the network');
  const what = enough === 1 ? 'no node' : `fewer than ${enough} nodes`;
  return new FleetError('NO_NODES', `${what} took calls within ${deadlineMs} ms (${why})`, { sent: false });
}
