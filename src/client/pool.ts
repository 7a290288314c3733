/** A pool of anything that there is one of per node: SQL clients, HTTP agents, SDKs. */

import { BehaviorSubject, defaultIfEmpty, from, map, take, type Observable, type ObservableInput } from 'rxjs';
import type { AttemptContext, CallOptions } from '../call/call.js';
import { observedStart } from '../call/observedStart.js';
import type { Connection, ConnectivityState } from '../core/channel.js';
import type { Node } from '../core/node.js';
import { activeHealth, type ActiveHealthOptions } from '../health/activeHealth.js';
import type { Verdict } from '../health/healthCheck.js';
import { createEngine, liveNodesOf } from './engine.js';
import type { EngineOptions, LiveNodes } from './engineOptions.js';

export interface PoolOptions<T> extends Omit<EngineOptions<Connection>, 'use'> {
  /** Makes the resource of a node. It counts as ready at once; one that throws is tried again with the next call. */
  readonly open: (node: Node) => T;
  /** Ends a resource that is no longer needed, after the calls on it have ended. */
  readonly close?: (resource: T) => unknown;
  /** Asks a resource whether it works: an error means no. Every 10 s, 3 failures out, 2 successes in. */
  readonly probe?: (resource: T) => ObservableInput<unknown>;
  /** When to probe, and what the answers mean. */
  readonly health?: ActiveHealthOptions;
}

/** Options of one use of a pool. */
export interface UseOptions extends CallOptions {
  /** For messages and metrics. Default `use`, or the name of the method. */
  readonly name?: string;
}

export interface Pool<T> extends LiveNodes {
  /**
   * Works with the resource of a node of the balancer's choice. Cold: each subscription is a use of its own.
   *
   * What the work throws, rejects or errors with becomes a `FleetError` with the thing as its `cause`, of the code
   * `UNKNOWN`. Work is not repeated on another node unless you say that it may be:
   * `{ failover: true, retry: { retryableCodes: ['UNKNOWN'] } }`.
   */
  use<R>(work: (resource: T, attempt: AttemptContext) => ObservableInput<R>, options?: UseOptions): Observable<R>;
  /** The methods of the resource, each returning a cold Observable: balanced and protected, without generated code. */
  client(options?: UseOptions): PoolClient<T>;
}

/** The methods of `T` as Observables of what they return or resolve to. */
export type PoolClient<T> = {
  readonly [K in keyof T as T[K] extends (...args: never[]) => unknown ? K : never]: T[K] extends (
    ...args: infer A
  ) => infer R
    ? (...args: A) => Observable<Emitted<R>>
    : never;
};

type Emitted<R> = R extends string ? R : R extends ObservableInput<infer V> ? V : R;

/**
 * Starts a pool, until `close()`.
 *
 * ```ts
 * const pool = createPool({
 *   discovery: staticNodes([{ address: 'db-1:5432', weight: 3 }, { address: 'db-2:5432', weight: 1 }]),
 *   open: (node) => connect(node.address),
 *   close: (db) => db.end(),
 *   probe: (db) => db.query('select 1'),
 *   balancer: weightedRandom(),
 * });
 * pool.use((db) => db.query('select now()')).subscribe(console.log);
 * ```
 *
 * @throws FleetError `INVALID_OPTION`, naming the option.
 */
export function createPool<T>(options: PoolOptions<T>): Pool<T> {
  const { open, close, probe, health, scheduler, random } = options;
  const check =
    probe && activeHealth<Held<T>>(({ channel }) => probed(probe(channel.value)), { scheduler, random, ...health });
  const engine = createEngine<Held<T>>(options as EngineOptions<Held<T>>, {
    open: (node) => new Held(open(node), close),
    health: check,
  });
  const pool: Pool<T> = {
    ...liveNodesOf(engine),
    use: (work, { name = 'use', ...own } = {}) => {
      const start = observedStart(({ value }: Held<T>, attempt) => from(work(value, attempt)));
      return engine.call({ name, options: own, single: false, idempotent: false, begin: () => ({ start }) });
    },
    client: (own) =>
      new Proxy({} as PoolClient<T>, {
        get: (_, key) =>
          // A thenable would be taken for a promise by `await`.
          key === 'then' || typeof key === 'symbol'
            ? undefined
            : (...args: unknown[]) => pool.use((resource) => invoke(resource, key, args), { name: key, ...own }),
      }),
  };
  return pool;
}

/** Whatever a probe answers is good; an error is not. */
function probed(answer: ObservableInput<unknown>): Observable<Verdict> {
  return from(answer).pipe(
    take(1),
    map(() => ({ serving: true })),
    defaultIfEmpty({ serving: true }),
  );
}

function invoke(resource: unknown, key: string, args: unknown[]): ObservableInput<unknown> {
  const returned = (resource as Record<string, (...args: unknown[]) => unknown>)[key]!(...args);
  const streams =
    typeof returned === 'object' &&
    returned !== null &&
    ('subscribe' in returned || 'then' in returned || Symbol.asyncIterator in returned);
  return streams ? (returned as ObservableInput<unknown>) : [returned];
}

/** A resource in the place where a fleet has a channel. */
class Held<T> implements Connection {
  readonly state$ = new BehaviorSubject<ConnectivityState>('READY');

  constructor(
    readonly value: T,
    private readonly end: ((value: T) => unknown) | undefined,
  ) {}

  get state(): ConnectivityState {
    return this.state$.value;
  }

  connect(): void {}

  close(): void {
    if (this.state === 'SHUTDOWN') return;
    this.state$.next('SHUTDOWN');
    this.state$.complete();
    this.end?.(this.value);
  }
}
