/** A registry in the memory of this process: for tests, examples, and services that find each other within it. */

import { asyncScheduler, BehaviorSubject, combineLatest, defer, distinctUntilChanged, EMPTY, map, of } from 'rxjs';
import { scan, throwError, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { createNode, type Node } from '../core/node.js';
import type { NodeSet, Staleness } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import type { Discovery } from '../discovery/discovery.js';
import { settled } from '../discovery/settled.js';
import type { Lease, Registry } from './registry.js';

export interface MemoryRegistryOptions {
  /** Life of a registration without a heartbeat, in milliseconds. Default 30,000. */
  readonly ttlMs?: number;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

export interface MemoryRegistry extends Registry {
  /** Lists what is registered. */
  readonly discovery: Discovery;
  /** What is registered now, then each change. */
  readonly nodes$: Observable<readonly Node[]>;
  /** Drops the node of this id, as a registry does that lost its memory. */
  forget(id: string): void;
  /** While false it answers nobody, as behind a broken network: errors, stale sets, and lives that end. */
  connect(connected: boolean): void;
}

interface Entry {
  readonly node: Node;
  readonly expiry: Subscription;
}

/**
 * An empty registry.
 *
 * ```ts
 * const registry = memoryRegistry();
 * register({ service: 'echo', address: '127.0.0.1:50051' }, registry).subscribe();
 * const fleet = createFleet({ service: 'echo', discovery: registry.discovery, transport });
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a life of 0 or less.
 */
export function memoryRegistry(options: MemoryRegistryOptions = {}): MemoryRegistry {
  const { ttlMs = 30_000, scheduler = asyncScheduler } = options;
  requireOption(ttlMs > 0, 'ttlMs', 'above 0', ttlMs);
  const entries = new Map<string, Entry>();
  const nodes$ = new BehaviorSubject<readonly Node[]>([]);
  const stale$ = new BehaviorSubject<Staleness | undefined>(undefined);

  const tell = () => nodes$.next([...entries.values()].map(({ node }) => node));
  const drop = (id: string) => {
    const entry = entries.get(id);
    if (!entry) return;
    entry.expiry.unsubscribe();
    entries.delete(id);
    tell();
  };
  const keep = (node: Node): Entry => {
    entries.get(node.id)?.expiry.unsubscribe();
    const entry = { node, expiry: scheduler.schedule(() => drop(node.id), ttlMs) };
    entries.set(node.id, entry);
    return entry;
  };
  /** Runs when it is subscribed to, unless cut off. */
  const asked = <T>(answer: () => Observable<T>): Observable<T> =>
    defer(() => {
      if (!stale$.value) return answer();
      const message = 'memory: the registry is cut off: connect(true) brings it back';
      return throwError(() => new FleetError('UNAVAILABLE', message));
    });
  const leaseOf = (node: Node): Lease => {
    let mine = entries.get(node.id)!;
    /** Puts a node in the place of ours; another lease may have taken that. */
    const replaced = (next: Node): boolean => {
      if (entries.get(node.id) !== mine) return false;
      mine = keep(next);
      return true;
    };
    const lost = () => throwError(() => new FleetError('NOT_FOUND', `memory: ${node.id} is not registered any more`));
    return {
      key: node.id,
      ttlMs,
      renew: () => asked(() => (replaced(mine.node) ? of(ttlMs) : lost())),
      update: (next) =>
        asked(() => {
          if (!replaced(next)) return lost();
          tell();
          return EMPTY;
        }),
      withdraw: () =>
        asked(() => {
          if (entries.get(node.id) === mine) drop(node.id);
          return EMPTY;
        }),
    };
  };
  const listed = (node: Node, service: string, namespace: string | undefined) =>
    node.service === service && (namespace === undefined || node.namespace === namespace);

  return {
    name: 'memory',
    nodes$,
    put: (node) =>
      asked(() => {
        keep(node);
        tell();
        return of(leaseOf(node));
      }),
    discovery: ({ service, namespace }) =>
      combineLatest([nodes$, stale$]).pipe(
        map(([nodes, stale]) => {
          const found = nodes.filter((node) => listed(node, service, namespace));
          return { stale, found: found.map((node) => createNode({ ...node, sources: ['memory'], stats: undefined })) };
        }),
        scan((before: NodeSet | undefined, { found, stale }) => settled(before, found, stale), undefined),
        map((set) => set!),
        distinctUntilChanged(),
      ),
    forget: drop,
    connect: (connected) => {
      if (connected === !stale$.value) return;
      stale$.next(connected ? undefined : { since: scheduler.now(), reason: 'memory is cut off' });
    },
  };
}
