/**
 * Near nodes first, as long as nobody is overloaded by it.
 *
 * Calls that stay in a zone are faster, cheaper, and do not fall with the link to another. But if every caller kept to
 * its zone, the nodes of a zone with many callers and few nodes would break while others idle. So a zone keeps as many
 * of its calls as its share of the nodes allows, and gives the rest to zones that have more nodes than callers. It
 * needs every caller to do the same. Where a zone can bear all of its callers at any time, `whereZone()` is simpler.
 *
 * Rules and numbers of Envoy's zone aware routing:
 * https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/zone_aware
 */

import { defer, isObservable, tap, type Observable } from 'rxjs';
import { healthIn } from '../core/healthIn.js';
import { isRoutable } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { grouped, traitsOver } from './grouped.js';
import type { Part, Spread } from './grouped/grouping.js';
import type { Balancer, Requirement } from './picker.js';
import { roundRobin } from './roundRobin.js';
import { withTraits } from './strategy.js';
import { zoneShares } from './zoneAware/zoneShares.js';

export interface ZoneAwareOptions {
  /** The zone of this client. */
  readonly zone: string;
  /**
   * How the callers are spread over the zones: their number in each, or any figures in the same proportion; or the
   * callers themselves as a fleet of their own (`callers.nodes$`), of which those that take calls count. Default: as
   * many in each zone that has nodes, and in this one. Envoy: the `local_cluster_name`.
   */
  readonly clients?: Readonly<Record<string, number>> | Observable<NodeSet>;
  /** With fewer nodes than this for a call, zones are ignored. Default 6. Envoy: `min_cluster_size`. */
  readonly minNodes?: number;
  /**
   * While less than this share of the nodes, or of the callers where they are a fleet, is healthy, zones are ignored,
   * from 0 (never) to 1. Default 0.5. Envoy: `healthy_panic_threshold`.
   */
  readonly panicThreshold?: number;
  /** Whether nodes and callers count by their weight, and not one by one. Default false. Envoy: `use_host_weight`. */
  readonly useNodeWeight?: boolean;
  /** The zone of a node. Default: its `zone`; `(node) => node.region` keeps calls in the region. */
  readonly zoneOf?: (node: Node) => string | undefined;
  /** What picks within each zone, and in all of them while zones are ignored. Default `roundRobin()`. */
  readonly balancer?: Balancer;
  /** Chance for the calls without a key, from 0 up to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Keeps calls in the zone as far as its share of the nodes allows, and spills the rest.
 *
 *     nodes$     a------      a = 1 node in eu, 3 in us, as many callers in both; this one is in eu
 *     pick(k)    -k-l-k-      half of the keys stay in eu (25 % of the nodes for 50 % of the callers), half go to us
 *     picked     -e-u-e-
 *
 * Only nodes that take the call count, so a task that few offer has shares of its own. Zones are ignored with few
 * nodes, while too few are healthy, where all nodes or all callers are in one zone, and where no caller is known in
 * this one; `why` says so. Equal keys draw the same zone while the shares stand. A call that the drawn zone cannot
 * take, or has failed on all of its nodes, goes to any other by its number of nodes.
 *
 * ```ts
 * createFleet({ …, balancer: zoneAware({ zone: 'eu-1', clients: { 'eu-1': 20, 'eu-2': 10 } }) });
 * ```
 *
 * Envoy name: `zone_aware_lb_config`. Envoy counts in ten thousandths; here shares are exact, and hold for each
 * requirement by itself.
 *
 * @throws FleetError `INVALID_OPTION` for a zone without a name or without a caller, and for senseless figures.
 */
export function zoneAware(options: ZoneAwareOptions): Balancer {
  const { zone, clients, minNodes = 6, panicThreshold = 0.5, useNodeWeight = false } = options;
  const { zoneOf = (node) => node.zone, balancer = roundRobin(), random = Math.random } = options;
  requireOption(typeof zone === 'string' && zone !== '', 'zone', 'the name of a zone', JSON.stringify(zone));
  requireOption(minNodes >= 0, 'minNodes', 'at least 0', minNodes);
  requireOption(panicThreshold >= 0 && panicThreshold <= 1, 'panicThreshold', 'from 0 to 1', panicThreshold);
  const told = clients === undefined || isObservable(clients) ? undefined : toldCallers(clients, zone);
  const inZone = (node: Node) => zoneOf(node) ?? '';
  const weigh = ({ weight }: Node) => (useNodeWeight ? weight : 1);

  const panicIn = (nodes: readonly Node[], what: string) => {
    const { healthy, total } = healthIn(nodes);
    return healthy < panicThreshold * total ? `${healthy} of ${total} ${what} are healthy` : undefined;
  };
  const spread = (parts: readonly Part[], set: NodeSet, callers: Callers): Spread => ({
    sharesFor(requires) {
      const able = parts.map(({ nodes }) => nodes.nodes.filter((node) => isRoutable(node) && meets(node, requires)));
      const counts = able.map(({ length }) => length);
      const nodes = counts.reduce((sum, count) => sum + count, 0);
      const ignored =
        (nodes < Math.max(1, minNodes) ? `there are ${nodes} of at least ${minNodes} nodes` : undefined) ??
        (counts.filter((count) => count > 0).length < 2 ? 'all nodes are in one zone' : undefined) ??
        panicIn(set.nodes, 'nodes') ??
        callers.trouble;
      const labels = parts.map(({ name }) => labelOf(name));
      if (ignored !== undefined) {
        return {
          first: [...counts.map(() => 0), 1],
          next: undefined,
          labels: [...labels, `all zones, since ${ignored}`],
        };
      }
      const zones = parts.map(({ name }, i) => ({
        name,
        capacity: able[i]!.reduce((sum, node) => sum + weigh(node), 0),
      }));
      return { first: [...zoneShares(zones, zone, callers.perZone), 0], next: [...counts, 0], labels };
    },
  });

  const callersIn = ({ nodes }: NodeSet): Callers => {
    const perZone = new Map<string, number>();
    for (const node of nodes) {
      if (isRoutable(node)) perZone.set(inZone(node), (perZone.get(inZone(node)) ?? 0) + weigh(node));
    }
    return { perZone, trouble: panicIn(nodes, 'callers') ?? troubleOf(perZone, zone) };
  };

  return withTraits(traitsOver(policy, [balancer]), (set$, ports) =>
    defer(() => {
      let seen: Callers = { perZone: new Map(), trouble: 'no caller is known yet' };
      return grouped(
        set$,
        {
          ...{ name: policy, seed, random, groupOf: inZone, whole: true },
          compare: (a, b) => (a === zone ? -1 : b === zone ? 1 : a < b ? -1 : 1),
          balancerOf: () => balancer,
          spread: (parts, set) => spread(parts, set, told ?? (clients ? seen : evenCallers(parts, zone))),
          ...(isObservable(clients) ? { changed$: clients.pipe(tap((set) => (seen = callersIn(set)))) } : {}),
          elsewhere: (node) => labelOf(inZone(node)),
        },
        ports,
      );
    }),
  );
}

const policy = 'zone_aware';
/** The letters ZONE. */
const seed = 0x5a4f4e45;

/** What is known of those who call. */
interface Callers {
  /** Relative numbers. */
  readonly perZone: ReadonlyMap<string, number>;
  /** Why nothing can be made of it. */
  readonly trouble: string | undefined;
}

function toldCallers(clients: Readonly<Record<string, number>>, zone: string): Callers {
  for (const [name, count] of Object.entries(clients)) {
    requireOption(count >= 0 && Number.isFinite(count), `clients.${name}`, 'a number of at least 0', count);
  }
  requireOption(clients[zone]! > 0, `clients.${zone}`, 'more than 0, since this client is one', clients[zone]);
  const perZone = new Map(Object.entries(clients).filter(([, count]) => count > 0));
  return { perZone, trouble: troubleOf(perZone, zone) };
}

function evenCallers(parts: readonly Part[], zone: string): Callers {
  return { perZone: new Map([zone, ...parts.map(({ name }) => name)].map((name) => [name, 1])), trouble: undefined };
}

function troubleOf(perZone: ReadonlyMap<string, number>, zone: string): string | undefined {
  if (!perZone.has(zone)) return `no caller is known in ${labelOf(zone)}`;
  return perZone.size < 2 ? 'all callers are in one zone' : undefined;
}

function labelOf(zone: string): string {
  return zone === '' ? 'no zone' : `zone ${zone}`;
}

function meets(node: Node, requires: Requirement | undefined): boolean {
  return requires === undefined || requires.test(node);
}
