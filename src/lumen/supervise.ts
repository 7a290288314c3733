/** What the client finds out of its nodes by itself: their capabilities, and whether they need a rest. */

import { catchError, defer, EMPTY, filter, from, ignoreElements, map, merge, mergeMap, tap } from 'rxjs';
import { throwError, type Observable } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import type { Fleet } from '../client/fleet.js';
import type { Capability } from '../core/capability.js';
import { FleetError } from '../core/fleetError.js';
import { isRoutable } from '../core/isRoutable.js';
import type { Availability } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { rpc } from '../core/rpc.js';
import { cooldown, incidentOf, type CooldownOptions, type NodeIncident } from './cooldown.js';
import { fetchCapabilities } from './fetchCapabilities.js';
import { handshake, type HandshakeOptions } from './handshake.js';

export interface SuperviseOptions {
  readonly handshake: HandshakeOptions;
  readonly cooldown: CooldownOptions | false;
  readonly scheduler: SchedulerLike;
}

/** The parts of a fleet that are watched, and taken care of. */
export type Watched = Pick<Fleet, 'nodes$' | 'changes$' | 'outcomes$' | 'channel' | 'annotate' | 'eject' | 'readmit'>;

/**
 * Takes care of the nodes of a fleet while subscribed: joins what the capability handshake finds to them, and takes out those
 * that fail again and again, for a rest. The last node that takes calls never rests. Emits nothing; ends with the fleet.
 */
export function supervise(fleet: Watched, options: SuperviseOptions): Observable<never> {
  const { capabilityTimeoutMs } = options.handshake;
  const asked$ = fleet.nodes$.pipe(
    handshake((node) => askNode(fleet, node.id, options.scheduler, capabilityTimeoutMs), options.handshake),
    tap(({ id, state }) => fleet.annotate(id, state)),
  );
  const rested$ = options.cooldown === false ? EMPTY : rests(fleet, options.cooldown, options.scheduler);
  return merge(asked$, rested$).pipe(
    ignoreElements(),
    catchError(() => EMPTY),
  );
}

/** Asks one node for its capabilities, over the channel that its calls use. */
export function askNode(
  fleet: Pick<Fleet, 'channel'>,
  id: string,
  scheduler: SchedulerLike,
  timeoutMs = 10_000,
): Observable<readonly Capability[]> {
  return defer(() => {
    const channel = fleet.channel(id);
    if (!channel) return throwError(() => new FleetError('UNAVAILABLE', `node ${id} is not connected`, { node: id }));
    const deadline = scheduler.now() + timeoutMs;
    return fetchCapabilities((method, request) => rpc(channel, method, request, { deadline }));
  });
}

/**
 * A rest is for a node that fails although it is connected: one that is not takes no calls anyway, and when it is dialled again
 * calls may wait for it, since a new connection forgives all.
 */
function rests(fleet: Watched, options: CooldownOptions, scheduler: SchedulerLike): Observable<unknown> {
  const { nodes$ } = fleet;
  const anotherTakesCalls = (id: string) => nodes$.value.nodes.some((node) => node.id !== id && isRoutable(node));
  const connected = (id: string) => nodes$.value.get(id)?.availability === 'ready';

  const rest$ = merge(
    fleet.outcomes$.pipe(map(({ node, outcome }) => incidentOf(node.id, outcome))),
    nodes$.pipe(availabilityIncidents()),
  ).pipe(
    filter((incident) => incident !== undefined),
    cooldown({ maySpare: anotherTakesCalls, ...options }),
    tap(({ id, restMs }) => {
      if (restMs === undefined) return fleet.readmit(id, by);
      if (!connected(id)) return;
      const reason = `rests for ${restMs} ms after repeated failures`;
      fleet.eject(id, { by, obstacle: 'cooling', reason, until: scheduler.now() + restMs });
    }),
  );
  const cutOff$ = fleet.changes$.pipe(
    tap(({ updated }) => {
      for (const { id, availability, ejections } of updated) {
        if (availability !== 'ready' && ejections.some((ejection) => ejection.by === by)) fleet.readmit(id, by);
      }
    }),
  );
  return merge(rest$, cutOff$);
}

/** The name under which a rest stands at its node. */
const by = 'cooldown';

/** What changes of availability say: connected anew, dialling failed, gone. */
function availabilityIncidents() {
  return (set$: Observable<NodeSet>): Observable<NodeIncident> =>
    defer(() => {
      const known = new Map<string, Availability>();
      let before = NodeSet.empty;
      return set$.pipe(
        mergeMap((set) => {
          const { added, updated, removed } = set.changesSince(before);
          before = set;
          const incidents: NodeIncident[] = [];
          for (const { id } of removed) {
            known.delete(id);
            incidents.push({ id, type: 'gone' });
          }
          for (const { id, availability } of [...added, ...updated]) {
            if (known.get(id) === availability) continue;
            known.set(id, availability);
            if (availability === 'ready') incidents.push({ id, type: 'connected' });
            else if (availability === 'unavailable') incidents.push({ id, type: 'hardFailure' });
          }
          return from(incidents);
        }),
      );
    });
}
