/** Reads a cluster: where its endpoints are to be had (CDS). */

import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { Address } from '../../core/address.js';
import { ClusterConfigSchema } from '../../gen/envoy/aggregate_pb.js';
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema, type Cluster } from '../../gen/envoy/cluster_pb.js';
import { addressOf } from './readEndpoints.js';
import { readAs, type ReadResource } from './readResource.js';

export type ClusterFacts = {
  /** Envoy's name of the policy, such as `ROUND_ROBIN`. */
  readonly lbPolicy: string;
} & (
  | { readonly type: 'eds'; readonly endpointsName: string }
  /** One host name, which the transport looks up. */
  | { readonly type: 'logicalDns'; readonly address: Address }
  /** Other clusters, the first of which that can serve does. */
  | { readonly type: 'aggregate'; readonly clusters: readonly string[] }
);

/** gRFC A27 (EDS) and A37 (logical DNS, aggregates). Every other type is refused, as gRPC does. */
export function readCluster(bytes: Uint8Array): ReadResource<ClusterFacts> {
  const cluster = fromBinary(ClusterSchema, bytes);
  const { name, clusterDiscoveryType: kind } = cluster;
  const lbPolicy = Cluster_LbPolicy[cluster.lbPolicy] ?? String(cluster.lbPolicy);
  if (kind.case === 'clusterType') {
    const packed = kind.value.typedConfig;
    const aggregate = packed && anyUnpack(packed, ClusterConfigSchema);
    if (!aggregate) return { name, errors: [`its cluster_type "${kind.value.name}" is not understood`] };
    const errors = aggregate.clusters.length === 0 ? ['its aggregate names no clusters'] : [];
    return readAs(name, { lbPolicy, type: 'aggregate', clusters: aggregate.clusters }, errors);
  }
  // A cluster that names no type is of the first one, which is STATIC.
  const type = kind.case === 'type' ? kind.value : Cluster_DiscoveryType.STATIC;
  if (type === Cluster_DiscoveryType.EDS) return readEdsCluster(cluster, lbPolicy);
  if (type === Cluster_DiscoveryType.LOGICAL_DNS) return readDnsCluster(cluster, lbPolicy);
  return { name, errors: [`its type ${Cluster_DiscoveryType[type] ?? type} is not EDS, LOGICAL_DNS or an aggregate`] };
}

function readEdsCluster({ name, edsClusterConfig }: Cluster, lbPolicy: string): ReadResource<ClusterFacts> {
  const from = edsClusterConfig?.edsConfig?.configSourceSpecifier.case;
  const errors = from === 'ads' || from === 'self' ? [] : ['eds_cluster_config.eds_config is neither ads nor self'];
  const endpointsName = edsClusterConfig?.serviceName || name;
  return readAs(name, { lbPolicy, type: 'eds', endpointsName }, errors);
}

function readDnsCluster({ name, loadAssignment }: Cluster, lbPolicy: string): ReadResource<ClusterFacts> {
  const endpoints = loadAssignment?.endpoints.flatMap(({ lbEndpoints }) => lbEndpoints) ?? [];
  const host = endpoints[0]?.hostIdentifier.value;
  const address = addressOf(host?.address);
  if (endpoints.length !== 1 || !address) {
    return { name, errors: ['its load_assignment has not exactly one endpoint with an address and a port'] };
  }
  return { name, facts: { lbPolicy, type: 'logicalDns', address } };
}
