/** A pool of anything that there is one of per node: SQL clients, HTTP agents, SDKs. */

import { defaultIfEmpty, from, map, take, type Observable, type ObservableInput } from 'rxjs';
import type { CallOptions, StartAttempt } from '../call/call.js';
import { intoSink } from '../call/intoSink.js';
import { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import type { Discovery } from '../discovery/discovery.js';
import { activeHealth, type ActiveHealthOptions } from '../health/activeHealth.js';
import type { Verdict } from '../health/healthCheck.js';
import { createEngine, liveNodesOf } from './engine.js';
import type { EngineOptions, LiveNodes } from './engineOptions.js';
import { Held } from './pool/held.js';
import { PoolAttempt } from './pool/poolAttempt.js';
import { poolFailure, type ClassifyFailure } from './pool/poolFailure.js';
import { PoolMembers, type PoolMember } from './pool/poolMembers.js';
import type { Selection, SelectOptions } from './select.js';

export interface PoolOptions<T> extends Omit<EngineOptions<T>, 'discovery'> {
  /** Members to begin with. */
  readonly members?: readonly PoolMember<T>[];
  /** Where further members are listed, such as `staticNodes()` or `etcd()`. Default: nowhere. */
  readonly discovery?: Discovery;
  /**
   * Makes the resource of a member that was added without one. It counts as ready at once; one that throws is tried again
   * with the next call.
   */
  readonly open?: (node: Node) => T;
  /**
   * Ends a resource that is no longer needed, after the calls on it have ended: one that was opened when its connection is
   * given up, one that a member brought once the member leaves or the pool closes. May give a promise, for which the pool's
   * `close()` waits; that it fails is nobody's error. Default: its `Symbol.asyncDispose` or `Symbol.dispose`, if it has one.
   */
  readonly close?: (resource: T) => unknown;
  /** Asks a resource whether it works: an error means no. Every 10 s, 3 failures out, 2 successes in. */
  readonly probe?: (resource: T) => ObservableInput<unknown>;
  /** When to probe, and what the answers mean. */
  readonly health?: ActiveHealthOptions;
  /**
   * What a failure of the work means: a code, or a `FleetError` that also says whether it was `sent`. Default, and where it gives
   * undefined: by the codes of Node.js; what is not known is `UNKNOWN`.
   */
  readonly classify?: ClassifyFailure;
}

/** Options of one use of a pool. */
export interface UseOptions extends CallOptions {
  /** For messages and metrics. Default `use`, or the name of the method. */
  readonly name?: string;
}

export interface Pool<T> extends LiveNodes {
  /**
   * Works with the resource of a member of the balancer's choice. Cold: each subscription is a use of its own.
   *
   * What the work throws, rejects or errors with becomes a `FleetError` with the thing as its `cause`; see `classify`. What
   * surely never reached its member goes to another one; what may have is repeated only where you say that it may be:
   * `{ failover: true }`, here or in `calls`. Then failures of unknown kind count as well as broken connections.
   */
  use<R>(work: (resource: T, attempt: PoolAttempt) => ObservableInput<R>, options?: UseOptions): Observable<R>;
  /** The methods of the resource, each returning a cold Observable: balanced and protected, without generated code. */
  client(options?: UseOptions): PoolClient<T>;
  /**
   * A member of the balancer's choice, at once, for work that is no use of this pool. It counts as in use until its `report()`.
   *
   * @throws FleetError when nobody can be selected now, with the reasons.
   */
  select(options?: SelectOptions): Selection<T>;
  /**
   * Adds a member while the pool runs, in the place of the one of the same id.
   *
   * @throws FleetError `INVALID_OPTION` for a member that makes no sense, or one without a resource where there is no `open`.
   */
  add(member: PoolMember<T>): void;
  /** Takes a member out: no new work, and what runs may end. False when there is none of this id. */
  remove(id: string): boolean;
  /** Changes the weight of a member. False when there is none of this id. */
  reweight(id: string, weight: number): boolean;
}

/** The methods of `T` as Observables of what they return, resolve to or emit. An array that is returned is one value. */
export type PoolClient<T> = {
  readonly [K in keyof T as T[K] extends (...args: never[]) => unknown ? K : never]: T[K] extends (
    ...args: infer A
  ) => infer R
    ? (...args: A) => Observable<Emitted<R>>
    : never;
};

/** What `use` takes apart; anything else, an array or bytes as well, is one answer. */
type Emitted<R> = R extends Observable<infer V> | PromiseLike<infer V> | AsyncIterable<infer V> ? V : R;

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
 *
 * const clients = createPool({ members: [{ id: 'eu', resource: eu }, { id: 'us', resource: us, weight: 2 }] });
 * clients.add({ id: 'ap', resource: ap });
 * ```
 *
 * @throws FleetError `INVALID_OPTION`, naming the option.
 */
export function createPool<T>(options: PoolOptions<T>): Pool<T> {
  const { open, close = dispose, probe, health, scheduler, random, classify, calls = {} } = options;
  // Ends of resources that take a while, which the pool waits for before it is gone.
  const ending = new Set<PromiseLike<unknown>>();
  const end = (resource: T) => {
    try {
      const ended = close(resource) as PromiseLike<unknown> | undefined;
      if (typeof ended?.then !== 'function') return;
      ending.add(ended);
      const forget = () => void ending.delete(ended);
      ended.then(forget, forget);
    } catch {
      // A resource that fails to end is given up all the same.
    }
  };
  const members = new PoolMembers<T>(options.members ?? [], { service: options.service ?? '', end });
  const check =
    probe && activeHealth<Held<T>>(({ channel }) => probed(probe(channel.value)), { scheduler, random, ...health });
  for (const { id } of options.members ?? []) requireResource(id);
  const retry = calls.retry === false ? false : { ...repeatable, ...calls.retry };
  // What new work gets, by the ids of the members.
  const inUse = new Map<string, Held<T>>();
  const hold = (node: Node): Held<T> => {
    const { id } = node;
    const given = members.given(id);
    requireResource(id);
    const value = given ? given.value : open!(node);
    given?.hold();
    const held = new Held(value, given, () => {
      if (inUse.get(id) === held) inUse.delete(id);
      if (given) given.release();
      else end(value);
    });
    inUse.set(id, held);
    return held;
  };
  const engine = createEngine<Held<T>, T>(
    { ...options, calls: { ...calls, retry }, discovery: members.discovery(options.discovery) },
    { open: hold, resourceOf: ({ value }) => value, health: check },
  );

  function requireResource(id: string): void {
    if (open || members.given(id)) return;
    throw new FleetError('INVALID_OPTION', `member ${id} needs a resource, since the pool has no open`);
  }

  const pool: Pool<T> = {
    ...liveNodesOf(engine),
    select: (selecting) => engine.select(selecting),
    add(member) {
      if (!open && !('resource' in member)) {
        throw new FleetError('INVALID_OPTION', `member ${member.id} needs a resource, since the pool has no open`);
      }
      members.add(member);
      // Who is replaced while a change is being told is not seen to leave.
      const held = inUse.get(member.id);
      if (held && held.given !== members.given(member.id)) held.retire();
    },
    remove: (id) => members.remove(id),
    reweight: (id, weight) => members.reweight(id, weight),
    async close(closeOptions) {
      await engine.close(closeOptions);
      members.close();
      await Promise.allSettled(ending);
    },
    [Symbol.asyncDispose]: () => pool.close(),
    use<R>(work: (resource: T, attempt: PoolAttempt) => ObservableInput<R>, given: UseOptions = {}) {
      const { name = 'use', ...own } = given;
      const started = { start: workStart(work, classify) };
      const merged = own.retry && retry ? { ...own, retry: { ...retry, ...own.retry } } : own;
      return engine.call({ name, options: merged, single: false, idempotent: false, begin: () => started });
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

/** What another member may mend, where work may be repeated. */
const repeatable = { retryableCodes: ['UNAVAILABLE', 'UNKNOWN'] } as const;

function workStart<T, R>(
  work: (resource: T, attempt: PoolAttempt) => ObservableInput<R>,
  classify: ClassifyFailure | undefined,
): StartAttempt<T, R> {
  return (resource, context, sink) => {
    const attempt = new PoolAttempt(context);
    let answers$: Observable<R>;
    let promised = false;
    let done = false;
    try {
      const answers = work(resource, attempt);
      promised = isPromise(answers);
      if (promised) sink.single?.();
      answers$ = from(answers);
    } catch (thrown) {
      throw poolFailure(thrown, classify);
    }
    const subscription = intoSink(answers$, context.call, {
      next(value) {
        // Who takes the answer of a promise and leaves gives nothing up: what it holds, as a body, may be read on.
        done = promised;
        sink.next(value);
      },
      error(error: unknown) {
        done = true;
        sink.error(poolFailure(error, classify));
      },
      complete() {
        done = true;
        sink.complete();
      },
    });
    return {
      unsubscribe() {
        subscription.unsubscribe();
        if (!done) attempt.abort();
      },
    };
  };
}

function isPromise(answers: ObservableInput<unknown>): boolean {
  return typeof (answers as Partial<PromiseLike<unknown>>).then === 'function';
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

/** How a resource ends that says so itself. */
function dispose(resource: unknown): unknown {
  if (typeof resource !== 'object' || resource === null) return undefined;
  const { [Symbol.asyncDispose]: later, [Symbol.dispose]: now } = resource as Partial<AsyncDisposable & Disposable>;
  return later ? later.call(resource) : now?.call(resource);
}
