/** Reads a listener: the way from a service to its routes (LDS). */

import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { HttpConnectionManagerSchema } from '../../gen/envoy/http_connection_manager_pb.js';
import { ListenerSchema } from '../../gen/envoy/listener_pb.js';
import { readAs, type ReadResource } from './readResource.js';
import { readRoutes, type RouteFacts } from './readRoutes.js';

/** The name of the route configuration, or that itself. */
export type ListenerFacts = { readonly routesName: string } | { readonly routes: RouteFacts };

/** gRFC A27: the `api_listener` is an `HttpConnectionManager` with its routes inline or by RDS over the same stream. */
export function readListener(bytes: Uint8Array): ReadResource<ListenerFacts> {
  const { name, apiListener } = fromBinary(ListenerSchema, bytes);
  const packed = apiListener?.apiListener;
  if (!packed) return { name, errors: ['it has no api_listener'] };
  const manager = anyUnpack(packed, HttpConnectionManagerSchema);
  if (!manager) return { name, errors: [`its api_listener is a "${packed.typeUrl}"`] };
  const { routeSpecifier } = manager;
  if (routeSpecifier.case === 'rds') {
    const { configSource, routeConfigName } = routeSpecifier.value;
    const errors: string[] = [];
    const from = configSource?.configSourceSpecifier.case;
    if (from !== 'ads' && from !== 'self') errors.push('rds.config_source is neither ads nor self');
    if (routeConfigName === '') errors.push('rds.route_config_name is empty');
    return readAs(name, { routesName: routeConfigName }, errors);
  }
  if (routeSpecifier.case === 'routeConfig') {
    const { facts, errors, notes } = readRoutes(routeSpecifier.value);
    if (!facts) return { name, errors: (errors ?? []).map((error) => `route_config: ${error}`) };
    return { name, facts: { routes: facts }, ...(notes ? { notes } : {}) };
  }
  return { name, errors: ['its HttpConnectionManager has neither rds nor route_config'] };
}
