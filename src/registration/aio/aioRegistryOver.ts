/** The registry of AIO over an access that may be shared with others. */

import {
  catchError,
  concat,
  defer,
  EMPTY,
  ignoreElements,
  map,
  of,
  switchMap,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { methodOf } from '../../core/method.js';
import type { Node } from '../../core/node.js';
import { requireOption } from '../../core/requireOption.js';
import type { AioAccess } from '../../discovery/aio/access.js';
import { RegistryService, type Service } from '../../gen/aio/registry_pb.js';
import type { Lease, Registry } from '../registry.js';
import type { Heartbeats } from './heartbeats.js';
import { instanceOfNode } from './instanceOfNode.js';

export interface AioRegistrationOptions {
  /** The project of the service, where the node has no `namespace`. */
  readonly project?: string;
  /** Default: that of the access. */
  readonly env?: string;
  /** Life of the registration without a heartbeat, in milliseconds; AIO counts in whole seconds, so it is rounded up. Default 60,000. */
  readonly ttlMs?: number;
  /** Creates the service when the project has none of that name. Default true. */
  readonly ensureService?: boolean;
  /** Goes with the service when it is created; one that exists stays as it is. */
  readonly owner?: string;
  /** Goes with the service when it is created. */
  readonly description?: string;
  /** Goes with the service when it is created, as JSON. */
  readonly spec?: unknown;
  /** The port where the node serves HTTP too. Default: none. */
  readonly httpPort?: number;
}

const registerInstance = methodOf(RegistryService.method.registerInstance);
const deregisterInstance = methodOf(RegistryService.method.deregisterInstance);
const listServices = methodOf(RegistryService.method.listServices);
const ensureServiceMethod = methodOf(RegistryService.method.ensureService);

/** See `aioRegistry()`. */
export function aioRegistryOver(
  access: AioAccess,
  heartbeats: Heartbeats,
  options: AioRegistrationOptions = {},
): Registry {
  const { ttlMs: asked = 60_000, env = access.env, httpPort = 0, ensureService = true } = options;
  requireOption(asked > 0 && Number.isFinite(asked), 'ttlMs', 'above 0', asked);
  requireOption(
    Number.isInteger(httpPort) && httpPort >= 0 && httpPort <= 65_535,
    'httpPort',
    'a port, or 0 for none',
    httpPort,
  );
  const ttlSeconds = BigInt(Math.ceil(asked / 1_000));
  const ttlMs = Number(ttlSeconds) * 1_000;
  const ids = new Map<string, bigint>();

  const serviceIdOf = (node: Node): Observable<bigint> =>
    defer(() => {
      const project = node.namespace ?? options.project ?? '';
      requireOption(project !== '', 'project', `given, or the namespace of node ${node.id}`, '""');
      const key = JSON.stringify([project, node.service]);
      const known = ids.get(key);
      if (known !== undefined) return of(known);
      const found$ = ensureService
        ? ensured(access, { project, name: node.service, ...options }).pipe(map(({ service }) => service?.id ?? 0n))
        : listed(access, project, node.service);
      return found$.pipe(tap((id) => ids.set(key, id)));
    });
  /** The server may have been put up anew, so that its numbers mean something else now. */
  const forgetIds = (error: unknown) => {
    if (error instanceof FleetError && error.code === 'NOT_FOUND') ids.clear();
    return throwError(() => error);
  };
  const written = (node: Node, serviceId: bigint, key: string) =>
    access.call(
      registerInstance,
      registerInstance.message({ serviceId, instanceKey: key, env, ttlSeconds, ...instanceOfNode(node, httpPort) }),
    );
  const withdrawn = (serviceId: bigint, key: string): Observable<never> =>
    defer(() => {
      heartbeats.forget(serviceId, key);
      return access.call(deregisterInstance, deregisterInstance.message({ serviceId, instanceKey: key }));
    }).pipe(
      tap(({ success, message }) => {
        if (success) return;
        const why = `${access.name}: DeregisterInstance: "${message || 'no reason given'}"; look at the log of the server`;
        throw new FleetError('INTERNAL', why);
      }),
      ignoreElements(),
    );

  const leaseOf = (serviceId: bigint, key: string): Lease => ({
    key,
    ttlMs,
    renew: () =>
      heartbeats.beat(serviceId, key, ttlMs).pipe(
        map((expiresAt) => {
          if (expiresAt > 0n) return ttlMs;
          heartbeats.forget(serviceId, key);
          ids.clear();
          const why = 'the server does not keep it alive any more; it must be put in again, under another key';
          throw new FleetError('NOT_FOUND', `${access.name}: HeartbeatStream: instance "${key}": ${why}`);
        }),
      ),
    update: (node) => written(node, serviceId, key).pipe(catchError(forgetIds), ignoreElements()),
    withdraw: () => withdrawn(serviceId, key),
  });

  const putIn = (node: Node): Observable<Lease> =>
    access.held(() =>
      serviceIdOf(node).pipe(
        switchMap((serviceId) => {
          const key = freshKey(node, access);
          const lease = leaseOf(serviceId, key);
          return written(node, serviceId, key).pipe(
            catchError(forgetIds),
            // The server says OK also to what it will not keep; only a heartbeat tells.
            switchMap(() => lease.renew().pipe(catchError((error) => unlessKept(error, withdrawn(serviceId, key))))),
            map(() => lease),
          );
        }),
      ),
    );

  return {
    name: 'aio',
    put: (node) => access.hopeful(putIn(node)),
  };
}

/**
 * The service of this name, created when there is none. Two that create it at once: the server lets one fail with
 * INTERNAL, and gives it what the other made when it asks again.
 */
export function ensured(
  access: AioAccess,
  about: {
    readonly project: string;
    readonly name: string;
    readonly owner?: string | undefined;
    readonly description?: string | undefined;
    readonly spec?: unknown;
  },
): Observable<{ readonly service?: Service | undefined; readonly created: boolean }> {
  const { project, name, owner = '', description = '', spec } = about;
  const specJson = spec === undefined ? '' : typeof spec === 'string' ? spec : JSON.stringify(spec);
  const ensure = () =>
    access.call(ensureServiceMethod, ensureServiceMethod.message({ project, name, owner, description, specJson }));
  return defer(ensure).pipe(
    catchError((error: unknown) => {
      if (error instanceof FleetError && error.code === 'INTERNAL') return ensure();
      throw error;
    }),
  );
}

function listed(access: AioAccess, project: string, name: string): Observable<bigint> {
  return access.call(listServices, listServices.message({ project })).pipe(
    map(({ services }) => {
      const found = services.find(({ service }) => service?.project === project && service.name === name)?.service;
      if (found) return found.id;
      const remedy = 'create it, or let ensureService do so';
      throw new FleetError('NOT_FOUND', `${access.name}: project "${project}" has no service "${name}"; ${remedy}`);
    }),
  );
}

/**
 * A key that was taken out once is dead for ever: the server lists it again, but answers its heartbeats with "gone". So
 * no key is used twice.
 */
function freshKey({ service, address }: Node, { scheduler, random }: AioAccess): string {
  const chance = Math.floor(random() * 36 ** 8).toString(36);
  return `${service}-${address.host}-${address.port}-${scheduler.now().toString(36)}${chance.padStart(8, '0')}`;
}

/** After a first heartbeat that failed: what is not kept is taken out again; what may be is left to the next heartbeats. */
function unlessKept(error: unknown, withdraw$: Observable<never>): Observable<number> {
  if (!(error instanceof FleetError) || error.code !== 'NOT_FOUND') return of(0);
  const stands = throwError(() => new FleetError('UNAVAILABLE', error.detail));
  return concat(withdraw$.pipe(catchError(() => EMPTY)), stands);
}
