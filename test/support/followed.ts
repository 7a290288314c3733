/** A discovery that is subscribed to, with all that it said, for tests that wait for what it should say. */

import type { Subscription } from 'rxjs';
import type { FleetError } from '../../src/core/fleetError.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Discovery, DiscoveryEvent, DiscoveryQuery } from '../../src/discovery/discovery.js';
import { until } from './until.js';

export interface Followed {
  readonly sets: NodeSet[];
  readonly events: DiscoveryEvent[];
  readonly last: NodeSet;
  readonly error: FleetError | undefined;
  /** The ids of the last set, in order. */
  readonly ids: string[];
  /** Resolves when the last set is fresh and has exactly these ids. */
  is(...ids: string[]): Promise<void>;
  isStale(stale: boolean, ms?: number): Promise<void>;
  stop(): void;
}

export function followed(discovery: Discovery, query: DiscoveryQuery): Followed {
  const sets: NodeSet[] = [];
  const events: DiscoveryEvent[] = [];
  let error: FleetError | undefined;
  const life: Subscription = discovery({ ...query, onEvent: (event) => events.push(event) }).subscribe({
    next: (set) => sets.push(set),
    error: (thrown: FleetError) => (error = thrown),
  });
  const follower: Followed = {
    sets,
    events,
    get last() {
      return sets.at(-1) ?? NodeSet.empty;
    },
    get error() {
      return error;
    },
    get ids() {
      return this.last.nodes.map(({ id }) => id).sort();
    },
    is: (...ids) => {
      const wanted = ids.sort().join(' ');
      return until(
        `there are the nodes ${wanted}`,
        () => sets.length > 0 && !follower.last.stale && follower.ids.join(' ') === wanted,
        15_000,
      );
    },
    isStale: (stale, ms = 20_000) =>
      until(stale ? 'it is stale' : 'it is fresh', () => (follower.last.stale !== undefined) === stale, ms),
    stop: () => life.unsubscribe(),
  };
  return follower;
}
