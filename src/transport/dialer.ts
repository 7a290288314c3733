/**
 * How a connection to one node comes about: which address is dialled when, for how long, and how soon again.
 *
 * It is the same for every transport, so that all of them rotate addresses, give up on a black hole, back off and
 * report their state alike:
 *
 * - The addresses are tried in order. The next one starts 250 ms after the one before, or as soon as that one failed;
 *   the first to connect wins and the others are dropped (RFC 8305, "Happy Eyeballs", with its default delay).
 * - A dial past the connect deadline counts as failed.
 * - When all have failed the state is `TRANSIENT_FAILURE`, and stays so until one connects (gRFC A62). Dialling goes on
 *   by itself with gRPC's connection backoff, counted from the start of a round, each round starting one address further.
 * - A connection that is lost leaves the state `IDLE`; the next call or `connect()` dials again.
 */

import { BehaviorSubject, Subject, type Observable } from 'rxjs';
import { formatAddress, type Address } from '../core/address.js';
import type { Connection, ConnectivityState, DisconnectError } from '../core/channel.js';
import type { ResolvedTransportOptions } from './transportOptions.js';

/** Something that carries calls to one address. */
export interface Session {
  /** Takes no new calls; those that run may end on it, if the node lets them (GOAWAY). Then calls back. */
  retire(ended: () => void): void;
  /** Ends it at once, with everything that runs on it. */
  close(): void;
}

/** What becomes of a dial; the first of `ready` and `failed` counts, `lost` only after `ready`. */
export interface DialEvents<S extends Session> {
  ready(session: S): void;
  failed(reason: string): void;
  lost(because: DisconnectError): void;
}

/** Starts to connect to an address; the session that it returns is not usable before `ready`. */
export type Dial<S extends Session> = (address: Address, events: DialEvents<S>) => Session;

/** Somebody who waits for a connection. */
export interface Waiter<S extends Session> {
  connected(session: S): void;
  failed(reason: string): void;
}

type DialingOptions = Pick<ResolvedTransportOptions, 'connectDeadlineMs' | 'reconnect' | 'random'>;

/** RFC 8305, section 5: the recommended Connection Attempt Delay. */
const attemptDelayMs = 250;

/** One connection to one node; see the top of this file. */
export class Dialer<S extends Session> implements Connection {
  /** The session to use, while the state is `READY`. */
  session: S | undefined;
  lastError: string | undefined;
  lastDisconnect: DisconnectError | undefined;
  readonly state$: Observable<ConnectivityState>;
  readonly #state$ = new BehaviorSubject<ConnectivityState>('IDLE');
  readonly failures$ = new Subject<string>();
  readonly #waiters = new Set<Waiter<S>>();
  /** Sessions that were lost to new calls while some still run on them. */
  readonly #retired = new Set<Session>();
  #round: Round<S> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #first = 0;
  #failures = 0;

  constructor(
    private readonly addresses: readonly Address[],
    private readonly dial: Dial<S>,
    private readonly options: DialingOptions,
  ) {
    this.state$ = this.#state$.asObservable();
  }

  get state(): ConnectivityState {
    return this.#state$.value;
  }

  /** What is dialled, for messages. */
  get target(): string {
    return this.addresses.map(formatAddress).join(', ');
  }

