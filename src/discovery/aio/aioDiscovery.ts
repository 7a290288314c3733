/** The discovery of AIO over an access that may be shared with others. */

import { defer, map } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { Node } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import type { Discovery, DiscoveryQuery } from '../discovery.js';
import { reconnecting } from '../reconnecting.js';
import type { AioAccess } from './access.js';
import type { AioInstance } from './aioInstance.js';
import { nodeOfInstance, type AioAddressOptions } from './nodeOfInstance.js';
import type { ServiceList, ServiceLists } from './serviceLists.js';

export interface AioDiscoveryOptions extends AioAddressOptions {
  /** The project of the service, where the query has no `namespace`. Default: services of that name in all projects. */
  readonly project?: string;
  /** Default: that of the access. */
  readonly env?: string;
}

/** See `aio()`. */
export function aioDiscovery(access: AioAccess, lists: ServiceLists, options: AioDiscoveryOptions = {}): Discovery {
  const { env = access.env } = options;
  return (query) =>
    defer(() => {
      const project = query.namespace ?? options.project ?? '';
      const reader = new ListReader(access, query, { ...options, project });
      const session = () => lists.follow(project, env).pipe(map((list) => reader.read(list)));
      return reconnecting(query, session, { source: 'aio' });
    });
}

/** Reads lists for one subscriber, whom it tells once of each thing that is amiss. */
class ListReader {
  /** What is amiss as of the last list, and as of the one being read. */
  #told = new Set<string>();
  #amiss = new Set<string>();

  constructor(
    private readonly access: AioAccess,
    private readonly query: DiscoveryQuery,
    private readonly options: AioAddressOptions & { readonly project: string },
  ) {}

  read({ services, at }: ServiceList): NodeSet {
    const { project } = this.options;
    const { service: name } = this.query;
    const found = services.filter((each) => each.name === name && (project === '' || each.project === project));
    this.#amiss = new Set();
    if (found.length === 0) {
      const lacking =
        project === '' ? `no project has a service "${name}"` : `project "${project}" has no service "${name}"`;
      this.#tell(`${this.access.name}: ${lacking}; check the names, or have the service ensured`);
    }
    const latest = new Map<string, { readonly node: Node; readonly instance: AioInstance }>();
    for (const service of found) {
      for (const instance of service.instances) {
        const node = this.#node(instance, service.project, at);
        const other = node && latest.get(node.id)?.instance;
        if (node && (!other || isLater(instance, other))) latest.set(node.id, { node, instance });
      }
    }
    this.#told = this.#amiss;
    return NodeSet.of([...latest.values()].map(({ node }) => node));
  }

  #node(instance: AioInstance, namespace: string, seenAt: number): Node | undefined {
    const { service } = this.query;
    const which = `${this.access.name}: instance "${instance.key}" of ${namespace}/${service}`;
    for (const flaw of instance.flaws) this.#tell(`${which}: ${flaw}; it is passed over`);
    try {
      return nodeOfInstance(instance, { service, namespace, seenAt }, this.options);
    } catch (error) {
      this.#tell(`${which} is no node: ${FleetError.from(error).message}`, error);
      return undefined;
    }
  }

  #tell(message: string, cause?: unknown): void {
    this.#amiss.add(message);
    if (this.#told.has(message)) return;
    this.query.onEvent?.({ source: 'aio', type: 'skipped', message, ...(cause === undefined ? {} : { cause }) });
  }
}

/** Of two registrations of one node the one that was put in later counts: the other is about to run out. */
function isLater(a: AioInstance, b: AioInstance): boolean {
  if (a.createdAt !== b.createdAt) return a.createdAt > b.createdAt;
  if (a.id.length !== b.id.length) return a.id.length > b.id.length;
  return a.id > b.id;
}
