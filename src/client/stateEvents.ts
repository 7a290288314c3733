/** Changes of connections and of the health of nodes, as events; and where those who begin to look find things. */

import { Observable, type SchedulerLike } from 'rxjs';
import type { Connection, ConnectivityState } from '../core/channel.js';
import type { NodeDirectory } from '../nodes/nodeDirectory.js';
import type { ChannelPool } from '../transport/channelPool.js';
import type { FleetEvent } from './fleetEvent.js';
import type { XdsStates } from './xdsStates.js';

/** Told to each who listens, beginning with the connections that there are, and with where xDS clients stand. */
export function stateEvents<C extends Connection>(
  directory: NodeDirectory,
  connections: ChannelPool<C>,
  xds: XdsStates,
  scheduler: SchedulerLike,
): Observable<FleetEvent> {
  return new Observable((subscriber) => {
    const states = new Map<string, ConnectivityState>();
    const known = new Map(directory.nodes$.value.nodes.map((node) => [node.id, node.health]));
    for (const event of xds.all()) subscriber.next({ type: 'xds', at: scheduler.now(), event });
    subscriber.add(
      connections.states$.subscribe(({ id: node, state: to, reason, disconnectError }) => {
        const from = states.get(node) ?? 'IDLE';
        if (from === to) return;
        states.set(node, to);
        subscriber.next({ type: 'connectionChanged', at: scheduler.now(), node, from, to, reason, disconnectError });
      }),
    );
    subscriber.add(
      connections.failures$.subscribe(({ id: node, reason }) => {
        subscriber.next({ type: 'connectFailed', at: scheduler.now(), node, reason });
      }),
    );
    subscriber.add(
      directory.changes$.subscribe({
        next: ({ added, updated, removed }) => {
          for (const { id } of removed) {
            known.delete(id);
            states.delete(id);
          }
          for (const node of added) known.set(node.id, node.health);
          for (const node of updated) {
            const from = known.get(node.id) ?? 'unknown';
            if (from === node.health) continue;
            known.set(node.id, node.health);
            const { health: to, healthReason: reason } = node;
            subscriber.next({ type: 'healthChanged', at: scheduler.now(), node, from, to, reason });
          }
        },
        error: () => undefined,
      }),
    );
  });
}
