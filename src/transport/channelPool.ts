/**
 * Which connections a client holds: one to each node, opened, renewed and given up by rule.
 *
 * A fleet holds channels in it, a pool of anything else whatever it wraps as a `Connection`. Nodes come and go by
 * `follow`; calls take the connection of their node by `acquire`. What happens to a connection is told by `states$`,
 * so that balancers see it as the availability of the node.
 */

import { asyncScheduler, filter, Observable, Subject, Subscription, type SchedulerLike } from 'rxjs';
import { formatAddress } from '../core/address.js';
import { exponentialBackoff } from '../core/backoff.js';
import type { Connection, ConnectivityState } from '../core/channel.js';
import { FleetError } from '../core/fleetError.js';
import type { Availability, Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { PooledConnection } from './pooledConnection.js';

/** How connections are kept. Each field is optional. */
export interface ChannelPoolOptions {
  /** True dials each node as soon as it is known, and again when its connection is lost; false with its first call. Default true. */
  readonly eager?: boolean;
  /** A connection without calls for this long is closed; the next call opens a new one. In milliseconds ± `jitter`, default 300,000 (5 minutes). */
  readonly idleMs?: number;
  /** A connection this old is replaced: the new one is opened first, then the old one drains. In milliseconds ± `jitter`, default 1,800,000 (30 minutes). gRPC's `MAX_CONNECTION_AGE`, from the client's side. */
  readonly lifetimeMs?: number;
  /** How long calls may go on over a connection that is being given up, in milliseconds. Default 30,000. */
  readonly drainMs?: number;
  /** `idleMs` and `lifetimeMs` are spread evenly over ± this fraction, so that connections do not end together. Default 0.1. */
  readonly jitter?: number;
  /** Most connections in use at once. Past it the one that was idle longest is closed. Default: no limit. */
  readonly maxConnections?: number;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** The state of the connection to one node. */
export interface ConnectionState {
  /** The id of the node. */
  readonly id: string;
  readonly state: ConnectivityState;
  /** The same in the words of a node: `IDLE` is `discovered`, `TRANSIENT_FAILURE` is `unavailable`. */
  readonly availability: Availability;
  /** Why the last dialling failed, while it is `unavailable`. */
  readonly reason: string | undefined;
}

/** A connection that is kept open while a call uses it. */
export interface ConnectionLease<C> {
  readonly connection: C;
  /** The call is over. Exactly once. */
  release(): void;
}

export interface ChannelPool<C extends Connection> {
  /** Opens what is new in the set, drains what is gone, replaces what has other addresses. */
  follow(set: NodeSet): void;
  /**
   * The connection to a node, opened if need be, and counted as in use until `release`. Undefined when the node is
   * not in the set that was followed last.
   *
   * @throws FleetError `RESOURCE_EXHAUSTED` when `maxConnections` are all in use.
   */
  acquire(node: Node): ConnectionLease<C> | undefined;
  /** The open connection to a node, if there is one; not counted. */
  get(id: string): C | undefined;
  /** The state of each connection now, then each change. Completes on `close`. */
  readonly states$: Observable<ConnectionState>;
  /** The same for one node. */
  state$(id: string): Observable<ConnectionState>;
  /** How many connections are open, those that drain included. */
  readonly size: number;
  /** Closes all, with the calls that are on them. */
  close(): void;
}

/**
 * A pool of connections, made by `open`.
 *
 *     node      a--------------------(-a)     lifetime 10, drain 4
 *     open      o---------n                   the new one is dialled before the old one goes
 *     in use    ==========XX--                calls on the old one end on the old one
 *     close     -----------x                  when the last of them is over, or 4 later
 *
 * @throws FleetError `INVALID_OPTION` for a time or limit that makes no sense.
 */
export function channelPool<C extends Connection>(
  options: ChannelPoolOptions & { readonly open: (node: Node) => C },
): ChannelPool<C> {
  return new Pool(options.open, resolve(options));
}

type Resolved = Required<ChannelPoolOptions>;

function resolve(options: ChannelPoolOptions): Resolved {
  const {
    eager = true,
    idleMs = 300_000,
    lifetimeMs = 1_800_000,
    drainMs = 30_000,
    jitter = 0.1,
    maxConnections = Infinity,
    scheduler = asyncScheduler,
    random = Math.random,
  } = options;
  requireOption(idleMs > 0, 'idleMs', 'more than 0', idleMs);
  requireOption(lifetimeMs > 0, 'lifetimeMs', 'more than 0', lifetimeMs);
  requireOption(drainMs >= 0, 'drainMs', 'at least 0', drainMs);
  requireOption(jitter >= 0 && jitter < 1, 'jitter', 'from 0 to less than 1', jitter);
  requireOption(maxConnections >= 1, 'maxConnections', 'at least 1', maxConnections);
  return { eager, idleMs, lifetimeMs, drainMs, jitter, maxConnections, scheduler, random };
}

class Pool<C extends Connection> implements ChannelPool<C> {
  readonly states$: Observable<ConnectionState>;
  readonly #changes$ = new Subject<ConnectionState>();
  readonly #slots = new Map<string, Slot<C>>();
  readonly #ports: SlotPorts<C>;
  #set = NodeSet.empty;
  #next: NodeSet | undefined;
  #following = false;
  #closed = false;
  /** Open connections, those of the slots and those that drain. */
  readonly #open = new Set<PooledConnection<C>>();

  constructor(
    open: (node: Node) => C,
    private readonly options: Resolved,
  ) {
    this.#ports = {
      options,
      open: (node) => {
        this.#makeRoom();
        const pooled = new PooledConnection(open(node), options.scheduler);
        this.#open.add(pooled);
        return pooled;
      },
      drain: (pooled) => pooled.drain(options.drainMs, () => this.#open.delete(pooled)),
      changed: (state) => this.#changes$.next(state),
    };
    this.states$ = new Observable((subscriber) => {
      for (const slot of this.#slots.values()) subscriber.next(slot.status());
      return this.#changes$.subscribe(subscriber);
    });
  }

  get size(): number {
    return this.#open.size;
  }

  follow(set: NodeSet): void {
    this.#next = set;
    // Dialling changes states, states change the set, and so it may come back here.
    if (this.#following) return;
    this.#following = true;
    try {
      while (this.#next && !this.#closed) {
        const next: NodeSet = this.#next;
        const { added, removed, updated } = next.changesSince(this.#set);
        this.#next = undefined;
        this.#set = next;
        for (const { id } of removed) this.#remove(id);
        for (const node of updated) this.#slots.get(node.id)?.update(node);
        for (const node of added) this.#add(node);
      }
    } finally {
      this.#following = false;
    }
  }

  acquire(node: Node): ConnectionLease<C> | undefined {
    const slot = this.#slots.get(node.id);
    if (slot === undefined) return undefined;
    const pooled = slot.current ?? slot.open();
    pooled.inFlight++;
    return pooled;
  }

  get(id: string): C | undefined {
    return this.#slots.get(id)?.current?.connection;
  }

  state$(id: string): Observable<ConnectionState> {
    return this.states$.pipe(filter((state) => state.id === id));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const slot of this.#slots.values()) slot.forget();
    this.#slots.clear();
    for (const pooled of this.#open) pooled.close();
    this.#open.clear();
    this.#changes$.complete();
  }

  #add(node: Node): void {
    // A set may name a node as added that is known here, when one in between was never seen.
    if (this.#slots.has(node.id)) return this.#slots.get(node.id)!.update(node);
    const slot = new Slot(node, this.#ports);
    this.#slots.set(node.id, slot);
    if (this.options.eager && this.#open.size < this.options.maxConnections) slot.tryOpen();
  }

  #remove(id: string): void {
    const slot = this.#slots.get(id);
    this.#slots.delete(id);
    slot?.retire();
  }

  /** Below `maxConnections` there is always room; at it, the slot that was idle longest gives way. */
  #makeRoom(): void {
    const { maxConnections } = this.options;
    if (this.#open.size < maxConnections) return;
    let idlest: Slot<C> | undefined;
    for (const slot of this.#slots.values()) {
      const { current } = slot;
      if (current && current.inFlight === 0 && !(idlest && idlest.current!.idleSince <= current.idleSince))
        idlest = slot;
    }
    if (!idlest) {
      throw new FleetError(
        'RESOURCE_EXHAUSTED',
        `all ${maxConnections} connections are in use: raise maxConnections, or call less at once`,
        { sent: false },
      );
    }
    idlest.idle();
  }
}

interface SlotPorts<C extends Connection> {
  readonly options: Resolved;
  readonly open: (node: Node) => PooledConnection<C>;
  readonly drain: (pooled: PooledConnection<C>) => void;
  readonly changed: (state: ConnectionState) => void;
}

/** gRPC's connection backoff, for connections that come up and break at once. */
const reconnectBackoff = exponentialBackoff({ initialBackoffMs: 1_000, maxBackoffMs: 120_000, backoffMultiplier: 1.6 });

/** A connection that was up this long did not break at once. */
const stableMs = 10_000;

/** The place of one node: its connection, the one that will replace it, and their clocks. */
class Slot<C extends Connection> {
  current: PooledConnection<C> | undefined;
  #replacement: PooledConnection<C> | undefined;
  #watch = Subscription.EMPTY;
  #watchReplacement = Subscription.EMPTY;
  #idle = Subscription.EMPTY;
  #lifetime = Subscription.EMPTY;
  #redial = Subscription.EMPTY;
  #state: ConnectivityState = 'IDLE';
  #failure: string | undefined;
  #readySince = 0;
  #breaks = 0;

  constructor(
    private node: Node,
    private readonly ports: SlotPorts<C>,
  ) {}

  status(): ConnectionState {
    const state = this.#state;
    const reason = state === 'TRANSIENT_FAILURE' ? (this.current?.connection.lastError ?? this.#failure) : undefined;
    return { id: this.node.id, state, availability: availabilities[state], reason };
  }

  /** Opens the connection, which was not there. */
  open(): PooledConnection<C> {
    const pooled = this.ports.open(this.node);
    // Dialled before it is looked at, so that nobody picks a node for its being idle in between.
    pooled.connection.connect();
    this.#use(pooled);
    return pooled;
  }

  /** Opens it if that is possible; tries again later where opening itself fails. */
  tryOpen(): void {
    try {
      this.open();
    } catch (thrown) {
      const error = FleetError.from(thrown);
      // Without room it waits for its first call.
      if (error.code === 'RESOURCE_EXHAUSTED') return this.#enter('IDLE');
      const { scheduler, random } = this.ports.options;
      this.#failure = error.message;
      this.#breaks++;
      this.#redial.unsubscribe();
      this.#redial = scheduler.schedule(() => this.current ?? this.tryOpen(), reconnectBackoff(this.#breaks, random));
      this.#enter('TRANSIENT_FAILURE');
    }
  }

  update(node: Node): void {
    const before = this.node;
    this.node = node;
    if (this.current && before.addresses !== node.addresses && !sameAddresses(before, node)) this.#replace();
  }

  /** Gives the connection up until the next call. */
  idle(): void {
    const pooled = this.current;
    this.forget();
    this.#dropReplacement();
    if (pooled) this.ports.drain(pooled);
    this.#enter('IDLE');
  }

  /** The node is gone: nothing new, and what runs may end. */
  retire(): void {
    const pooled = this.current;
    this.forget();
    this.#dropReplacement();
    if (pooled) this.ports.drain(pooled);
  }

  /** Lets go of the connection and of all clocks, without closing it. */
  forget(): void {
    this.current = undefined;
    this.#watch.unsubscribe();
    this.#watchReplacement.unsubscribe();
    this.#idle.unsubscribe();
    this.#lifetime.unsubscribe();
    this.#redial.unsubscribe();
  }

  #use(pooled: PooledConnection<C>): void {
    const { idleMs, lifetimeMs, scheduler } = this.ports.options;
    this.#watch.unsubscribe();
    this.#idle.unsubscribe();
    this.#lifetime.unsubscribe();
    this.current = pooled;
    const lifetime = this.#spread(lifetimeMs);
    if (Number.isFinite(lifetime)) this.#lifetime = scheduler.schedule(() => this.#replace(), lifetime);
    const idle = this.#spread(idleMs);
    if (Number.isFinite(idle)) this.#idle = this.#closeWhenIdle(pooled, idle, idle);
    this.#watch = new Subscription();
    this.#watch.add(
      pooled.connection.state$.subscribe((state) => {
        if (this.current === pooled) this.#changed(pooled, state);
      }),
    );
  }

  #changed(pooled: PooledConnection<C>, state: ConnectivityState): void {
    const before = this.#state;
    if (before === 'READY' && state !== 'READY' && this.#replacement) return this.#swap();
    if (state === 'IDLE' && before === 'READY' && this.ports.options.eager) return this.#dialAgain(pooled);
    this.#enter(state);
    if (this.current !== pooled) return;
    if (state === 'READY') this.#readySince = this.ports.options.scheduler.now();
    // Closed by others: the next call opens a new one.
    if (state === 'SHUTDOWN') this.idle();
  }

  /** At once, but for a connection that breaks as soon as it is up. */
  #dialAgain(pooled: PooledConnection<C>): void {
    const { scheduler, random } = this.ports.options;
    const stable = scheduler.now() - this.#readySince >= stableMs;
    this.#breaks = stable ? 0 : this.#breaks + 1;
    if (this.#breaks <= 1) return pooled.connection.connect();
    const wait = reconnectBackoff(this.#breaks - 1, random);
    this.#failure = `the connection broke ${this.#breaks} times, each time within ${stableMs / 1_000} s`;
    this.#enter('TRANSIENT_FAILURE');
    this.#redial.unsubscribe();
    this.#redial = scheduler.schedule(() => pooled.connection.connect(), wait);
  }

  #closeWhenIdle(pooled: PooledConnection<C>, idleMs: number, wait: number): Subscription {
    const { scheduler } = this.ports.options;
    return scheduler.schedule(() => {
      const left = pooled.inFlight > 0 ? idleMs : pooled.idleSince + idleMs - scheduler.now();
      if (left <= 0) this.idle();
      else this.#idle = this.#closeWhenIdle(pooled, idleMs, left);
    }, wait);
  }

  /** Opens another connection, and changes over to it once it is up, or once the one in use is not. */
  #replace(): void {
    this.#dropReplacement();
    if (this.#state !== 'READY') return this.#swap();
    let fresh: PooledConnection<C>;
    try {
      fresh = this.ports.open(this.node);
    } catch {
      // No room for two: the one in use stays for another lifetime.
      const { lifetimeMs, scheduler } = this.ports.options;
      this.#lifetime = scheduler.schedule(() => this.#replace(), this.#spread(lifetimeMs));
      return;
    }
    this.#replacement = fresh;
    this.#watchReplacement = new Subscription();
    this.#watchReplacement.add(
      fresh.connection.state$.subscribe((state) => {
        if (state === 'READY' && this.#replacement === fresh) this.#swap();
      }),
    );
    fresh.connection.connect();
  }

  #swap(): void {
    const old = this.current;
    const fresh = this.#replacement;
    this.#replacement = undefined;
    this.#watchReplacement.unsubscribe();
    // What closing does to the old one is no news of the node.
    this.current = undefined;
    this.#watch.unsubscribe();
    if (old) this.ports.drain(old);
    if (fresh) {
      this.#use(fresh);
      fresh.connection.connect();
    } else if (this.ports.options.eager) this.tryOpen();
    else this.idle();
  }

  #dropReplacement(): void {
    const fresh = this.#replacement;
    this.#replacement = undefined;
    this.#watchReplacement.unsubscribe();
    if (fresh) this.ports.drain(fresh);
  }

  #enter(state: ConnectivityState): void {
    if (state === 'SHUTDOWN' || state === this.#state) return;
    this.#state = state;
    this.ports.changed(this.status());
  }

  #spread(ms: number): number {
    const { jitter, random } = this.ports.options;
    return ms * (1 - jitter + 2 * jitter * random());
  }
}

const availabilities: Readonly<Record<ConnectivityState, Availability>> = {
  IDLE: 'discovered',
  CONNECTING: 'connecting',
  READY: 'ready',
  TRANSIENT_FAILURE: 'unavailable',
  SHUTDOWN: 'draining',
};

/** In whatever order, since sources shuffle them. */
function sameAddresses(a: Node, b: Node): boolean {
  const known = new Set(a.addresses.map(formatAddress));
  return (
    known.size === new Set(b.addresses.map(formatAddress)).size && b.addresses.every((x) => known.has(formatAddress(x)))
  );
}
