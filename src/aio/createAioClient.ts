/** Everything that AIO's own SDK gives, and a fleet over it. */

import {
  BehaviorSubject,
  defer,
  EMPTY,
  filter,
  firstValueFrom,
  isObservable,
  map,
  merge,
  Subject,
  takeUntil,
  timer,
  using,
  type Observable,
} from 'rxjs';
import { bearer } from '../auth/bearer.js';
import type { CredentialEvent } from '../auth/credentials.js';
import { createFleet, type Fleet, type FleetOptions } from '../client/fleet.js';
import type { Credential } from '../core/credential.js';
import { FleetError } from '../core/fleetError.js';
import type { NodeInit } from '../core/node.js';
import { AioAccess } from '../discovery/aio/access.js';
import type { AioAccessOptions } from '../discovery/aio/aioAccessOptions.js';
import { aioDiscovery, type AioDiscoveryOptions } from '../discovery/aio/aioDiscovery.js';
import type { AioInstance } from '../discovery/aio/aioInstance.js';
import type { AioAddressOptions } from '../discovery/aio/nodeOfInstance.js';
import { ServiceLists, type AioPollOptions } from '../discovery/aio/serviceLists.js';
import type { Discovery, DiscoveryEvent } from '../discovery/discovery.js';
import { aioRegistryOver, type AioRegistrationOptions } from '../registration/aio/aioRegistryOver.js';
import { Heartbeats } from '../registration/aio/heartbeats.js';
import { register, type RegisterOptions } from '../registration/register.js';
import type { Registration, RegistrationEvent } from '../registration/registration.js';
import type { Lease, Registry } from '../registration/registry.js';
import { grpcTransport } from '../transport/grpc.js';
import { checkCooling, InstancePicks, type AioPick, type AioCoolingOptions } from './instancePicks.js';
import { registryClient, type AioRegistryClient } from './registryClient.js';

/** `registryAddr`, `clientKey` and `clientSecret` are needed; the rest has defaults. */
export interface AioClientOptions extends AioAccessOptions, AioAddressOptions, AioPollOptions {
  /** When `discovery.pick` lets an instance rest. Default: 30 s after a failure. */
  readonly cooling?: AioCoolingOptions;
  /** Told of what was skipped, failed or renewed without ending anything. Holds no secret. */
  readonly onEvent?: (event: AioEvent) => void;
}

/** What `onEvent` is told. */
export type AioEvent = CredentialEvent | DiscoveryEvent | RegistrationEvent;

export interface AioAuth {
  /**
   * The credential now, then each new one; while it is observed it is renewed before its end (300 s, a fifth of its
   * life where that is less), one request at a time. Errors with `UNAUTHENTICATED` when key or secret are refused;
   * completes on `close()`, and at once with `disableAuth`.
   */
  readonly credential$: Observable<Credential>;
  /** A valid credential, at once where there is one. Cold; one value, then the end. */
  credential(): Observable<Credential>;
}

export interface AioDiscoveryClient {
  /**
   * The instances of a service that are online, ordered by key; an answer of the last `pollMs` serves again, an older
   * one where the server cannot be asked. Cold; one value, then the end. Errors with `NOT_FOUND` for no such service.
   */
  resolve(project: string, service: string, env?: string): Observable<readonly AioInstance[]>;
  /**
   * The next instance in turn, and the way to tell how it did. Cold; each subscription is a pick. Errors as `resolve`,
   * and with `NO_NODES` when none is online.
   */
  pick(project: string, service: string, env?: string): Observable<AioPick>;
  /** For `createFleet` and for composing: the `namespace` of a query is the project. Shares requests with all of the client. */
  readonly nodes: Discovery;
}

/** A fleet of one service of one project; else as `createFleet`. */
export interface AioFleetOptions extends AioDiscoveryOptions, Partial<Omit<FleetOptions, 'discovery' | 'namespace'>> {
  readonly project: string;
  readonly service: string;
  /** False calls the nodes without our credential. Default true. */
  readonly sendCredential?: boolean;
}

/** A node, its project, and how it is kept. */
export interface AioSelf extends NodeInit {
  readonly project: string;
  readonly service: string;
}

/** How `registerSelf` keeps it. */
export interface AioSelfOptions extends Omit<AioRegistrationOptions, 'project'>, RegisterOptions {}

