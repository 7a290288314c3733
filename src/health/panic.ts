/**
 * When too few nodes are healthy, health is ignored.
 *
 * Health checks and ejections protect calls from single bad nodes. When most nodes are out, the few that are left would get all
 * the load and fall one after the other; and when a check itself is wrong, it has taken out a fleet that could serve. Past a
 * threshold it is better to spread the calls over everybody, some of which will fail. Do not use it where a node that says that
 * it does not serve gives wrong answers rather than none.
 *
 * Where nodes are taken out for their failures this belongs beside it: the ejection budget keeps detectors from emptying a fleet, but
 * not health checks, breakers and users.
 *
 * Rules of Envoy's panic threshold (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold).
 */

import { defer, map, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';
import type { EventSink } from '../core/eventSink.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { standingOf, withoutHealth } from '../core/standing.js';
import { NodeTally } from '../nodes/nodeTally.js';
import { NodeView } from '../nodes/nodeView.js';
import type { HealthEvent } from './healthEvent.js';

export interface PanicOptions {
  /**
   * Health is ignored while less than this share of the nodes is healthy, from 0 (never) to 1. Default 0.5. Nodes that cannot
   * be reached count as not healthy; those that drain, are only being dialled or asked, are incompatible or have the weight 0
   * count on neither side. Envoy: `healthy_panic_threshold`, in percent.
   */
  readonly threshold?: number;
}

export interface PanicPorts {
  readonly events: EventSink<HealthEvent>;
  readonly scheduler: SchedulerLike;
}

/**
 * Shows nodes that are not serving, or were taken out, as if nothing were known of their health, for as long as too few
 * others are healthy. Nodes that cannot be reached stay out: health has nothing to do with that. So do nodes at which a circuit
 * breaker is open, since that is asked again after each pick.
 *
 *     nodes$     a---b---c---     a = x y z   b = x y! z!   c = x y z!    !: ejected
 *     panic      a---B---c---     B = x y z
 *
 * A fleet is one priority level of Envoy's: a discovery that knows several lists the active one, so nothing spills over and the
 * threshold alone counts.
 *
 * @throws FleetError `INVALID_OPTION` for a threshold outside 0 to 1.
 */
export function panic(options: PanicOptions, { events, scheduler }: PanicPorts): MonoTypeOperatorFunction<NodeSet> {
  const { threshold = 0.5 } = options;
  requireOption(threshold >= 0 && threshold <= 1, 'panic.threshold', 'from 0 to 1', threshold);
  return (set$) =>
    defer(() => {
      const tally = new NodeTally(standingOf);
      let on = false;
      const view = new NodeView((node) =>
        on && standingOf(node) === 'sidelined' ? withoutHealth(node, 'ignored in panic') : node,
      );
      return set$.pipe(
        map((set) => {
          tally.follow(set);
          const healthy = tally.count('healthy');
          const sidelined = tally.count('sidelined');
          const total = healthy + sidelined + tally.count('away');
          // Where nobody is sidelined there is nothing to ignore.
          const panicking = sidelined > 0 && healthy / total < threshold;
          if (panicking === on) return view.follow(set);
          on = panicking;
          view.follow(set);
          const shown = view.renew(set.nodes.map(({ id }) => id));
          if (events.observed) events.next({ type: 'panicChanged', at: scheduler.now(), on, healthy, total });
          return shown;
        }),
      );
    });
}
