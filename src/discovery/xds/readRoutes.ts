/** Reads a route configuration: which clusters take the calls of a service, and how much of them (RDS). */

import { fromBinary } from '@bufbuild/protobuf';
import {
  RouteConfigurationSchema,
  type Route,
  type RouteAction,
  type RouteConfiguration,
  type RouteMatch,
} from '../../gen/envoy/route_pb.js';
import { maxWeight, readAs, type ReadResource } from './readResource.js';

/** The clusters of one virtual host. */
export interface VirtualHostFacts {
  readonly domains: readonly string[];
  /** The share of the calls that each cluster takes, 0 to 1: of the route that gives it most. */
  readonly clusters: ReadonlyMap<string, number>;
}

export interface RouteFacts {
  readonly virtualHosts: readonly VirtualHostFacts[];
}

export function readRouteConfiguration(bytes: Uint8Array): ReadResource<RouteFacts> {
  return readRoutes(fromBinary(RouteConfigurationSchema, bytes));
}

/**
 * gRFC A28. Nodes are found before there is a call to route, so the clusters of all routes are taken, up to the first
 * that matches every call; what narrows a route is told as a note.
 */
export function readRoutes(message: RouteConfiguration): ReadResource<RouteFacts> {
  const errors: string[] = [];
  const notes: string[] = [];
  const virtualHosts = message.virtualHosts.map(({ name, domains, routes }): VirtualHostFacts => {
    const at = `virtual host "${name}"`;
    if (domains.length === 0) errors.push(`${at} has no domains`);
    for (const domain of domains) if (!isDomainPattern(domain)) errors.push(`${at} has the bad domain "${domain}"`);
    const clusters = new Map<string, number>();
    let open = true;
    routes.forEach((route, index) => {
      const where = `${at}, route ${route.name ? `"${route.name}"` : index + 1}`;
      const shares = sharesOf(route, where, errors, notes);
      if (!shares || !open) return;
      for (const [cluster, share] of shares) clusters.set(cluster, Math.max(share, clusters.get(cluster) ?? 0));
      const narrowed = narrowedBy(route.match!);
      if (!narrowed) open = false;
      else if (shares.size > 0) {
        notes.push(`${where} is for ${narrowed} only, but its nodes are listed for every call`);
      }
    });
    return { domains, clusters };
  });
  return readAs(message.name, { virtualHosts }, errors, notes);
}

/** Undefined when the route is passed over, as gRPC does, or bad. */
function sharesOf(
  { match, action }: Route,
  where: string,
  errors: string[],
  notes: string[],
): ReadonlyMap<string, number> | undefined {
  if (!match) return void errors.push(`${where} has no match`);
  if (!match.pathSpecifier.case) return void errors.push(`${where} has no path_specifier that is understood`);
  if (match.queryParameters.length > 0) return void notes.push(`${where} matches query parameters: passed over`);
  switch (action.case) {
    case 'route':
      return clustersOf(action.value, where, errors, notes);
    case 'nonForwardingAction':
      return new Map();
    case undefined:
      return void errors.push(`${where} has no action that is understood`);
    default:
      notes.push(`${where} answers by itself (${action.case}): it has no nodes`);
      return new Map();
  }
}

function clustersOf(
  { clusterSpecifier }: RouteAction,
  where: string,
  errors: string[],
  notes: string[],
): ReadonlyMap<string, number> | undefined {
  switch (clusterSpecifier.case) {
    case 'cluster':
      if (clusterSpecifier.value === '') return void errors.push(`${where} names no cluster`);
      return new Map([[clusterSpecifier.value, 1]]);
    case 'weightedClusters': {
      const { clusters } = clusterSpecifier.value;
      const total = clusters.reduce((sum, { weight }) => sum + (weight ?? 0), 0);
      if (total === 0) return void errors.push(`${where} has weighted_clusters whose weights sum to 0`);
      if (total > maxWeight) return void errors.push(`${where} has weighted_clusters whose weights sum past uint32`);
      if (clusters.some(({ name }) => name === '')) return void errors.push(`${where} has a cluster without a name`);
      const shares = new Map<string, number>();
      for (const { name, weight } of clusters) {
        if (weight) shares.set(name, (shares.get(name) ?? 0) + weight / total);
      }
      return shares;
    }
    default:
      return void notes.push(`${where} picks its cluster by ${clusterSpecifier.case ?? 'unknown means'}: passed over`);
  }
}

/** What calls the route is limited to; undefined when it takes every call. */
function narrowedBy({ pathSpecifier, headers, runtimeFraction }: RouteMatch): string | undefined {
  const limits: string[] = [];
  const { case: kind, value } = pathSpecifier;
  if (kind === 'path') limits.push(`the path ${value}`);
  else if (kind === 'safeRegex') limits.push(`paths that match ${value.regex}`);
  else if (kind === 'prefix' && value !== '' && value !== '/') limits.push(`paths under ${value}`);
  if (headers.length > 0) limits.push(`calls with the header ${headers.map(({ name }) => name).join(', ')}`);
  if (runtimeFraction) limits.push('a fraction of the calls');
  return limits.length > 0 ? limits.join(' and ') : undefined;
}

/** At most one `*`, at one end. */
function isDomainPattern(domain: string): boolean {
  const star = domain.indexOf('*');
  if (domain === '' || star !== domain.lastIndexOf('*')) return false;
  return star <= 0 || star === domain.length - 1;
}

/**
 * The virtual host for a name: by an exact domain, else the longest suffix (`*.shop`), else the longest prefix
 * (`shop.*`), else `*`.
 */
export function virtualHostFor(facts: RouteFacts, name: string): VirtualHostFacts | undefined {
  const host = name.toLowerCase();
  let best: VirtualHostFacts | undefined;
  let bestRank = -1;
  for (const virtualHost of facts.virtualHosts) {
    for (const domain of virtualHost.domains) {
      const rank = rankOf(domain.toLowerCase(), host);
      if (rank > bestRank) [best, bestRank] = [virtualHost, rank];
    }
  }
  return best;
}

/** Longer is better within a class, and the classes are further apart than any domain is long. */
function rankOf(domain: string, host: string): number {
  if (domain === '*') return 0;
  if (domain.startsWith('*'))
    return matches(host.endsWith(domain.slice(1)), domain, host) ? 20_000 + domain.length : -1;
  if (domain.endsWith('*'))
    return matches(host.startsWith(domain.slice(0, -1)), domain, host) ? 10_000 + domain.length : -1;
  return domain === host ? 30_000 : -1;
}

/** A `*` stands for at least one character. */
function matches(fits: boolean, domain: string, host: string): boolean {
  return fits && host.length >= domain.length;
}
