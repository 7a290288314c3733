/** The four kinds of resources that lead from a service to its endpoints, and how each is read. */

import type { Any } from '@bufbuild/protobuf/wkt';
import { fromBinary } from '@bufbuild/protobuf';
import { ResourceSchema } from '../../gen/envoy/discovery_pb.js';
import { readCluster, type ClusterFacts } from './readCluster.js';
import { readEndpoints, type EndpointFacts } from './readEndpoints.js';
import { readListener, type ListenerFacts } from './readListener.js';
import { readRouteConfiguration, type RouteFacts } from './readRoutes.js';
import type { ReadResource } from './readResource.js';

/** What is known of a resource of each kind. */
export interface FactsOf {
  readonly listener: ListenerFacts;
  readonly routes: RouteFacts;
  readonly cluster: ClusterFacts;
  readonly endpoints: EndpointFacts;
}

export type ResourceKind = keyof FactsOf;

/** In the order in which one leads to the next. */
export const resourceKinds: readonly ResourceKind[] = ['listener', 'routes', 'cluster', 'endpoints'];

const prefix = 'type.googleapis.com/';

const typeUrls: Readonly<Record<ResourceKind, string>> = {
  listener: `${prefix}envoy.config.listener.v3.Listener`,
  routes: `${prefix}envoy.config.route.v3.RouteConfiguration`,
  cluster: `${prefix}envoy.config.cluster.v3.Cluster`,
  endpoints: `${prefix}envoy.config.endpoint.v3.ClusterLoadAssignment`,
};

const readers: { readonly [K in ResourceKind]: (bytes: Uint8Array) => ReadResource<FactsOf[K]> } = {
  listener: readListener,
  routes: readRouteConfiguration,
  cluster: readCluster,
  endpoints: readEndpoints,
};

export function typeUrlOf(kind: ResourceKind): string {
  return typeUrls[kind];
}

/** The type of a kind without the prefix, such as `envoy.config.cluster.v3.Cluster`. */
export function resourceTypeOf(kind: ResourceKind): string {
  return typeUrls[kind].slice(prefix.length);
}

/** Undefined for a type that is none of ours. */
export function kindOf(typeUrl: string): ResourceKind | undefined {
  return resourceKinds.find((kind) => typeUrls[kind] === typeUrl);
}

/**
 * Kinds of which an answer in the state-of-the-world form lists all there are, so that what is not in it is deleted
 * (gRFC A53).
 */
export function isListedWhole(kind: ResourceKind): boolean {
  return kind === 'listener' || kind === 'cluster';
}

/** Reads one resource; what cannot be read has errors, and a name where that much was legible. Never throws. */
export function readAny<K extends ResourceKind>(kind: K, any: Any): ReadResource<FactsOf[K]> {
  try {
    const { typeUrl, value } = unwrapped(any);
    if (typeUrl !== typeUrls[kind]) return { name: '', errors: [`it is of type "${typeUrl}"`] };
    const read = readers[kind](value);
    return read.name === '' ? { name: '', errors: ['it has no name', ...(read.errors ?? [])] } : read;
  } catch (error) {
    return { name: '', errors: [`it cannot be read: ${error instanceof Error ? error.message : String(error)}`] };
  }
}

/** A resource may come in an envelope that bears its name. */
function unwrapped(any: Any): Any {
  if (any.typeUrl !== `${prefix}${ResourceSchema.typeName}`) return any;
  const { resource } = fromBinary(ResourceSchema, any.value);
  return resource ?? any;
}
