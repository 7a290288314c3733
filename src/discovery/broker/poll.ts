/** A broker asked now and then: what daemons before v1.2.4 understand. */

import { map, repeat, timer, type Observable } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { NodeSet } from '../../core/nodeSet.js';
import { brokerList } from './brokerMessage.js';
import { headersOf, tlsOf, type BrokerSource } from './brokerSource.js';
import { getText } from './getText.js';

/** What the broker lists now, then each answer. Errors when it cannot be reached, or its list is rejected. */
export function poll(source: BrokerSource): Observable<NodeSet> {
  const { pollMs, scheduler } = source;
  return ask(source).pipe(repeat({ delay: () => timer(pollMs, scheduler) }));
}

/** One answer. */
export function ask(source: BrokerSource): Observable<NodeSet> {
  const { urls, timeoutMs, scheduler, skipped } = source;
  return getText(urls.nodes, { headers: headersOf(source), tls: tlsOf(source), timeoutMs, scheduler }).pipe(
    map((text) => {
      try {
        return NodeSet.of(brokerList(text, source));
      } catch (error) {
        skipped(`a list of nodes is rejected: ${FleetError.from(error).message}`, error);
        throw error;
      }
    }),
  );
}
