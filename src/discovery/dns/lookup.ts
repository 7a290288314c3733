/** From names to nodes: SRV records and what stands behind their targets, or the plain addresses of a name. */

import {
  catchError,
  defer,
  forkJoin,
  from,
  map,
  mergeMap,
  of,
  throwError,
  toArray,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { createNode, type Node, type NodeInit } from '../../core/node.js';
import type { DiscoveryQuery } from '../discovery.js';
import type { AnswerCache, Cached } from './answerCache.js';
import { attributesOf } from './attributes.js';
import { type DnsRecord, type Question, type SrvRecord } from './record.js';
import { placeOf, srvIds } from './srvIds.js';
import { srvWeights } from './srvWeights.js';

export interface LookupOptions {
  readonly query: DiscoveryQuery;
  /** The whole name, without a final dot. */
  readonly name: string;
  readonly cache: AnswerCache;
  /** Of the nodes behind plain addresses. */
  readonly port: number | undefined;
  /** Whose TXT records are asked for. */
  readonly attributes: 'target' | 'name' | 'none';
  readonly scheduler: SchedulerLike;
  readonly skipped: (message: string) => void;
}

/** What one look found. */
export interface Lookup {
  readonly nodes: readonly Node[];
  /** When the first of its answers runs out, in milliseconds since the epoch. */
  readonly refreshAt: number;
  /** Why some of it may be past its time. */
  readonly stale: string | undefined;
}

/** What is known of a target. */
interface Host {
  readonly addresses: readonly string[];
  readonly attributes: Partial<NodeInit>;
  readonly expiresAt: number;
  readonly stale: string | undefined;
}

/** How many targets are asked for at a time. */
const atOnce = 16;
/** When a name that failed is looked at again, in milliseconds. */
const retryMs = 5_000;

/**
 * Looks up SRV records. Ids are kept from one look to the next.
 *
 * Errors when the SRV records themselves cannot be had. A target whose addresses cannot be had keeps the last that are
 * known, or is left out, and the look is stale; one that has none is left out.
 */
export function srvLookup(options: LookupOptions): () => Observable<Lookup> {
  const { cache, name, skipped } = options;
  let ids: ReadonlyMap<string, string> = new Map();

  const nodesOf = (records: readonly SrvRecord[], hosts: ReadonlyMap<string, Host>, expiresAt: number): Lookup => {
    const found = srvIds(records, ids);
    ids = new Map(records.map((record, index) => [placeOf(record), found[index]!]));
    const weights = srvWeights(records);
    const nodes = records.flatMap((record, index) => {
      const host = hosts.get(record.target)!;
      if (host.addresses.length === 0) {
        skipped(host.stale ?? `${record.target}, a target of ${name}, has no address`);
        return [];
      }
      try {
        const priority = String(record.priority);
        return [
          nodeOf(
            options,
            host,
            { id: found[index]!, name: record.target, weight: weights[index]! },
            record.port,
            priority,
          ),
        ];
      } catch (error) {
        skipped(`${placeOf(record)}, a target of ${name}: ${FleetError.from(error).message}`);
        return [];
      }
    });
    const all = [...hosts.values()];
    const refreshAt = Math.min(expiresAt, ...all.map((host) => host.expiresAt));
    return { nodes, refreshAt, stale: all.find(({ stale }) => stale !== undefined)?.stale };
  };

  return () =>
    cache.get({ name, type: 'SRV' }).pipe(
      mergeMap(({ records, expiresAt }) => {
        const srv = distinct(records);
        const targets = [...new Set(srv.map(({ target }) => target))];
        cache.retain([name, ...targets]);
        return from(targets).pipe(
          mergeMap((target) => hostOf(options, target).pipe(map((host) => [target, host] as const)), atOnce),
          toArray(),
          map((hosts) => nodesOf(srv, new Map(hosts), expiresAt)),
        );
      }),
    );
}

/** Looks up the addresses of one name; each is a node. Errors when they cannot be had. */
export function addressLookup(options: LookupOptions): () => Observable<Lookup> {
  const { cache, name, attributes } = options;
  const port = options.port!;
  const family = (type: 'A' | 'AAAA') =>
    cache.get({ name, type }).pipe(
      catchError((error: FleetError) => {
        // Not to be mistaken for "none", where there were some.
        if ((cache.last({ name, type })?.records.length ?? 0) > 0) return throwError(() => error);
        return of({ records: [] as readonly DnsRecord[], expiresAt: options.scheduler.now() + retryMs, error });
      }),
    );
  return () =>
    forkJoin([family('A'), family('AAAA'), textOf(options, attributes === 'none' ? undefined : name)]).pipe(
      map(([a, aaaa, text]) => {
        const addresses = addressesOf([...a.records, ...aaaa.records]);
        const failed = [a, aaaa].find((answer): answer is typeof a & { error: FleetError } => 'error' in answer);
        if (addresses.length === 0 && failed) throw failed.error;
        const expiresAt = Math.min(a.expiresAt, aaaa.expiresAt, text.expiresAt);
        const host: Host = { addresses, attributes: attributesOf(text.records), expiresAt, stale: undefined };
        const nodes = addresses.map((address) =>
          nodeOf(options, { ...host, addresses: [address] }, {}, port, undefined),
        );
        return { nodes, refreshAt: expiresAt, stale: undefined };
      }),
    );
}

function hostOf(options: LookupOptions, target: string): Observable<Host> {
  const { attributes, name } = options;
  const text = attributes === 'none' ? undefined : attributes === 'name' ? name : target;
  const address = (type: 'A' | 'AAAA') => orNothing(options, { name: target, type });
  return forkJoin([address('A'), address('AAAA'), textOf(options, text)]).pipe(
    map(([a, aaaa, txt]) => {
      const addresses = addressesOf([...a.records, ...aaaa.records]);
      // That one family fails where the other is there, and always was, is how some networks are.
      const old = [a, aaaa].find(({ stale, records }) => stale !== undefined && records.length > 0);
      const none = addresses.length === 0 ? (a.stale ?? aaaa.stale) : undefined;
      return {
        addresses,
        attributes: attributesOf(txt.records),
        expiresAt: Math.min(a.expiresAt, aaaa.expiresAt, txt.expiresAt),
        stale: old?.stale ?? none,
      };
    }),
  );
}

function textOf(options: LookupOptions, name: string | undefined): Observable<Cached> {
  return name === undefined ? of({ records: [], expiresAt: Infinity }) : orNothing(options, { name, type: 'TXT' });
}

function orNothing({ cache, scheduler }: LookupOptions, question: Question): Observable<Cached> {
  return defer(() => cache.getOrStale(question)).pipe(
    catchError((error: FleetError) => of({ records: [], expiresAt: scheduler.now() + retryMs, stale: error.message })),
  );
}

function nodeOf(options: LookupOptions, host: Host, init: NodeInit, port: number, priority: string | undefined): Node {
  const { query, scheduler } = options;
  const now = scheduler.now();
  const { metadata, ...attributes } = host.attributes;
  return createNode({
    service: query.service,
    ...(query.namespace === undefined ? {} : { namespace: query.namespace }),
    ...attributes,
    ...init,
    addresses: host.addresses.map((address) => ({ host: address, port })),
    metadata: { ...metadata, ...(priority === undefined ? {} : { priority }) },
    sources: ['dns'],
    firstSeen: now,
    lastSeen: now,
  });
}

/** Each place once, in an order of its own, since servers turn their records round. */
function distinct(records: readonly DnsRecord[]): SrvRecord[] {
  const places = new Map<string, SrvRecord>();
  for (const record of records) {
    // The target "." says that there is no such service (RFC 2782).
    if (record.type !== 'SRV' || record.target === '.' || record.target === '') continue;
    const srv = { ...record, target: record.target.toLowerCase() };
    const other = places.get(placeOf(srv));
    if (!other || srv.priority < other.priority) places.set(placeOf(srv), srv);
  }
  return [...places.values()].sort((a, b) => (a.target === b.target ? a.port - b.port : a.target < b.target ? -1 : 1));
}

function addressesOf(records: readonly DnsRecord[]): string[] {
  const found = (type: 'A' | 'AAAA') => records.flatMap((record) => (record.type === type ? [record.address] : []));
  return [...new Set([...found('A').sort(), ...found('AAAA').sort()])];
}
