/** A long poll by an index that may lie: Consul's blocking queries as an endless Observable. */

import { defer, repeat, take, tap, throwIfEmpty, timer, type Observable, type SchedulerLike } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { paced, rested, type PaceOptions } from './pace.js';

/** One answer, and the index that came with it. */
export interface Polled {
  readonly index: bigint;
}

export interface BlockingQueryOptions extends PaceOptions {
  /** How long each query is held back when nothing changes, in milliseconds. */
  readonly waitMs: number;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

/**
 * What to ask for next, by Consul's rules: an index lower than the one before starts anew at 0 (the servers were
 * restored or replaced), one below 1 becomes 1, so that the next query does block.
 */
export function nextIndex(before: bigint, received: bigint): bigint {
  if (received < 1n) return 1n;
  return received < before ? 0n : received;
}

/**
 * Sessions of blocking queries that share one pace, so that a source that fails and comes back in turns is not asked
 * faster for it. Each session starts at index 0, which does not block, and asks again after each answer; it never
 * completes, and errors as soon as a query does.
 *
 *     ask(0)   --a|            index 5
 *     ask(5)     ------b|      index 9: held back until something changed
 *     ask(9)            -----  …
 *     query    --a-----b-----
 *
 * An answer that comes before its wait is over is no proof of change, only a reason to look; such answers are paced
 * (see `paced`). Source: Consul's documentation of blocking queries, "implementation details".
 */
export function blockingQuery<T extends Polled>(
  ask: (index: bigint) => Observable<T>,
  options: BlockingQueryOptions,
): Observable<T> {
  const { waitMs, scheduler, random } = options;
  let pace = rested(options, scheduler.now());
  return defer(() => {
    let index = 0n;
    let askedAt = 0;
    let restMs = 0;
    const answered = (answer: T) => {
      const now = scheduler.now();
      const early = index === 0n || now - askedAt < waitMs;
      index = nextIndex(index, answer.index);
      restMs = 0;
      if (early) ({ pace, restMs } = paced(pace, now, options, random));
    };
    const query = defer(() => {
      askedAt = scheduler.now();
      return ask(index);
    });
    return query.pipe(
      take(1),
      throwIfEmpty(() => new FleetError('BAD_RESPONSE', 'a query ended without an answer')),
      tap(answered),
      repeat({ delay: () => timer(restMs, scheduler) }),
    );
  });
}