  connect(): void {
    if (this.session || this.#round || this.state === 'SHUTDOWN') return;
    clearTimeout(this.#retry);
    const startedAt = performance.now();
    const round = new Round<S>(rotated(this.addresses, this.#first), this.dial, this.options.connectDeadlineMs, {
      ready: (session, index) => this.#ready(session, index),
      failed: (reasons) => this.#failed(reasons, startedAt),
      lost: (session, because) => this.#lost(session, because),
    });
    this.#round = round;
    if (this.state !== 'TRANSIENT_FAILURE') this.#enter('CONNECTING');
    if (this.#round === round) round.next();
  }

  /** Tells `waiter` once, never at once: when connected, or when dialling has failed. Dials if nobody does. */
  wait(waiter: Waiter<S>): void {
    if (this.state === 'SHUTDOWN') queueMicrotask(() => waiter.failed('the channel is closed'));
    else if (this.state === 'TRANSIENT_FAILURE') queueMicrotask(() => waiter.failed(this.lastError!));
    else {
      this.#waiters.add(waiter);
      this.connect();
    }
  }

  leave(waiter: Waiter<S>): void {
    this.#waiters.delete(waiter);
  }

  close(): void {
    if (this.state === 'SHUTDOWN') return;
    clearTimeout(this.#retry);
    this.#round?.close();
    this.#round = undefined;
    const session = this.session;
    this.session = undefined;
    this.#enter('SHUTDOWN');
    this.#state$.complete();
    this.failures$.complete();
    session?.close();
    for (const retired of this.#retired) retired.close();
    this.#retired.clear();
    this.#tellWaiters((waiter) => waiter.failed('the channel was closed'));
  }

  #ready(session: S, index: number): void {
    this.#round = undefined;
    this.#first = (this.#first + index) % this.addresses.length;
    this.#failures = 0;
    this.lastError = undefined;
    this.session = session;
    this.#enter('READY');
    this.#tellWaiters((waiter) => (this.session === session ? waiter.connected(session) : this.wait(waiter)));
  }

  #failed(reasons: readonly string[], startedAt: number): void {
    this.#round = undefined;
    this.#first = (this.#first + 1) % this.addresses.length;
    this.#failures++;
    this.lastError =
      reasons.length === 1 ? reasons[0]! : `none of ${reasons.length} addresses answers: ${reasons.join('; ')}`;
    const wait = this.options.reconnect(this.#failures, this.options.random);
    this.#retry = setTimeout(() => this.connect(), Math.max(0, wait - (performance.now() - startedAt)));
    // Dialling in the background is no reason for a program to stay.
    this.#retry.unref();
    this.#enter('TRANSIENT_FAILURE');
    const reason = this.lastError;
    this.failures$.next(reason);
    this.#tellWaiters((waiter) => waiter.failed(reason));
  }

  #lost(session: Session, because: DisconnectError): void {
    if (this.session !== session) return;
    this.lastDisconnect = because;
    this.session = undefined;
    this.#retired.add(session);
    session.retire(() => this.#retired.delete(session));
    this.#enter('IDLE');
  }

  #enter(state: ConnectivityState): void {
    if (this.state !== state) this.#state$.next(state);
  }

  #tellWaiters(tell: (waiter: Waiter<S>) => void): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    waiters.forEach(tell);
  }
}

/** One pass over all addresses. */
class Round<S extends Session> {
  readonly #live = new Set<Attempt>();
  readonly #reasons: string[] = [];
  #started = 0;
  #delay: NodeJS.Timeout | undefined;
  #over = false;

  constructor(
    private readonly addresses: readonly Address[],
    private readonly dial: Dial<S>,
    private readonly deadlineMs: number,
    private readonly outcome: {
      ready(session: S, index: number): void;
      failed(reasons: readonly string[]): void;
      lost(session: Session, because: DisconnectError): void;
    },
  ) {}

  /** Starts on the next address. */
  next(): void {
    clearTimeout(this.#delay);
    const index = this.#started++;
    const address = this.addresses[index]!;
    const attempt: Attempt = { session: undefined, deadline: undefined };
    this.#live.add(attempt);
    let session: S | undefined;
    attempt.deadline = setTimeout(
      () => this.#fail(attempt, `${formatAddress(address)} did not answer within ${this.deadlineMs} ms`),
      Math.min(this.deadlineMs, 0x7fffffff),
    );
    if (this.#started < this.addresses.length) this.#delay = setTimeout(() => this.next(), attemptDelayMs);
    attempt.session = this.dial(address, {
      ready: (opened) => {
        if (!this.#live.delete(attempt)) return;
        clearTimeout(attempt.deadline);
        session = opened;
        this.close();
        this.outcome.ready(opened, index);
      },
      failed: (reason) => this.#fail(attempt, `cannot connect to ${formatAddress(address)}: ${reason}`),
      lost: (because) => session && this.outcome.lost(session, because),
    });
  }

  /** Gives up on everything that is under way. */
  close(): void {
    this.#over = true;
    clearTimeout(this.#delay);
    for (const attempt of this.#live) {
      clearTimeout(attempt.deadline);
      attempt.session?.close();
    }
    this.#live.clear();
  }

  #fail(attempt: Attempt, reason: string): void {
    if (!this.#live.delete(attempt)) return;
    clearTimeout(attempt.deadline);
    attempt.session?.close();
    this.#reasons.push(reason);
    if (this.#over) return;
    if (this.#started < this.addresses.length) this.next();
    else if (this.#live.size === 0) this.outcome.failed(this.#reasons);
  }
}

interface Attempt {
  session: Session | undefined;
  deadline: NodeJS.Timeout | undefined;
}

function rotated<T>(list: readonly T[], first: number): readonly T[] {
  return [...list.slice(first), ...list.slice(0, first)];
}
