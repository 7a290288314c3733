/** The load reports of a whole set of nodes, written down as they come. */

import { ignoreElements, tap, type Observable } from 'rxjs';
import type { Channel } from '../core/channel.js';
import type { LoadReport } from '../core/loadReport.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { HealthTarget } from './healthCheck.js';
import { healthOf } from './healthOf.js';

/**
 * Asks each node that is `ready`, for as long as it is, for its reports, and writes them to its `stats`.
 *
 *     nodes$     a-------b---c---       a = x ready   b = x unavailable   c = x ready
 *     reports    ^-r--r--!   ^-r-       r: x.stats.report
 *
 * Emits nothing. A stream of reports that errors leaves its node without them until it becomes ready again.
 *
 * @param reports Such as `outOfBandLoad()`.
 * @param clock The stopwatch by which latencies are measured.
 */
export function watchLoad<C = Channel>(
  nodes$: Observable<NodeSet>,
  target: (node: Node) => HealthTarget<C> | undefined,
  reports: (target: HealthTarget<C>) => Observable<LoadReport>,
  clock: () => number,
): Observable<never> {
  // The life of a report stream is that of a health check; of a health it tells nothing.
  const written = (asked: HealthTarget<C>) =>
    reports(asked).pipe(
      tap((report) => asked.node.stats.reported(report, clock())),
      ignoreElements(),
    );
  return healthOf(nodes$, target, written).pipe(ignoreElements());
}
