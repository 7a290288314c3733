/** The nodes that a resolved service comes to. */

import { formatAddress, type Address } from '../../core/address.js';
import { createNode, type Node, type NodeInit } from '../../core/node.js';
import { HealthStatus } from '../../gen/envoy/core_pb.js';
import type { EndpointOfLocality, LocalityOfEndpoints } from './readEndpoints.js';
import type { LeafOfCluster, ResolvedCluster } from './resolveTarget.js';

export interface NodesContext {
  readonly service: string;
  readonly namespace?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A locality behind a cluster, at its place among all priorities of that cluster. */
interface Placed {
  readonly cluster: ResolvedCluster;
  readonly leaf: LeafOfCluster;
  readonly locality: LocalityOfEndpoints;
  readonly priority: number;
}

interface Draft {
  readonly init: NodeInit & { readonly id: string };
  readonly weight: number;
  readonly clusters: readonly string[];
  readonly priority: number;
}

/**
 * One node an endpoint. Within a priority a node's weight is its share of the calls: that of its cluster, by the weight
 * of its locality, by its own weight among the endpoints of the locality that may serve (gRFC A27, A28). With a single
 * cluster and locality it is the endpoint's own weight, so that a node that comes does not change the others.
 */
export function nodesOf(clusters: readonly ResolvedCluster[], context: NodesContext): Node[] {
  const drafts = new Map<string, Draft>();
  const holders = new Map<string, string>();
  const several = clusters.length > 1;
  for (const cluster of clusters) {
    for (const group of byPriority(cluster)) {
      const total = group.reduce((sum, { locality }) => sum + locality.weight, 0);
      const alone = !several && group.filter(({ locality }) => locality.weight > 0).length === 1;
      for (const placed of group) {
        const { endpoints, weight } = placed.locality;
        const able = endpoints.filter(({ health }) => mayServe(health));
        const sum = (able.length > 0 ? able : endpoints).reduce((all, each) => all + each.weight, 0);
        // Only relative weights count; the scale of a lone cluster does not change with its other localities.
        const scale = several ? (cluster.share * weight) / Math.max(1, total) : weight;
        for (const endpoint of endpoints) {
          const share = weight === 0 ? 0 : alone ? endpoint.weight : (scale * endpoint.weight) / sum;
          add(drafts, holders, draftOf(placed, endpoint, share, context));
        }
      }
    }
  }
  return [...drafts.values()].map(({ init, weight, clusters: names, priority }) =>
    createNode({
      ...init,
      weight: Number(weight.toPrecision(9)),
      metadata: { ...init.metadata, cluster: names.join(','), priority: String(priority) },
    }),
  );
}

/** The localities of a cluster; each leaf's priorities come after those of the leaf before it (gRFC A37). */
function byPriority(cluster: ResolvedCluster): Placed[][] {
  const groups = new Map<number, Placed[]>();
  let offset = 0;
  for (const leaf of cluster.leaves) {
    const { endpoints } = leaf;
    const localities = 'host' in endpoints ? [lone(endpoints)] : endpoints.localities;
    let last = -1;
    for (const locality of localities) {
      const priority = offset + locality.priority;
      const group = groups.get(priority) ?? [];
      groups.set(priority, [...group, { cluster, leaf, locality, priority }]);
      last = Math.max(last, locality.priority);
    }
    offset += last + 1;
  }
  return [...groups.values()];
}

function lone(address: Address): LocalityOfEndpoints {
  const endpoint = { addresses: [address], hostname: '', health: HealthStatus.UNKNOWN, weight: 1, metadata: {} };
  return { region: '', zone: '', subZone: '', priority: 0, weight: 1, endpoints: [endpoint] };
}

function draftOf(
  { cluster, leaf, locality, priority }: Placed,
  { addresses, hostname, health, metadata }: EndpointOfLocality,
  weight: number,
  { service, namespace, now }: NodesContext,
): Draft {
  const { region, zone, subZone } = locality;
  const id = metadata.id || formatAddress(addresses[0]!);
  return {
    init: {
      ...{ id, name: hostname || id, service, addresses, sources: ['xds'], firstSeen: now, lastSeen: now },
      ...(namespace === undefined ? {} : { namespace }),
      ...(zone ? { zone } : {}),
      ...(region ? { region } : {}),
      ...(metadata.version ? { version: metadata.version } : {}),
      metadata: { ...metadata, locality: `${region}/${zone}/${subZone}`, lbPolicy: leaf.lbPolicy },
      ...stateOf(health),
    },
    ...{ weight, priority, clusters: [cluster.name] },
  };
}

/** One node for one address; an id that two addresses claim is left to the first. */
function add(drafts: Map<string, Draft>, holders: Map<string, string>, draft: Draft): void {
  const address = formatAddress(draft.init.addresses![0] as Address);
  const held = holders.get(address);
  const before = held === undefined ? undefined : drafts.get(held);
  if (before) {
    drafts.set(before.init.id, {
      ...before,
      weight: before.weight + draft.weight,
      priority: Math.min(before.priority, draft.priority),
      clusters: [...new Set([...before.clusters, ...draft.clusters])],
    });
    return;
  }
  const id = drafts.has(draft.init.id) ? address : draft.init.id;
  holders.set(address, id);
  drafts.set(id, { ...draft, init: { ...draft.init, id } });
}

/** gRPC sends calls to no others. */
function mayServe(health: HealthStatus): boolean {
  return health === HealthStatus.UNKNOWN || health === HealthStatus.HEALTHY;
}

function stateOf(health: HealthStatus): Partial<NodeInit> {
  if (health === HealthStatus.UNKNOWN) return {};
  if (health === HealthStatus.HEALTHY) return { health: 'serving' };
  const status = `the control plane says ${HealthStatus[health] ?? `health status ${health}`}`;
  if (health === HealthStatus.DRAINING) return { availability: 'draining', availabilityReason: status };
  return { health: 'notServing', healthReason: status };
}
