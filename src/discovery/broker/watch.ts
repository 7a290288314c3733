/** A broker that tells by WebSocket: from its messages to sets. */

import { concatMap, connect, defer, EMPTY, filter, map, merge, of, switchMap, timer, type Observable } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { NodeSet } from '../../core/nodeSet.js';
import { settled } from '../settled.js';
import { brokerMessage } from './brokerMessage.js';
import { brokerSocket } from './brokerSocket.js';
import type { BrokerSource } from './brokerSource.js';
import { ask } from './poll.js';

/** A broker of before v1.3 says nothing while it lists nobody: after this long it is asked, in milliseconds. */
const silenceMs = 3_000;

/** One connection: the set that the broker lists, then each change. Errors when the connection ends. */
export function watch(source: BrokerSource): Observable<NodeSet> {
  return defer(() => {
    let current: NodeSet | undefined;
    const take = (set: NodeSet): NodeSet => (current = settled(current, set.nodes, set.stale));

    const heard = (text: string): NodeSet | undefined => {
      try {
        const message = brokerMessage(text, source);
        if (message.type === 'snapshot') return take(NodeSet.of(message.nodes));
        // A good word ends the doubt that a bad one left.
        const before = (current ?? NodeSet.empty).withStale(undefined);
        return take(message.type === 'added' ? before.with(message.node) : before.without(message.id));
      } catch (error) {
        const { message } = FleetError.from(error);
        source.skipped(`a message is rejected: ${message}`, error);
        const reason = `the broker's last message was rejected: ${message}`;
        if (current?.stale?.reason === reason) return current;
        return (current = current?.withStale({ since: current.stale?.since ?? source.scheduler.now(), reason }));
      }
    };
    return brokerSocket(source).pipe(
      connect((event$) =>
        merge(
          event$.pipe(concatMap((event) => (event.type === 'text' ? of(heard(event.text)) : EMPTY))),
          event$.pipe(
            switchMap(({ type }) => (type === 'open' ? timer(silenceMs, source.scheduler) : EMPTY)),
            switchMap(() => ask(source)),
            filter(() => current === undefined),
            map(take),
          ),
        ),
      ),
      filter((set) => set !== undefined),
    );
  });
}
