/** The calls of AIO's registry, one by one, for who wants no more than those. */

import { defer, map, tap, type Observable } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { methodOf } from '../core/method.js';
import type { AioAccess } from '../discovery/aio/access.js';
import { aioService, serviceFacts, type AioEndpoint, type AioService } from '../discovery/aio/aioInstance.js';
import { RegistryService } from '../gen/aio/registry_pb.js';
import { ensured } from '../registration/aio/aioRegistryOver.js';

/** The number of a row: text as this client gives it, or any whole number. */
export type AioId = string | number | bigint;

/** What is registered by `registerInstance`. */
export interface AioInstanceInit {
  readonly serviceId: AioId;
  /** Left out: the server makes one. One that was deregistered once is dead for ever. */
  readonly key?: string;
  /** Default: that of the client. */
  readonly env?: string;
  readonly host: string;
  /** `host:port` or a URL. The server wants this or `endpoints`. */
  readonly endpoint?: string;
  readonly endpoints?: readonly AioEndpoint[];
  readonly httpPort?: number;
  readonly grpcPort?: number;
  /** Written as JSON. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Life without a heartbeat, in milliseconds; rounded up to whole seconds. Left out: 60,000, as the server has it. */
  readonly ttlMs?: number;
}

export interface AioServiceInit {
  readonly project: string;
  readonly name: string;
  readonly owner?: string;
  readonly description?: string;
  /** Written as JSON, unless it is text. */
  readonly spec?: unknown;
}

/** All return cold Observables of one value, that error with a `FleetError` of the server's status. */
export interface AioRegistryClient {
  /**
   * The services of a project, each with its instances that are online, these ordered by key.
   *
   * @param project Default: of all projects.
   * @param env Default: that of the client; `''` for all.
   */
  listServices(project?: string, env?: string): Observable<readonly AioService[]>;
  /** One service, with its instances of all environments. Errors with `NOT_FOUND`. */
  getServiceById(id: AioId): Observable<AioService>;
  /** Registers once; nothing keeps it alive. For that, `registerSelf`. `expiresAt` is by the server's clock. */
  registerInstance(instance: AioInstanceInit): Observable<{ readonly key: string; readonly expiresAt: number }>;
  /** Takes one out; one that is not there is no error. Emits once it is out. */
  deregisterInstance(serviceId: AioId, key: string): Observable<void>;
  /** The service of this name, created if there is none; one that exists stays as it is. Its instances are not listed. */
  ensureService(service: AioServiceInit): Observable<{ readonly service: AioService; readonly created: boolean }>;
}

const { registerInstance, deregisterInstance, listServices, getServiceByID } = RegistryService.method;

/** The registry behind an access. */
export function registryClient(access: AioAccess): AioRegistryClient {
  const list = methodOf(listServices);
  const get = methodOf(getServiceByID);
  const put = methodOf(registerInstance);
  const take = methodOf(deregisterInstance);
  return {
    listServices: (project = '', env = access.env) =>
      access
        .call(list, list.message({ project, env }))
        .pipe(map(({ services }) => services.map((service) => aioService(service)))),

    getServiceById: (id) =>
      defer(() => access.call(get, get.message({ id: rowOf(id, 'id') }))).pipe(
        map(({ service }) => {
          if (service) return aioService(service);
          throw new FleetError('NOT_FOUND', `${access.name}: there is no service ${id}; check the id`);
        }),
      ),

    registerInstance: (instance) =>
      defer(() => {
        const { key = '', env = access.env, host, endpoint = '', endpoints, httpPort = 0, grpcPort = 0 } = instance;
        const { meta = {}, ttlMs = 0 } = instance;
        const request = put.message({
          ...{ instanceKey: key, env, host, endpoint, httpPort: BigInt(httpPort), grpcPort: BigInt(grpcPort) },
          serviceId: rowOf(instance.serviceId, 'serviceId'),
          metaJson: JSON.stringify(meta),
          endpointsJson: endpoints ? JSON.stringify(endpoints) : '',
          ttlSeconds: BigInt(Math.ceil(ttlMs / 1_000)),
        });
        return access.call(put, request);
      }).pipe(map(({ instanceKey, expiresAt }) => ({ key: instanceKey, expiresAt: Number(expiresAt) * 1_000 }))),

    deregisterInstance: (serviceId, key) =>
      defer(() => access.call(take, take.message({ serviceId: rowOf(serviceId, 'serviceId'), instanceKey: key }))).pipe(
        tap(({ success, message }) => {
          if (success) return;
          const why = `the server refused: "${message || 'no reason given'}"; look at its log`;
          throw new FleetError('INTERNAL', `${access.name}: DeregisterInstance: ${why}`);
        }),
        map(() => undefined),
      ),

    ensureService: (service) =>
      ensured(access, service).pipe(map(({ service: row, created }) => ({ service: serviceFacts(row), created }))),
  };
}

function rowOf(id: AioId, field: string): bigint {
  try {
    return BigInt(id);
  } catch (cause) {
    throw new FleetError('INVALID_OPTION', `${field} must be a whole number, not ${String(id)}`, { cause });
  }
}
