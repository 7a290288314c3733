/** What a discovery last said, remembered, so that a client starts while its registry is down. */

import { resolve } from 'node:path';
import { asyncScheduler, Observable } from 'rxjs';
import { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { CacheFile } from './cacheDiscovery/cacheFile.js';
import { CacheWriter } from './cacheDiscovery/cacheWriter.js';
import type { Remembered } from './cacheDiscovery/remembered.js';
import type { Discovery, DiscoveryEvent, DiscoveryQuery } from './discovery.js';
import { NodeLine } from './nodeLine.js';

export interface CacheDiscoveryOptions {
  /**
   * Where to remember it beyond the life of the process. Made with its folder, readable by its owner only, replaced as a
   * whole. Several services, and several clients, may share one. Default: in memory only.
   */
  readonly file?: string;
  /** How old a remembered set may be to start with, in milliseconds. Default 86,400,000 (a day). */
  readonly maxAgeMs?: number;
  /** How long changes are gathered before they are written, in milliseconds. Default 1,000. */
  readonly writeDelayMs?: number;
}

/**
 * Starts with what was last known, until the source speaks.
 *
 *     source        ----b--c--      b = x y   c = x
 *     remembered    a               a = x z
 *     discovery     a---b--c--      a is stale, since it was last right
 *
 * Each fresh set of the source is remembered: in memory for later subscribers of this discovery, and in the file if
 * there is one. An empty set is remembered too, as the end of what was known before, but nothing starts with it. While
 * the source is connected what it said stays young, however long nothing changes. Nodes keep their `sources`, and an
 * unchanged one its object, from the remembered set to that of the source.
 *
 * A file that cannot be read, is no cache or holds bad entries is told as a `skipped` event, and replaced in time; one
 * that cannot be written is told likewise. Errors and completes as the source does.
 *
 * ```ts
 * cacheDiscovery(etcd(options), { file: '/var/cache/thumbnails/nodes.json' });
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for an age or delay that is not positive.
 */
export function cacheDiscovery(source: Discovery, options: CacheDiscoveryOptions = {}): Discovery {
  const { file, maxAgeMs = 86_400_000, writeDelayMs = 1_000 } = options;
  requireOption(maxAgeMs > 0, 'maxAgeMs', 'more than 0', maxAgeMs);
  requireOption(writeDelayMs >= 0 && writeDelayMs < Infinity, 'writeDelayMs', 'at least 0', writeDelayMs);
  requireOption(file === undefined || file !== '', 'file', 'a path', JSON.stringify(file));
  const memory = new Map<string, Remembered>();
  const cacheFile = file === undefined ? undefined : new CacheFile(resolve(file));
  return (query) => cached(source, query, memory, cacheFile, { maxAgeMs, writeDelayMs });
}

function cached(
  source: Discovery,
  query: DiscoveryQuery,
  memory: Map<string, Remembered>,
  file: CacheFile | undefined,
  { maxAgeMs, writeDelayMs }: Required<Omit<CacheDiscoveryOptions, 'file'>>,
): Observable<NodeSet> {
  const { scheduler = asyncScheduler, onEvent } = query;
  const key = JSON.stringify([query.service, query.namespace ?? null]);
  const skipped = (message: string, cause?: unknown) =>
    onEvent?.({ source: 'cache', type: 'skipped', message, cause } satisfies DiscoveryEvent);

  return new Observable((subscriber) => {
    const line = new NodeLine();
    // Rewritten before a quarter of its age has passed, so that what is right never looks old.
    const refreshMs = Math.min(maxAgeMs / 4, 3_600_000);
    const writer = file && new CacheWriter(file, key, { scheduler, writeDelayMs, refreshMs, onFailure: skipped });
    let heard = false;

    const start = ({ set, at }: Remembered) => {
      if (heard || subscriber.closed || set.size === 0) return;
      const age = Math.max(0, scheduler.now() - at);
      if (age > maxAgeMs) return skipped(`what is remembered of ${query.service} is ${seconds(age)} old: not used`);
      // Never from the future, even when the clock went back.
      const since = scheduler.now() - age;
      const stale = { since, reason: `remembered from ${seconds(age)} ago; the source has not spoken yet` };
      subscriber.next(line.next(memory, set.withStale(stale)));
    };
    const known = memory.get(key);
    if (known) start(known);
    else if (file) subscriber.add(file.load(key, skipped).subscribe((found) => found && start(found)));

    const aged = (at: number) => {
      const last = memory.get(key);
      if (last?.at === Infinity) memory.set(key, { set: last.set, at });
    };
    const take = (set: NodeSet) => {
      heard = true;
      const before = line.current;
      const next = line.next(source, set);
      if (next.stale) {
        aged(next.stale.since);
        writer?.age();
      } else {
        memory.set(key, { set: next, at: Infinity });
        writer?.put({ set: next, at: scheduler.now() });
      }
      if (next !== before) subscriber.next(next);
    };
    if (!subscriber.closed) {
      subscriber.add(
        source(query).subscribe({
          next: take,
          error: (error: unknown) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      );
    }
    return () => {
      aged(scheduler.now());
      writer?.unsubscribe();
    };
  });
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
