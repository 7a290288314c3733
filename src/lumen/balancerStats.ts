/** What the balancer has done so far. */

import { interval, map, merge, of, type BehaviorSubject, type Observable, type SchedulerLike } from 'rxjs';
import type { Balancer } from '../balancer/picker.js';
import { isRoutable } from '../core/isRoutable.js';
import { NodeSet } from '../core/nodeSet.js';

export interface BalancerStats {
  /** The strategy, by its gRPC name where it has one, such as `round_robin`. */
  readonly strategy: string;
  /** Nodes that take calls now. */
  readonly activeNodes: number;
  readonly totalNodes: number;
  /** Picks of nodes that are known now, retries included. */
  readonly selections: number;
  /** The same, a node each, by id. */
  readonly byNode: Readonly<Record<string, number>>;
}

/** As they are now, then with each new node set and each second. Costs nothing while nobody listens. */
export function balancerStats(
  balancer: Balancer,
  nodes$: BehaviorSubject<NodeSet>,
  scheduler: SchedulerLike,
): Observable<BalancerStats> {
  let strategy: string | undefined;
  return merge(nodes$, interval(1_000, scheduler)).pipe(
    map(() => {
      const { nodes } = nodes$.value;
      const byNode = Object.fromEntries(nodes.map(({ id, stats }) => [id, stats.requests + stats.inFlight]));
      return {
        strategy: (strategy ??= nameOf(balancer)),
        activeNodes: nodes.filter(isRoutable).length,
        totalNodes: nodes.length,
        selections: Object.values(byNode).reduce((sum, count) => sum + count, 0),
        byNode,
      };
    }),
  );
}

/** A balancer is a function; the account of a pick among no nodes tells its name. */
function nameOf(balancer: Balancer): string {
  let name = 'custom';
  of(NodeSet.empty)
    .pipe(balancer)
    .subscribe((picker) => (name = picker.pick({}).why.strategy))
    .unsubscribe();
  return name;
}
