/** The nodes as the balancers see them: those that may be picked, and with what weight. */

import { ReplaySubject, share, type Observable, type SchedulerLike } from 'rxjs';
import type { EventSink } from '../core/eventSink.js';
import { isRoutable } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { awaitHealth } from '../health/awaitHealth.js';
import type { HealthEvent } from '../health/healthEvent.js';
import { panic } from '../health/panic.js';
import { slowStart } from '../health/slowStart.js';
import type { NodeDirectory } from '../nodes/nodeDirectory.js';
import type { EngineOptions } from './engineOptions.js';

/** Health that was not asked for yet, a panic, and a slow start, each where it is wanted. */
export function pickableNodes(
  { nodes$ }: Pick<NodeDirectory, 'nodes$'>,
  options: Pick<EngineOptions<never>, 'awaitHealth' | 'panic' | 'slowStart'>,
  { events, scheduler }: { readonly events: EventSink<HealthEvent>; readonly scheduler: SchedulerLike },
): Observable<NodeSet> {
  if (!options.panic && !options.slowStart && !options.awaitHealth) return nodes$;
  const asked = options.awaitHealth ? nodes$.pipe(awaitHealth()) : nodes$;
  const calm = options.panic ? asked.pipe(panic(options.panic, { events, scheduler })) : asked;
  const isLetIn = (shown: Node) => !isRoutable(nodes$.value.get(shown.id) ?? shown);
  const warm = options.slowStart ? calm.pipe(slowStart(options.slowStart, { scheduler, isLetIn })) : calm;
  return warm.pipe(share({ connector: () => new ReplaySubject(1) }));
}
