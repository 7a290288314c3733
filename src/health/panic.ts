/**
 * When too few nodes are healthy, health is ignored.
 *
 * Health checks and ejections protect calls from single bad nodes. When most nodes are out, the few that are left would get all
 * the load and fall one after the other; and when a check itself is wrong, it has taken out a fleet that could serve. Past a
 * threshold it is better to spread the calls over everybody, some of which will fail. Do not use it where a node that says that
 * it does not serve gives wrong answers rather than none.
 *
 * Rules of Envoy's panic threshold (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold).
 */

import { defer, map, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';
import type { EventSink } from '../core/eventSink.js';
import { healthIn, withoutHealth } from '../core/healthIn.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import type { HealthEvent } from './healthEvent.js';

export interface PanicOptions {
  /**
   * Health is ignored while less than this share of the nodes is healthy, from 0 (never) to 1. Default 0.5. Nodes that drain,
   * are only being dialled or asked, are incompatible or have the weight 0 count on neither side. Envoy:
   * `healthy_panic_threshold`.
   */
  readonly threshold?: number;
}

export interface PanicPorts {
  readonly events: EventSink<HealthEvent>;
  readonly scheduler: SchedulerLike;
}

/**
 * Shows nodes that are not serving, or were taken out, as if nothing were known of their health, for as long as too few
 * others are healthy. Nodes that cannot be reached stay out: health has nothing to do with that.
 *
 *     nodes$     a---b---c---     a = x y z   b = x y! z!   c = x y z!    !: ejected
 *     panic      a---B---c---     B = x y z
 *
 * @throws FleetError `INVALID_OPTION` for a threshold outside 0 to 1.
 */
export function panic(options: PanicOptions, { events, scheduler }: PanicPorts): MonoTypeOperatorFunction<NodeSet> {
  const { threshold = 0.5 } = options;
  requireOption(threshold >= 0 && threshold <= 1, 'panic.threshold', 'from 0 to 1', threshold);
  return (set$) =>
    defer(() => {
      let on = false;
      return set$.pipe(
        map((set) => {
          const { healthy, total } = healthIn(set.nodes);
          const panicking = total > 0 && healthy < threshold * total;
          if (panicking !== on) {
            on = panicking;
            if (events.observed) events.next({ type: 'panicChanged', at: scheduler.now(), on, healthy, total });
          }
          return on ? withoutHealth(set, `${healthy} of ${total} nodes are healthy`) : set;
        }),
      );
    });
}
