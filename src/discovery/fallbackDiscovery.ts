/** Discoveries in order of trust: the next one takes over while the earlier ones have nothing. */

import { asyncScheduler, Observable } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import type { Discovery, DiscoveryQuery } from './discovery.js';
import { Succession, type Patience } from './fallbackDiscovery/succession.js';

export interface FallbackDiscoveryOptions {
  /**
   * How long a discovery may have nothing, in milliseconds: no word yet, or an empty set. Past it the next one is asked.
   * Default 5,000.
   */
  readonly afterMs?: number;
  /**
   * How long a discovery may be stale before it counts as having nothing, in milliseconds. Default `Infinity`: what it
   * last knew is trusted more than the next discovery.
   */
  readonly staleAfterMs?: number;
}

/**
 * Lists what the first discovery lists; while that has nothing, what the next one lists.
 *
 *     registry      ------a---          a = x
 *     file            -b------          b = y     asked once the registry has had nothing for `afterMs`
 *     fallback      ---b--a---
 *
 * A discovery has nothing when it errors (at once), or when for `afterMs` it has said nothing or listed no node. It takes
 * the lead back as soon as it lists nodes again, and the later ones are left. Nodes tell by their `sources` who lists them;
 * `onEvent` tells of each change of the lead. No set is empty by accident: the last nodes stay, stale, until a discovery
 * lists others or says that there are none.
 *
 * Errors when all have failed; completes when those that were asked have ended and no other will be.
 *
 * ```ts
 * fallbackDiscovery(etcd(options), file('nodes.yaml'), { afterMs: 2_000 });
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a time that is not positive, or when there is no discovery.
 */
export function fallbackDiscovery(...discoveries: readonly Discovery[]): Discovery;
export function fallbackDiscovery(...given: readonly [...Discovery[], FallbackDiscoveryOptions]): Discovery;
export function fallbackDiscovery(...given: readonly (Discovery | FallbackDiscoveryOptions)[]): Discovery {
  const discoveries = given.filter((each) => typeof each === 'function');
  const { afterMs = 5_000, staleAfterMs = Infinity }: FallbackDiscoveryOptions =
    given.find((each) => typeof each !== 'function') ?? {};
  if (discoveries.length === 0)
    throw new FleetError('INVALID_OPTION', 'fallbackDiscovery needs at least one discovery');
  requireOption(afterMs >= 0, 'afterMs', 'at least 0', afterMs);
  requireOption(staleAfterMs >= 0, 'staleAfterMs', 'at least 0', staleAfterMs);
  return (query) => succeeding(discoveries, query, { afterMs, staleAfterMs });
}

function succeeding(discoveries: readonly Discovery[], query: DiscoveryQuery, waits: Patience): Observable<NodeSet> {
  const { scheduler = asyncScheduler } = query;
  return new Observable((subscriber) => {
    const succession = new Succession(discoveries, query, scheduler, waits, subscriber);
    succession.start();
    return succession;
  });
}