export interface AioClient {
  readonly auth: AioAuth;
  readonly registry: AioRegistryClient;
  readonly discovery: AioDiscoveryClient;
  /** A fleet that finds its nodes here and calls them with our credential; `close()` of the client closes it too. */
  fleet(options: AioFleetOptions): Fleet;
  /**
   * Registers a node, and its service if there is none, for as long as it is subscribed to; see `register()`. Heartbeats
   * of all nodes go over one stream.
   */
  registerSelf(self: AioSelf | Observable<AioSelf>, options?: AioSelfOptions): Observable<Registration>;
  /** Withdraws what is registered, for up to 5 s, drains the fleets, and ends every connection. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Longest wait of `close()` for withdrawals, in milliseconds: as long as `register()` goes on with one. */
const withdrawMs = 5_500;

/**
 * A client of an AIO platform. Opens nothing before something is subscribed to, but for fleets, which find their nodes at once.
 *
 * ```ts
 * await using aio = createAioClient({ registryAddr: '10.0.0.1:50051', clientKey, clientSecret, env: 'prod' });
 * const orders = createClient(aio.fleet({ project: 'shop', service: 'orders' }), Orders);
 * aio.registerSelf({ project: 'shop', service: 'carts', address: '10.0.0.7:50051' }).subscribe(({ state }) => log(state));
 * ```
 *
 * @throws FleetError `INVALID_OPTION`, naming the option; never showing the secret.
 */
export function createAioClient(options: AioClientOptions): AioClient {
  const { onEvent, cooling = {}, network, port } = options;
  checkCooling(cooling);
  const access = new AioAccess(options, onEvent);
  const { credentials, scheduler, random } = access;
  const lists = new ServiceLists(access, options);
  const heartbeats = new Heartbeats(access, access.callTimeoutMs);
  const fleets = new Set<Fleet>();
  const picks = new Map<string, InstancePicks>();
  /** Registrations that are subscribed to, and exchanges with the registry that are under way for any. */
  const busy$ = new BehaviorSubject(0);
  const closing$ = new Subject<void>();
  let closing: Promise<void> | undefined;

  const choice: AioAddressOptions = { network, port };
  const nodes = aioDiscovery(access, lists, choice);
  const told =
    (discovery: Discovery): Discovery =>
    (query) =>
      discovery({ onEvent, ...query });
  const requireOpen = () => {
    if (closing) throw new FleetError('CLOSED', `${access.name}: the client was closed; create a new one`);
  };
  const counted = <T>(work: () => Observable<T>): Observable<T> =>
    using(() => {
      busy$.next(busy$.value + 1);
      return { unsubscribe: () => busy$.next(busy$.value - 1) };
    }, work);

  const resolve = (project: string, service: string, env = access.env) =>
    lists.recent(project, env).pipe(
      map(({ services }) => {
        const found = services.find((each) => each.name === service && each.project === project);
        if (found) return found.instances;
        const message = `${access.name}: project "${project}" has no service "${service}"; check the names, or have it ensured`;
        throw new FleetError('NOT_FOUND', message);
      }),
    );

  return {
    auth: {
      credential$: credentials?.credential$ ?? EMPTY,
      credential: () => credentials?.valid() ?? EMPTY,
    },
    registry: registryClient(access),
    discovery: {
      resolve,
      pick: (project, service, env = access.env) =>
        resolve(project, service, env).pipe(
          map((instances) => {
            const key = JSON.stringify([project, service, env]);
            let turns = picks.get(key);
            if (!turns) picks.set(key, (turns = new InstancePicks(scheduler, cooling, choice)));
            return turns.pick(instances, `${access.name}: ${project}/${service} in env "${env}"`);
          }),
        ),
      nodes: told(nodes),
    },

    fleet({ project, env, sendCredential = true, network: ownNetwork, port: ownPort, use = [], ...rest }) {
      requireOpen();
      const own = { project, env, network: ownNetwork ?? network, port: ownPort ?? port };
      const shown = credentials && sendCredential ? [bearer(credentials, { scheduler })] : [];
      const fleet = createFleet({
        ...{ scheduler, random, transport: grpcTransport() },
        ...rest,
        namespace: project,
        discovery: told(aioDiscovery(access, lists, own)),
        use: [...use, ...shown],
      });
      fleets.add(fleet);
      return fleet;
    },

    registerSelf(self, { withdraw$ = EMPTY, ...own } = {}) {
      const registry = countedRegistry(aioRegistryOver(access, heartbeats, own), counted);
      const node = isObservable(self) ? self.pipe(map(nodeOf)) : nodeOf(self);
      const registration$ = register(node, registry, {
        ...{ scheduler, random, onEvent, ...own },
        withdraw$: merge(withdraw$, closing$),
      });
      return defer(() => {
        requireOpen();
        return counted(() => registration$);
      });
    },

    close() {
      closing ??= (async () => {
        closing$.next();
        const idle$ = busy$.pipe(filter((count) => count === 0));
        const givenUp$ = timer(withdrawMs, scheduler);
        await Promise.all([
          firstValueFrom(idle$.pipe(takeUntil(givenUp$)), { defaultValue: 0 }),
          ...[...fleets].map((fleet) => fleet.close()),
        ]);
        closing$.complete();
        heartbeats.close();
        access.close();
      })();
      return closing;
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

function nodeOf({ project, ...node }: AioSelf): NodeInit {
  return { ...node, namespace: project };
}

/** The same registry, each exchange counted while it is under way. */
function countedRegistry(registry: Registry, counted: <T>(work: () => Observable<T>) => Observable<T>): Registry {
  const countedLease = (lease: Lease): Lease => ({
    key: lease.key,
    ttlMs: lease.ttlMs,
    renew: () => counted(() => lease.renew()),
    update: (node) => counted(() => lease.update(node)),
    withdraw: () => counted(() => lease.withdraw()),
  });
  return {
    name: registry.name,
    put: (node) => counted(() => registry.put(node)).pipe(map(countedLease)),
  };
}
