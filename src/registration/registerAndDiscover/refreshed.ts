/** A discovery that is looked over from scratch now and then, so that a change that was missed does not stay missed. */

import { asyncScheduler, interval, Observable, Subscription } from 'rxjs';
import type { NodeSet } from '../../core/nodeSet.js';
import type { Discovery } from '../../discovery/discovery.js';
import { settled } from '../../discovery/settled.js';

/**
 * Subscribes anew every `refreshMs`, and leaves the old subscription once the new one has told a set that is not stale:
 * no gap, and nothing is told that is not new.
 *
 *     first     -a---b----
 *     second         --b-c-
 *     told      -a---b---c-
 */
export function refreshed(discovery: Discovery, refreshMs: number): Discovery {
  if (refreshMs === Infinity) return discovery;
  return (query) =>
    new Observable((subscriber) => {
      const { scheduler = asyncScheduler } = query;
      let told: NodeSet | undefined;
      let current: Subscription | undefined;
      let next: Subscription | undefined;

      const open = () => {
        if (next && !current) return;
        // One that has said nothing in all that time does no better than the one that is kept.
        next?.unsubscribe();
        const mine = new Subscription();
        next = mine;
        const tell = (set: NodeSet) => {
          if (next === mine) {
            if (current && set.stale) return;
            current?.unsubscribe();
            current = mine;
            next = undefined;
          }
          const fresh = settled(told, set.nodes, set.stale);
          if (fresh === told) return;
          told = fresh;
          subscriber.next(fresh);
        };
        const failed = (error: unknown) => {
          if (current === undefined || current === mine) subscriber.error(error);
        };
        mine.add(discovery(query).subscribe({ next: tell, error: failed }));
      };
      subscriber.add(() => {
        current?.unsubscribe();
        next?.unsubscribe();
      });
      open();
      subscriber.add(interval(refreshMs, scheduler).subscribe(open));
    });
}
