/**
 * Priorities: near nodes first, far ones as far as the near ones cannot bear it.
 *
 * To fail over at once when the last near node is gone is too late: by then the few that were left have broken under
 * the load of all. So the far nodes take a little as soon as too many near ones are down, and more with each. It needs
 * far nodes that can bear what the near ones cannot; where two far nodes stand behind ten near ones, take
 * `activePriority()`, which uses one priority at a time.
 *
 * Rules and numbers of Envoy's priority levels and panic thresholds:
 * https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
 * https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold
 */

import { healthIn, type HealthTally } from '../core/healthIn.js';
import type { Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { withoutHealth } from '../core/standing.js';
import { grouped, traitsOver } from './grouped.js';
import type { Part, Spread } from './grouped/grouping.js';
import type { Balancer } from './picker.js';
import { priorityLoads } from './priorityFailover/priorityLoads.js';
import { roundRobin } from './roundRobin.js';
import { withTraits } from './strategy.js';

export interface PriorityFailoverOptions {
  /**
   * The priority of a node, the lowest number first; what is no finite number counts as 0. Default: its metadata
   * `priority`, as xDS discovery tells it, else its tag `priority`, else 0.
   */
  readonly priorityOf?: (node: Node) => number;
  /**
   * How much more than its share a node can bear, more than 0: at 1.4 a priority of which 72 % are healthy still takes
   * all calls. Default 1.4. Envoy: `overprovisioning_factor`, in hundredths.
   */
  readonly overprovisioningFactor?: number;
  /**
   * While all priorities together cannot bear the load, those with less than this share of healthy nodes ignore health,
   * from 0 (never) to 1. Default 0.5. Envoy: `healthy_panic_threshold`.
   */
  readonly panicThreshold?: number;
  /** What picks within each priority. Default `roundRobin()`. */
  readonly balancer?: Balancer;
  /** Chance for the calls without a key, from 0 up to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Gives the best priority as many calls as its healthy nodes can bear, and the rest to the next ones.
 *
 *     nodes$     a-----b-----|     a = w x (0) y z (1)   b: x is ejected, so 0 has a health of 0.5 × 1.4
 *     pick(k)    -k-l---k-l--|
 *     picked     -w-x---w-y--|     70 % of the keys stay with 0, 30 % go to 1
 *
 * Equal keys draw the same priority while the healths stand, and those that move come back. A call that the drawn
 * priority cannot take, or has failed on all of its nodes, goes to the others in their order; `why` names both. In
 * panic nodes are taken that do not serve or were taken out, but none that cannot be reached. Leave the client's own
 * `panic` off with it: it would show all of them as healthy before they are counted.
 *
 * ```ts
 * createFleet({ discovery: xds({ allPriorities: true }), balancer: priorityFailover(), … });
 * ```
 *
 * Envoy name: priority levels. Envoy rounds the shares to hundredths; here they are exact. Nodes that are being dialled
 * count on neither side, so calls go to the next priority while all of a better one are: gRPC's `priority_experimental`
 * (gRFC A56) waits up to 10 s for it, and uses one priority at a time.
 *
 * @throws FleetError `INVALID_OPTION` for a factor or a threshold that makes no sense.
 */
export function priorityFailover(options: PriorityFailoverOptions = {}): Balancer {
  const { priorityOf = toldPriority, overprovisioningFactor = 1.4, panicThreshold = 0.5 } = options;
  const { balancer = roundRobin(), random = Math.random } = options;
  const factorIsSane = overprovisioningFactor > 0 && Number.isFinite(overprovisioningFactor);
  requireOption(factorIsSane, 'overprovisioningFactor', 'more than 0', overprovisioningFactor);
  requireOption(panicThreshold >= 0 && panicThreshold <= 1, 'panicThreshold', 'from 0 to 1', panicThreshold);
  const groupOf = (node: Node) => {
    const priority = priorityOf(node);
    return Number.isFinite(priority) ? String(priority) : '0';
  };
  // What is known of a part, which mostly stays as it is from one set to the next.
  const tallies = new WeakMap<NodeSet, HealthTally>();
  const panicking = new WeakMap<NodeSet, NodeSet>();
  const spread = (parts: readonly Part[]): Spread => {
    if (parts.length === 0) return { sharesFor: () => ({ first: [], next: undefined }) };
    const levels = parts.map(({ nodes }) => remembered(tallies, nodes, () => healthIn(nodes.nodes)));
    const { loads, panics } = priorityLoads(levels, overprovisioningFactor, panicThreshold);
    const said = levels.map(({ healthy, total }) => `${healthy} of ${total} nodes are healthy`);
    const shares = {
      first: loads,
      next: loads.map(() => 1),
      inOrder: true,
      labels: parts.map(({ name }, i) => `priority ${name}${panics[i] ? ` in panic, ${said[i]}` : ''}`),
    };
    return {
      shown: parts.map(({ nodes }, i) =>
        panics[i] ? remembered(panicking, nodes, () => inPanic(nodes, said[i]!)) : nodes,
      ),
      sharesFor: () => shares,
    };
  };

  return withTraits(traitsOver(policy, [balancer]), (set$, ports) =>
    grouped(
      set$,
      {
        ...{ name: policy, seed, random, groupOf, spread },
        compare: (a, b) => Number(a) - Number(b),
        balancerOf: () => balancer,
        elsewhere: (node) => `priority ${groupOf(node)}`,
      },
      ports,
    ),
  );
}

const policy = 'priority_failover';
/** The letters PRIO. */
const seed = 0x5052494f;

function toldPriority({ metadata, tags }: Node): number {
  return Number(metadata.priority ?? tags.priority ?? 0);
}

function inPanic({ nodes, stale }: NodeSet, why: string): NodeSet {
  const shown = nodes.map((node) =>
    node.health === 'notServing' || node.health === 'ejected' ? withoutHealth(node, `panic, ${why}`) : node,
  );
  return NodeSet.of(shown, stale);
}

function remembered<K extends object, V>(memory: WeakMap<K, V>, key: K, make: () => V): V {
  let value = memory.get(key);
  if (value === undefined) memory.set(key, (value = make()));
  return value;
}
