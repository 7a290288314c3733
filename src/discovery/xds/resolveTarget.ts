/** From a service to its endpoints, through whatever is known: what to ask for next, and whether all of it is there. */

import type { Address } from '../../core/address.js';
import type { EndpointFacts } from './readEndpoints.js';
import { virtualHostFor, type RouteFacts } from './readRoutes.js';
import type { FactsOf, ResourceKind } from './resourceKind.js';
import type { Names, ResourceStore } from './resourceStore.js';
import type { Target } from './target.js';

/** A group of endpoints behind a cluster. An aggregate has several, the preferred first. */
export interface LeafOfCluster {
  readonly cluster: string;
  readonly lbPolicy: string;
  readonly endpoints: EndpointFacts | Address;
}

export interface ResolvedCluster {
  readonly name: string;
  /** Its share of the calls, more than 0, at most 1. */
  readonly share: number;
  readonly leaves: readonly LeafOfCluster[];
}

export interface Resolution {
  /** All that is needed to be sure. */
  readonly wanted: Names;
  /** The resources of which nothing was heard yet. While there is one, nothing that is known may be told (gRFC A74). */
  readonly awaited: readonly string[];
  /** The resources that do not exist. */
  readonly missing: readonly string[];
  /** The resources of which only bad forms came. */
  readonly refused: readonly string[];
  readonly clusters: readonly ResolvedCluster[];
}

/** How deep aggregates may be nested. gRFC A37. */
const maxDepth = 16;

/** A pure function of the target and what is known. */
export function resolveTarget(target: Target, store: ResourceStore): Resolution {
  return new Resolving(target, store).resolution();
}

class Resolving {
  readonly #target: Target;
  readonly #store: ResourceStore;
  readonly #wanted = {
    listener: new Set<string>(),
    routes: new Set<string>(),
    cluster: new Set<string>(),
    endpoints: new Set<string>(),
  };
  readonly #awaited: string[] = [];
  readonly #missing: string[] = [];
  readonly #refused: string[] = [];

  constructor(target: Target, store: ResourceStore) {
    this.#target = target;
    this.#store = store;
  }

  resolution(): Resolution {
    const clusters = [...this.#shares()].map(([name, share]): ResolvedCluster => ({
      name,
      share,
      leaves: this.#leaves(name, new Set()),
    }));
    return {
      wanted: this.#wanted,
      awaited: this.#awaited,
      missing: this.#missing,
      refused: this.#refused,
      clusters,
    };
  }

  #shares(): ReadonlyMap<string, number> {
    const { target } = this;
    if (target.cluster !== undefined) return new Map([[target.cluster, 1]]);
    const routes = this.#routes(target.listener);
    if (!routes) return new Map();
    const virtualHost = virtualHostFor(routes, target.host);
    if (!virtualHost) this.#missing.push(`virtual host for "${target.host}"`);
    return virtualHost?.clusters ?? new Map();
  }

  get target(): Target {
    return this.#target;
  }

  #routes(name: string): RouteFacts | undefined {
    const listener = this.#need('listener', name);
    if (!listener) return undefined;
    return 'routes' in listener ? listener.routes : this.#need('routes', listener.routesName);
  }

  /** @param path The clusters above this one. */
  #leaves(name: string, path: ReadonlySet<string>): LeafOfCluster[] {
    const facts = this.#need('cluster', name);
    if (!facts) return [];
    const { lbPolicy } = facts;
    switch (facts.type) {
      case 'logicalDns':
        return [{ cluster: name, lbPolicy, endpoints: facts.address }];
      case 'eds': {
        const endpoints = this.#need('endpoints', facts.endpointsName);
        return endpoints ? [{ cluster: name, lbPolicy, endpoints }] : [];
      }
      case 'aggregate': {
        const below = new Set([...path, name]);
        if (below.size > maxDepth) {
          this.#refused.push(`cluster "${name}" (aggregates nested deeper than ${maxDepth})`);
          return [];
        }
        // One that contains itself adds nothing the second time.
        return facts.clusters.filter((each) => !below.has(each)).flatMap((each) => this.#leaves(each, below));
      }
    }
  }

  #need<K extends ResourceKind>(kind: K, name: string): FactsOf[K] | undefined {
    this.#wanted[kind].add(name);
    const known = this.#store.get(kind, name);
    if (known?.state === 'known') return known.facts;
    const lists = { asked: this.#awaited, missing: this.#missing, refused: this.#refused };
    lists[known?.state ?? 'asked'].push(`${kind} "${name}"`);
    return undefined;
  }
}
