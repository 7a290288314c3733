/** What telemetry is made of. */

import type { Observable } from 'rxjs';
import type { FleetEvent } from '../../client/fleetEvent.js';
import type { NodeSet } from '../../core/nodeSet.js';
import type { InferenceEvent } from '../../lumen/inferenceEvent.js';

export type WatchedEvent = FleetEvent | InferenceEvent;

/** A fleet, a pool, a Lumen client. */
export interface Watched {
  readonly service: string;
  readonly nodes$: Observable<NodeSet>;
  readonly events$: Observable<WatchedEvent>;
  snapshot(): { readonly methods: Readonly<Record<string, { readonly inFlight: number }>> };
}
