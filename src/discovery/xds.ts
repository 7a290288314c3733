/** Nodes that an xDS control plane (version 3) knows, found as gRPC's own clients find them. */

import { create } from '@bufbuild/protobuf';
import {
  asapScheduler,
  asyncScheduler,
  catchError,
  defer,
  finalize,
  mergeMap,
  Observable,
  of,
  retry,
  subscribeOn,
  throwError,
  timer,
} from 'rxjs';
import { formatAddress } from '../core/address.js';
import { FleetError } from '../core/fleetError.js';
import { createNode } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { NodeSchema } from '../gen/envoy/core_pb.js';
import { nodesOfActivePriority } from './activePriority.js';
import type { Discovery, DiscoveryQuery } from './discovery.js';
import { reconnecting } from './reconnecting.js';
import { adsStream, type AdsStreamOptions } from './xds/adsStream.js';
import type { XdsNode, XdsServer } from './xds/bootstrap.js';
import { increments, stateOfTheWorld } from './xds/dialect.js';
import { ClientReport } from './xds/clientReport.js';
import { dropCategory, type XdsDrop } from './xds/dropCategory.js';
import { nodesOf } from './xds/nodesOf.js';
import { resolveTarget, type Resolution } from './xds/resolveTarget.js';
import { ResourceStore } from './xds/resourceStore.js';
import { targetOf, type Target } from './xds/target.js';
import { resolveXds, type ResolvedXds, type XdsOptions } from './xds/xdsOptions.js';

export type { DropFacts } from './xds/readEndpoints.js';
export { dropCategory, type XdsDrop, type XdsOptions };

/**
 * Follows listener, routes, clusters and endpoints of a service (`xds:///service`, or just its name), or a cluster
 * (`cluster:name`), over one aggregated stream (ADS).
 *
 *     xds()      a-----b--B--b--     a = x y, b = x y z, B is b marked stale: no control plane can be reached
 *
 * - A set is told when everything that it follows from is known; until then the last one stands (gRFC A74). A deleted
 *   listener or cluster empties it, unless the server has the feature `ignore_resource_deletion` (A53).
 * - A bad resource is refused with reasons; the good ones of the same answer count, and what was known of the bad one
 *   stays (A46, A88). That is a `skipped` event, and so is what does not exist or is not followed here.
 * - A stream that breaks after it said something is opened again at once, without losing a thing; only when that fails
 *   is the set stale, and the waits grow (A57). Of several servers the next is asked when one cannot be reached.
 * - `zone` and `region` are the locality's; `metadata` has `cluster`, `priority`, `locality`, `lbPolicy`, and the scalars
 *   under `envoy.lb`, of which `id` names the node (else its address does) and `version` is its version. `weight` is the
 *   node's share of the calls, by cluster, locality and endpoint (A27, A28); a locality without a weight takes none.
 * - Health: `UNHEALTHY`, `TIMEOUT` and `DEGRADED` do not serve, as for gRPC; `DRAINING` takes nothing new.
 * - Calls are not routed by path or header: the nodes of all routes are listed. Clusters are of EDS, of one DNS name,
 *   or aggregates (A37).
 *
 * ```ts
 * xds({ server: '10.0.0.1:18000', nodeId: 'client-7' });      // or xds(), with GRPC_XDS_BOOTSTRAP
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option. Errors with it when there is no bootstrap, or
 *   `incremental: true` meets a server that cannot; with `UNAUTHENTICATED` or `PERMISSION_DENIED` when the control plane
 *   says so.
 */
export function xds(options: XdsOptions = {}): Discovery {
  const settings = resolveXds(options);
  return (query) =>
    defer(() => {
      requireOption(query.service !== '', 'service', 'a name', '""');
      const bootstrap = settings.bootstrap();
      const target = targetOf(query.service, bootstrap, settings.cluster);
      return following(query, target, bootstrap.node, settings);
      // Who leaves in the same turn has opened nothing.
    }).pipe(subscribeOn(asapScheduler));
}

const source = 'xds';

/** Names of what this client can do, as gRPC's clients say them. */
const clientFeatures = ['envoy.lb.does_not_support_overprovisioning', 'xds.config.resource-in-sotw'];

