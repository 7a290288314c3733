/** Resources as a control plane sends them, written short. */

import { create, toBinary, type DescMessage, type JsonObject, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack, type Any } from '@bufbuild/protobuf/wkt';
import { ClusterConfigSchema } from '../../src/gen/envoy/aggregate_pb.js';
import { Cluster_DiscoveryType, ClusterSchema } from '../../src/gen/envoy/cluster_pb.js';
import { HealthStatus } from '../../src/gen/envoy/core_pb.js';
import { ClusterLoadAssignmentSchema } from '../../src/gen/envoy/endpoint_pb.js';
import { HttpConnectionManagerSchema } from '../../src/gen/envoy/http_connection_manager_pb.js';
import { ListenerSchema } from '../../src/gen/envoy/listener_pb.js';
import { RouteConfigurationSchema, type RouteSchema } from '../../src/gen/envoy/route_pb.js';
import { RouterSchema } from '../../src/gen/envoy/router_pb.js';

export type Health = keyof typeof HealthStatus;

export interface EndpointInit {
  readonly port: number;
  readonly host?: string;
  readonly id?: string;
  readonly health?: Health;
  readonly weight?: number;
  readonly hostname?: string;
  readonly metadata?: JsonObject;
}

export interface LocalityInit {
  readonly zone?: string;
  readonly region?: string;
  readonly subZone?: string;
  /** Default 1; `null` leaves it out. */
  readonly weight?: number | null;
  readonly priority?: number;
  readonly endpoints: readonly EndpointInit[];
}

const packed = <D extends DescMessage>(schema: D, init: MessageInitShape<D>): Any =>
  anyPack(schema, create(schema, init));

const ads = { configSourceSpecifier: { case: 'ads' as const, value: {} } };

const routerFilter = {
  name: 'router',
  configType: { case: 'typedConfig' as const, value: packed(RouterSchema, {}) },
};

/** A listener whose routes come by RDS. */
export function listener(name: string, routesName: string): Any {
  const manager = packed(HttpConnectionManagerSchema, {
    routeSpecifier: { case: 'rds', value: { configSource: ads, routeConfigName: routesName } },
    httpFilters: [routerFilter],
  });
  return packed(ListenerSchema, { name, apiListener: { apiListener: manager } });
}

/** A listener with its routes inside. */
export function inlineListener(name: string, clusters: Readonly<Record<string, number>>): Any {
  const manager = packed(HttpConnectionManagerSchema, {
    routeSpecifier: { case: 'routeConfig', value: { name, virtualHosts: [hostOf('*', [routeTo(clusters)])] } },
    httpFilters: [routerFilter],
  });
  return packed(ListenerSchema, { name, apiListener: { apiListener: manager } });
}

/** A route to clusters by weight, for every call unless a match says otherwise. */
export function routeTo(
  clusters: Readonly<Record<string, number>>,
  match: NonNullable<MessageInitShape<typeof RouteSchema>['match']> = {
    pathSpecifier: { case: 'prefix', value: '' },
  },
): MessageInitShape<typeof RouteSchema> {
  const names = Object.keys(clusters);
  return {
    match,
    action: {
      case: 'route',
      value: {
        clusterSpecifier:
          names.length === 1
            ? { case: 'cluster', value: names[0]! }
            : {
                case: 'weightedClusters',
                value: { clusters: names.map((name) => ({ name, weight: clusters[name]! })) },
              },
      },
    },
  };
}

const hostOf = (domain: string, routes: readonly MessageInitShape<typeof RouteSchema>[]) => ({
  name: domain,
  domains: [domain],
  routes: [...routes],
});

/** Routes by the domain of their virtual host; or for every domain. */
export function routes(
  name: string,
  hosts:
    readonly MessageInitShape<typeof RouteSchema>[] | Readonly<Record<string, MessageInitShape<typeof RouteSchema>[]>>,
): Any {
  const byDomain = Array.isArray(hosts)
    ? { '*': hosts }
    : (hosts as Record<string, MessageInitShape<typeof RouteSchema>[]>);
  return packed(RouteConfigurationSchema, {
    name,
    virtualHosts: Object.entries(byDomain).map(([domain, each]) => hostOf(domain, each)),
  });
}

export function cluster(name: string, serviceName = ''): Any {
  return packed(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: ads, serviceName },
  });
}

/** One that every client refuses: of a type that no gRPC client takes. */
export function badCluster(name: string): Any {
  return packed(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
  });
}

export function aggregate(name: string, clusters: readonly string[]): Any {
  const typedConfig = packed(ClusterConfigSchema, { clusters: [...clusters] });
  return packed(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'clusterType', value: { name: 'envoy.clusters.aggregate', typedConfig } },
    // Refused by gRPC's clients otherwise.
    lbPolicy: 6,
  });
}

export function dnsCluster(name: string, host: string, port: number): Any {
  return packed(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.LOGICAL_DNS },
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [endpointOf({ host, port })] }] },
  });
}

export function endpoints(
  name: string,
  localities: readonly LocalityInit[],
  drops: Readonly<Record<string, number>> = {},
): Any {
  return packed(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: localities.map(({ zone = 'z1', region = 'r1', subZone = '', weight = 1, priority = 0, endpoints }) => ({
      locality: { region, zone, subZone },
      ...(weight === null ? {} : { loadBalancingWeight: weight }),
      ...{ priority, lbEndpoints: endpoints.map(endpointOf) },
    })),
    policy: {
      dropOverloads: Object.entries(drops).map(([category, percent]) => ({
        category,
        dropPercentage: { numerator: percent, denominator: 0 },
      })),
    },
  });
}

function endpointOf({ host = '127.0.0.1', port, id, health, weight, hostname = '', metadata = {} }: EndpointInit) {
  const labels = { ...metadata, ...(id === undefined ? {} : { id }) };
  const address = {
    address: {
      case: 'socketAddress' as const,
      value: { address: host, portSpecifier: { case: 'portValue' as const, value: port } },
    },
  };
  return {
    hostIdentifier: { case: 'endpoint' as const, value: { address, hostname } },
    ...(health ? { healthStatus: HealthStatus[health] } : {}),
    ...(weight === undefined ? {} : { loadBalancingWeight: weight }),
    ...(Object.keys(labels).length > 0 ? { metadata: { filterMetadata: { 'envoy.lb': labels } } } : {}),
  };
}

/** Bytes that no client can read, under the type of a cluster. */
export function garbage(): Any {
  const like = cluster('x');
  return {
    ...like,
    value: Uint8Array.from([...toBinary(ClusterSchema, create(ClusterSchema, { name: 'x' })), 0xff, 0xff]),
  };
}
