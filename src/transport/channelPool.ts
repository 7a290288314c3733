/**
 * Which connections a client holds: one to each node, opened, renewed and given up by rule.
 *
 * A fleet holds channels in it, a pool of anything else whatever it wraps as a `Connection`. Nodes come and go by
 * `follow`; calls take the connection of their node by `acquire`. What happens to a connection is told by `states$`,
 * so that balancers see it as the availability of the node.
 */

import { asyncScheduler, filter, Observable, Subject, type SchedulerLike } from 'rxjs';
import type { Connection } from '../core/channel.js';
import { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { PooledConnection } from './pooledConnection.js';
import { PoolSlot, type ConnectionFailure, type ConnectionState, type PoolRules, type SlotPorts } from './poolSlot.js';

export type { ConnectionFailure, ConnectionState } from './poolSlot.js';

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

/** A connection that is kept open while a call uses it. */
export interface ConnectionLease<C> {
  readonly connection: C;
  /** The call is over. Exactly once. */
  release(): void;
}

export interface ChannelPool<C extends Connection> {
  /**
   * Opens what is new in the set, drains what is gone, replaces what has other addresses.
   *
   * @param reach the nodes that are dialled before a call asks for them. Default: all. A connection to one that leaves it is
   *   given up.
   */
  follow(set: NodeSet, reach?: NodeSet): void;
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
  /** Each dialling that has failed, from now on. Completes on `close`. */
  readonly failures$: Observable<ConnectionFailure>;
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

function resolve(options: ChannelPoolOptions): PoolRules {
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

/** The nodes that there are, and those of them that are dialled before a call asks. */
interface Followed {
  readonly set: NodeSet;
  readonly reach: NodeSet;
}

class Pool<C extends Connection> implements ChannelPool<C> {
  readonly states$: Observable<ConnectionState>;
  readonly failures$ = new Subject<ConnectionFailure>();
  readonly #changes$ = new Subject<ConnectionState>();
  readonly #slots = new Map<string, PoolSlot<C>>();
  readonly #ports: SlotPorts<C>;
  #set = NodeSet.empty;
  #reach = NodeSet.empty;
  #next: Followed | undefined;
  #following = false;
  #closed = false;
  /** Open connections, those of the slots and those that drain. */
  readonly #open = new Set<PooledConnection<C>>();

  constructor(
    open: (node: Node) => C,
    private readonly options: PoolRules,
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
      failed: (failure) => this.failures$.next(failure),
    };
    this.states$ = new Observable((subscriber) => {
      for (const slot of this.#slots.values()) subscriber.next(slot.status());
      return this.#changes$.subscribe(subscriber);
    });
  }

  get size(): number {
    return this.#open.size;
  }

  follow(set: NodeSet, reach = set): void {
    this.#next = { set, reach };
    // Dialling changes states, states change the set, and so it may come back here.
    if (this.#following) return;
    this.#following = true;
    try {
      while (this.#next && !this.#closed) {
        const { set, reach }: Followed = this.#next;
        const { added, removed, updated } = set.changesSince(this.#set);
        const all = reach === set && this.#reach === this.#set;
        const reached = all ? undefined : reach.changesSince(this.#reach);
        this.#next = undefined;
        this.#set = set;
        this.#reach = reach;
        for (const { id } of removed) this.#remove(id);
        for (const { id } of reached?.removed ?? []) this.#slots.get(id)?.leave();
        for (const node of updated) this.#slots.get(node.id)?.update(node);
        for (const node of added) this.#add(node);
        for (const { id } of reached?.added ?? []) this.#reachFor(id);
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
    this.failures$.complete();
  }

  #add(node: Node): void {
    // A set may name a node as added that is known here, when one in between was never seen.
    if (this.#slots.has(node.id)) return this.#slots.get(node.id)!.update(node);
    const slot = new PoolSlot(node, this.#ports);
    this.#slots.set(node.id, slot);
    if (this.#reach.has(node.id)) this.#reachFor(node.id);
  }

  #reachFor(id: string): void {
    if (this.options.eager) this.#slots.get(id)?.enter(this.#open.size < this.options.maxConnections);
  }

  #remove(id: string): void {
    const slot = this.#slots.get(id);
    this.#slots.delete(id);
    // The node may still be there, out of reach of the balancer.
    slot?.idle();
  }

  /** Below `maxConnections` there is always room; at it, the slot that was idle longest gives way. */
  #makeRoom(): void {
    const { maxConnections } = this.options;
    if (this.#open.size < maxConnections) return;
    let idlest: PoolSlot<C> | undefined;
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
