/** One session with Consul: answers to blocking queries as node sets, and an empty one only when it is meant. */

import { map, mergeMap, of, throwError, type Observable } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { NodeSet, type Staleness } from '../../core/nodeSet.js';
import type { Polled } from './blockingQuery.js';
import { failureOf } from './failure.js';
import type { ConsulAnswer, ConsulHttp } from './http.js';
import { listing, type ListingOptions } from './listing.js';

export interface ConsulSessionOptions extends Omit<ListingOptions, 'now'> {
  readonly http: ConsulHttp;
  readonly passingOnly: boolean;
  readonly mode: 'default' | 'stale' | 'consistent';
  readonly waitMs: number;
  readonly now: () => number;
}

export interface Listed extends Polled {
  readonly set: NodeSet;
}

/** The question that is asked at each index, as a function. */
export function consulSession(options: ConsulSessionOptions): (index: bigint) => Observable<Listed> {
  const { http, query, passingOnly, mode, waitMs } = options;
  const service = query.service;
  let leaderless: Staleness | undefined;

  const read = (answer: ConsulAnswer): Listed => {
    if (answer.status !== 200) throw failureOf(http, `the query for service "${service}"`, answer);
    const hasLeader = answer.header('x-consul-knownleader') !== 'false';
    leaderless = hasLeader ? undefined : (leaderless ?? noLeader(options, answer));
    const nodes = listing(entriesOf(http, answer.text), { ...options, now: options.now() });
    return { index: indexOf(answer), set: NodeSet.of(nodes, leaderless) };
  };
  const confirmed = (listed: Listed, filtered: boolean): Observable<Listed> => {
    if (listed.set.size > 0) return of(listed);
    // An agent that has lost its servers may not have caught up with them yet.
    if (leaderless)
      return throwError(
        () => new FleetError('UNAVAILABLE', `consul at ${http.endpoint}: ${leaderless!.reason}, and lists nothing`),
      );
    if (filtered) return throwError(() => notAllowed(options));
    return mayRead(options).pipe(map(() => listed));
  };
  return (index) => {
    const request = {
      method: 'GET' as const,
      path: `/v1/health/service/${encodeURIComponent(service)}`,
      query: {
        ...(passingOnly ? { passing: 'true' } : {}),
        ...(mode === 'default' ? {} : { [mode]: '' }),
        ...(index > 0n ? { index: String(index), wait: `${waitMs}ms` } : {}),
      },
      // Consul adds up to a sixteenth, so that not all return at once.
      holdMs: index > 0n ? waitMs + waitMs / 16 : 0,
    };
    return http(request).pipe(
      map((answer) => ({
        listed: read(answer),
        filtered: answer.header('x-consul-results-filtered-by-acls') === 'true',
      })),
      mergeMap(({ listed, filtered }) => confirmed(listed, filtered)),
    );
  };
}

/**
 * Whether an empty list is the truth. Consul answers a token that may not read a service with an empty list, not with a
 * refusal; so it is asked for the right itself. Where ACLs are off or too old to be asked, empty is empty.
 */
function mayRead(options: ConsulSessionOptions): Observable<void> {
  const { http, query, skipped } = options;
  const right = (Resource: string, Segment: string) => ({ Resource, Access: 'read', Segment });
  const body = [right('service', query.service), right('node', '')];
  return http({ method: 'POST', path: '/v1/internal/acl/authorize', body }).pipe(
    map((answer) => {
      if (answer.status >= 500 || answer.status === 403) throw failureOf(http, 'the check of the ACL token', answer);
      if (answer.status !== 200) return;
      const rights = parsed(answer.text);
      if (!Array.isArray(rights)) return;
      const denied = (at: number) => (rights[at] as { Allow?: unknown } | undefined)?.Allow === false;
      if (denied(0)) throw notAllowed(options);
      if (denied(1)) {
        skipped(
          'it lists nothing, and the ACL token may not read nodes, without which nothing is listed: allow node_prefix ""',
          undefined,
        );
      }
    }),
  );
}

function notAllowed({ http, query }: ConsulSessionOptions): FleetError {
  const rights = `give an ACL token with service:read on "${query.service}" and node:read`;
  return new FleetError('PERMISSION_DENIED', `consul at ${http.endpoint} hides service "${query.service}": ${rights}`);
}

function noLeader({ now }: ConsulSessionOptions, answer: ConsulAnswer): Staleness {
  const contact = Number(answer.header('x-consul-lastcontact'));
  return { since: now() - (contact > 0 ? contact : 0), reason: 'consul knows no leader of its servers' };
}

function indexOf(answer: ConsulAnswer): bigint {
  const text = answer.header('x-consul-index') ?? '';
  return /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
}

function entriesOf(http: ConsulHttp, text: string): readonly unknown[] {
  const entries = parsed(text);
  if (Array.isArray(entries)) return entries;
  throw new FleetError(
    'BAD_RESPONSE',
    `consul at ${http.endpoint} sent no list of services; check that the address is that of a Consul agent`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
