/** The place of one node in a pool: its connection, the one that will replace it, and their clocks. */

import { Subscription, type SchedulerLike } from 'rxjs';
import { formatAddress } from '../core/address.js';
import { exponentialBackoff } from '../core/backoff.js';
import type { Connection, ConnectivityState, DisconnectError } from '../core/channel.js';
import { FleetError } from '../core/fleetError.js';
import type { Availability, Node } from '../core/node.js';
import type { PooledConnection } from './pooledConnection.js';

/** The state of the connection to one node. */
export interface ConnectionState {
  /** The id of the node. */
  readonly id: string;
  readonly state: ConnectivityState;
  /** The same in the words of a node: `IDLE` is `discovered`, `TRANSIENT_FAILURE` is `unavailable`. */
  readonly availability: Availability;
  /** Why the last dialling failed, while it is `unavailable`. */
  readonly reason: string | undefined;
  /** Why it is no longer `READY`; undefined where it was not. */
  readonly disconnectError: DisconnectError | undefined;
}

/** A connection to a node could not be made. */
export interface ConnectionFailure {
  /** The id of the node. */
  readonly id: string;
  readonly reason: string;
}

/** `ChannelPoolOptions` with their defaults. */
export interface PoolRules {
  readonly eager: boolean;
  readonly idleMs: number;
  readonly lifetimeMs: number;
  readonly drainMs: number;
  readonly jitter: number;
  readonly maxConnections: number;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

/** What a slot needs of its pool. */
export interface SlotPorts<C extends Connection> {
  readonly options: PoolRules;
  readonly open: (node: Node) => PooledConnection<C>;
  readonly drain: (pooled: PooledConnection<C>) => void;
  readonly changed: (state: ConnectionState) => void;
  readonly failed: (failure: ConnectionFailure) => void;
}

/**
 * For connections that come up and break at once. It grows as gRPC's connection backoff does, but only to 10 s: unlike
 * an address that nobody answers at, this one does answer.
 */
const reconnectBackoff = exponentialBackoff({ initialBackoffMs: 1_000, maxBackoffMs: 10_000, backoffMultiplier: 1.6 });

/** A connection that was up this long did not break at once. */
const stableMs = 2_000;

/** The place of one node: its connection, the one that will replace it, and their clocks. */
export class PoolSlot<C extends Connection> {
  current: PooledConnection<C> | undefined;
  #replacement: PooledConnection<C> | undefined;
  #watch = Subscription.EMPTY;
  #watchReplacement = Subscription.EMPTY;
  #idle = Subscription.EMPTY;
  #lifetime = Subscription.EMPTY;
  #redial = Subscription.EMPTY;
  #state: ConnectivityState = 'IDLE';
  /** Why the connection before the current one ended. */
  #ended: DisconnectError | undefined;
  #failure: string | undefined;
  /** Whether it is dialled before a call asks for it. */
  #eager = false;
  #readySince = 0;
  #breaks = 0;

  constructor(
    private node: Node,
    private readonly ports: SlotPorts<C>,
  ) {}

  status(disconnectError?: DisconnectError): ConnectionState {
    const state = this.#state;
    const reason = state === 'TRANSIENT_FAILURE' ? (this.current?.connection.lastError ?? this.#failure) : undefined;
    return { id: this.node.id, state, availability: availabilities[state], reason, disconnectError };
  }

  /** It is dialled without a call from now on, and at once where there is room. */
  enter(room: boolean): void {
    if (this.#eager) return;
    this.#eager = true;
    if (room && !this.current) this.tryOpen();
  }

  /** Only calls open it from now on. */
  leave(): void {
    this.#eager = false;
    this.idle();
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
      this.#failed(error.message);
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

  /** Gives the connection up until the next call; what runs on it may end. */
  idle(): void {
    const pooled = this.current;
    this.forget();
    this.#dropReplacement();
    if (pooled) this.ports.drain(pooled);
    this.#enter('IDLE', 'subchannel shutdown');
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
    this.#watch.add(pooled.connection.failures$?.subscribe((reason) => this.#failed(reason)));
  }

  #changed(pooled: PooledConnection<C>, state: ConnectivityState): void {
    const before = this.#state;
    const { lastDisconnect } = pooled.connection;
    if (before === 'READY' && state !== 'READY' && this.#replacement) return this.#swap(lastDisconnect);
    if (state === 'IDLE' && before === 'READY' && this.#eager) return this.#dialAgain(pooled);
    this.#enter(state, lastDisconnect);
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
    this.#enter('TRANSIENT_FAILURE', pooled.connection.lastDisconnect);
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
    if (this.#state !== 'READY') return this.#swap('subchannel shutdown');
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
        if (state === 'READY' && this.#replacement === fresh) this.#swap('subchannel shutdown');
      }),
    );
    this.#watchReplacement.add(fresh.connection.failures$?.subscribe((reason) => this.#failed(reason)));
    fresh.connection.connect();
  }

  /** @param because why the one in use is no more. */
  #swap(because: DisconnectError | undefined): void {
    const old = this.current;
    const fresh = this.#replacement;
    this.#ended = because;
    this.#replacement = undefined;
    this.#watchReplacement.unsubscribe();
    // What closing does to the old one is no news of the node.
    this.current = fresh;
    this.#watch.unsubscribe();
    if (fresh) {
      fresh.connection.connect();
      // Whoever asks the node over its connection, as health checks do, must learn that it is another one now.
      if (fresh.connection.state === 'READY') this.#enter('IDLE', because);
      if (this.current === fresh) this.#use(fresh);
    }
    if (old) this.ports.drain(old);
    if (fresh) return;
    if (this.#eager) this.tryOpen();
    else this.idle();
  }

  #dropReplacement(): void {
    const fresh = this.#replacement;
    this.#replacement = undefined;
    this.#watchReplacement.unsubscribe();
    if (fresh) this.ports.drain(fresh);
  }

  #failed(reason: string): void {
    this.ports.failed({ id: this.node.id, reason });
  }

  /** @param because why it is `READY` no more, if it was. */
  #enter(state: ConnectivityState, because = this.#ended): void {
    if (state === 'SHUTDOWN' || state === this.#state) return;
    const wasReady = this.#state === 'READY';
    this.#state = state;
    this.#ended = undefined;
    this.ports.changed(this.status(wasReady ? (because ?? 'unknown') : undefined));
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