function following(query: DiscoveryQuery, target: Target, self: XdsNode, settings: ResolvedXds): Observable<NodeSet> {
  const { scheduler = asyncScheduler, onEvent, onXdsEvent } = query;
  const { servers } = target;
  const store = new ResourceStore();
  const report = new ClientReport(store, (event) => onXdsEvent?.(event));
  const told = new Set<string>();
  let turn = 0;
  let incremental = settings.incremental !== false;
  let drops = '[]';

  const stream = {
    ...{ store, scheduler, resourceTimeoutMs: settings.resourceTimeoutMs },
    resolve: () => resolveTarget(target, store),
    node: create(NodeSchema, {
      ...{ id: self.id, cluster: self.cluster, userAgentName: 'rxfleet', clientFeatures },
      ...(self.locality ? { locality: self.locality } : {}),
      ...(self.metadata ? { metadata: self.metadata } : {}),
    }),
    tell: (message: string) => onEvent?.({ source, type: 'skipped', message }),
    onChange: () => report.changed(),
  };

  const setsOf = (resolution: Resolution): NodeSet[] => {
    if (resolution.awaited.length > 0) return [];
    const { service, namespace } = query;
    const all = nodesOf(resolution.clusters, { service, namespace, now: scheduler.now() });
    // Nothing but bad news is no reason to empty the set.
    if (all.length === 0 && resolution.refused.length > 0) return [];
    tellDrops(resolution);
    return [NodeSet.of(settings.allPriorities ? all : nodesOfActivePriority(all))];
  };
  const tellDrops = ({ clusters }: Resolution): void => {
    const next = dropsOf(clusters);
    const text = JSON.stringify(next);
    if (text === drops) return;
    drops = text;
    settings.onDrops?.(next);
    if (!settings.onDrops && next.length > 0) {
      const shares = next.map(({ category, fraction }) => `${fraction * 100} % (${category})`).join(', ');
      stream.tell(`the control plane asks to drop ${shares} of the calls: give the option onDrops to do so`);
    }
  };

  const session = (server: XdsServer): Observable<NodeSet> => {
    const { address } = server;
    const where = formatAddress(address);
    const channel = settings.transportTo(server).open(createNode({ id: where, address, service: source }));
    const { ignoreResourceDeletion: ignoreDeletion, timerIsTransientError } = server;
    let answered = false;
    report.dialled(where);
    const streamOptions: AdsStreamOptions = {
      ...{ ...stream, channel, ignoreDeletion, timerIsTransientError },
      tell: (message: string) => stream.tell(`the control plane at ${where}: ${message}`),
      note: (message: string) => {
        // Each answer says it all again.
        if (told.has(message)) return;
        if (told.size >= maxTold) told.clear();
        told.add(message);
        stream.tell(`the control plane at ${where}: ${message}`);
      },
      onAnswer: () => {
        answered = true;
        report.answered(where);
      },
      onRead: (kind, good, bad) => report.updated(where, kind, good, bad),
    };
    const open = (): Observable<Resolution> => {
      answered = false;
      return incremental ? adsStream(increments, streamOptions) : adsStream(stateOfTheWorld, streamOptions);
    };
    const again = (thrown: unknown): Observable<unknown> => {
      const error = FleetError.from(thrown);
      if (incremental && error.code === 'UNIMPLEMENTED') {
        if (settings.incremental === true) throw notIncremental(where);
        incremental = false;
        return of(undefined);
      }
      if (!answered || refused(error)) throw error;
      return timer(0, scheduler);
    };
    return defer(open).pipe(
      retry({ delay: again }),
      mergeMap(setsOf),
      catchError((thrown: unknown) => {
        if (!answered) {
          turn++;
          report.failed(where);
        }
        return throwError(() => failure(FleetError.from(thrown), where));
      }),
      finalize(() => channel.close()),
    );
  };
  return reconnecting(query, () => defer(() => session(servers[turn % servers.length]!)), {
    source,
    ...(settings.backoff ? { backoff: settings.backoff } : {}),
  }).pipe(finalize(() => report.ended()));
}

/** How many messages are remembered as told. */
const maxTold = 1_000;

function dropsOf(clusters: Resolution['clusters']): XdsDrop[] {
  return clusters.flatMap(({ leaves }) =>
    leaves.flatMap(({ cluster, endpoints }) =>
      'drops' in endpoints ? endpoints.drops.map((drop): XdsDrop => ({ cluster, ...drop })) : [],
    ),
  );
}

function refused({ code }: FleetError): boolean {
  return code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED';
}

function notIncremental(where: string): FleetError {
  const message = `the control plane at ${where} has no incremental xDS: leave the option incremental at 'auto'`;
  return new FleetError('INVALID_OPTION', message);
}

function failure(error: FleetError, where: string): FleetError {
  if (error.code === 'INVALID_OPTION') return error;
  const remedy = refused(error)
    ? 'check the credentials and the node id that the bootstrap gives'
    : error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED'
      ? 'check that it runs and is reachable'
      : error.code === 'UNIMPLEMENTED'
        ? 'check that an aggregated xDS server (ADS, version 3) listens there'
        : error.remedy;
  const { sent } = error;
  return new FleetError(error.code, `the control plane at ${where}: ${error.detail}: ${remedy}`, {
    sent,
    cause: error,
  });
}
