/** What the client finds out of its nodes by itself: their capabilities, and whether they need a rest. */

import { catchError, defer, EMPTY, filter, from, map, merge, mergeMap, throwError, type Observable } from 'rxjs';
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
import { handshake, type HandshakeOptions, type NodeAnnotation } from './handshake.js';

export interface SuperviseOptions {
  readonly handshake: HandshakeOptions;
  readonly cooldown: CooldownOptions | false;
  readonly scheduler: SchedulerLike;
}

/** The parts of a fleet that are watched. */
export type Watched = Pick<Fleet, 'nodes$' | 'outcomes$' | 'channel'>;

/**
 * Emits what is to be joined to the nodes of a fleet: what the capability handshake finds, and `unavailable` while a
 * node rests after failing again and again. The last node that takes calls never rests. Ends with the fleet.
 */
export function supervise(fleet: Watched, options: SuperviseOptions): Observable<NodeAnnotation> {
  const { capabilityTimeoutMs } = options.handshake;
  return merge(
    fleet.nodes$.pipe(
      handshake((node) => askNode(fleet, node.id, options.scheduler, capabilityTimeoutMs), options.handshake),
    ),
    options.cooldown === false ? EMPTY : rests(fleet, options.cooldown),
  ).pipe(catchError(() => EMPTY));
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

function rests(fleet: Watched, options: CooldownOptions): Observable<NodeAnnotation> {
  return defer(() => {
    // What a rest itself does to the availability of a node is no news of the node.
    const caused = new Map<string, Availability>();
    const annotation = (id: string, availability: Availability, reason: string | undefined): NodeAnnotation => {
      caused.set(id, availability);
      return { id, state: { availability, availabilityReason: reason } };
    };
    const anotherTakesCalls = (id: string) =>
      fleet.nodes$.value.nodes.some((node) => node.id !== id && isRoutable(node));

    return merge(
      fleet.outcomes$.pipe(map(({ node, outcome }) => incidentOf(node.id, outcome))),
      fleet.nodes$.pipe(availabilityIncidents(caused)),
    ).pipe(
      filter((incident) => incident !== undefined),
      cooldown({ maySpare: anotherTakesCalls, ...options }),
      mergeMap(({ id, restMs }) => {
        if (restMs !== undefined)
          return [annotation(id, 'unavailable', `rests for ${restMs} ms after repeated failures`)];
        return fleet.channel(id)?.state === 'READY' ? [annotation(id, 'ready', undefined)] : [];
      }),
    );
  });
}

/** What changes of availability say: connected anew, dialling failed, gone. */
function availabilityIncidents(caused: Map<string, Availability>) {
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
            caused.delete(id);
            incidents.push({ id, type: 'gone' });
          }
          for (const { id, availability } of [...added, ...updated]) {
            if (known.get(id) === availability) continue;
            known.set(id, availability);
            if (caused.get(id) === availability) {
              caused.delete(id);
              continue;
            }
            caused.delete(id);
            if (availability === 'ready') incidents.push({ id, type: 'connected' });
            else if (availability === 'unavailable') incidents.push({ id, type: 'hardFailure' });
          }
          return from(incidents);
        }),
      );
    });
}
