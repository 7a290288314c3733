/** Keeps one node in one registry: puts it in, sends heartbeats, notices the loss, updates, takes it out. */

import { EMPTY, Subscription, timer } from 'rxjs';
import type { Observable, SchedulerLike, Subscriber, Unsubscribable } from 'rxjs';
import type { Backoff } from '../../core/backoff.js';
import { FleetError } from '../../core/fleetError.js';
import { createNode, type Node, type NodeInit } from '../../core/node.js';
import { sameNode } from '../../discovery/sameNode.js';
import type { Registration, RegistrationEvent } from '../registration.js';
import type { Lease, Registry } from '../registry.js';
import { Exchanges } from './exchanges.js';
import { Heartbeats } from './heartbeats.js';
import { requireRegistrable } from './requireRegistrable.js';
import { SteadyClock } from './steadyClock.js';
import { withdrawal } from './withdrawal.js';

export interface KeeperOptions {
  readonly heartbeatMs: number | undefined;
  readonly backoff: Backoff;
  readonly answerTimeoutMs: number;
  readonly withdrawTimeoutMs: number;
  readonly onEvent: ((event: RegistrationEvent) => void) | undefined;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

/** See `register()` for what it promises; as a teardown it withdraws. */
export class Keeper implements Unsubscribable {
  readonly #registry: Registry;
  readonly #subscriber: Subscriber<Registration>;
  readonly #options: KeeperOptions;
  readonly #clock: SteadyClock;
  readonly #inputs = new Subscription();
  readonly #exchanges: Exchanges;
  /** The node as it is to be. */
  #wanted: Node | undefined;
  /** The node as the registry has it. */
  #held: Node | undefined;
  /** The last one; after a loss the registry may still know it. */
  #lease: Lease | undefined;
  #heartbeats: Heartbeats | undefined;
  #retry: Subscription | undefined;
  #failures = 0;
  #updating = false;
  #everRegistered = false;
  #leaving = false;

  constructor(registry: Registry, subscriber: Subscriber<Registration>, options: KeeperOptions) {
    this.#registry = registry;
    this.#subscriber = subscriber;
    this.#options = options;
    this.#clock = new SteadyClock(options.scheduler);
    this.#exchanges = new Exchanges(registry.name, options.scheduler);
  }

  follow(node$: Observable<NodeInit>, withdraw$: Observable<unknown> | undefined): void {
    const failed = (error: unknown) => this.#fail(error);
    if (withdraw$) this.#inputs.add(withdraw$.subscribe({ next: () => this.#withdrawSeen(), error: failed }));
    if (this.#leaving) return;
    this.#inputs.add(
      node$.subscribe({
        next: (init) => this.#want(init),
        error: failed,
        complete: () => this.#wanted || this.#subscriber.complete(),
      }),
    );
  }

  unsubscribe(): void {
    this.#leave().subscribe();
  }

  #want(init: NodeInit): void {
    let node: Node;
    try {
      node = createNode(init);
      requireRegistrable(node);
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    const first = !this.#wanted;
    this.#wanted = node;
    if (first) {
      this.#emit('registering');
      this.#put();
    } else if (this.#heartbeats) {
      this.#update();
    }
  }

  #put(): void {
    if (this.#leaving) return;
    const node = this.#wanted!;
    const { answerTimeoutMs } = this.#options;
    const sentAt = this.#clock.now();
    this.#exchanges.sendWithin(answerTimeoutMs, `put of node ${node.id}`, () => this.#registry.put(node), {
      next: (lease) => this.#registered(lease, node, sentAt),
      error: (error) => {
        if (hopeless(error, this.#everRegistered)) {
          this.#fail(error);
          return;
        }
        this.#event('failed', `cannot be put in, will be tried again: ${error.message}`, error);
        this.#emit('registering', { reason: error.message });
        this.#again(() => this.#put());
      },
    });
  }

  #registered(lease: Lease, node: Node, sentAt: number): void {
    this.#lease = lease;
    this.#held = node;
    if (this.#leaving) return;
    const { heartbeatMs, backoff, random } = this.#options;
    if (heartbeatMs !== undefined && heartbeatMs >= lease.ttlMs) {
      const rule = `below the ${lease.ttlMs} ms that ${this.#registry.name} lets it live`;
      this.#fail(new FleetError('INVALID_OPTION', `heartbeatMs must be ${rule}, not ${heartbeatMs}`));
      return;
    }
    this.#everRegistered = true;
    this.#failures = 0;
    this.#heartbeats = new Heartbeats(lease.ttlMs, sentAt, {
      ...{ clock: this.#clock, heartbeatMs, backoff: (retry) => backoff(retry, random) },
      send: (answered, failed) => this.#exchanges.send(() => lease.renew(), { next: answered, error: failed }),
      answered: () => this.#emit('registered'),
      failed: (error) => this.#event('failed', `heartbeat failed, will be tried again: ${error.message}`, error),
      late: (ms) => {
        const why = 'the event loop was held up, or the clock was set';
        this.#event('late', `heartbeat sent ${Math.round(ms)} ms late: ${why}`);
      },
      lost: (reason) => this.#lost(reason),
    });
    this.#emit('registered');
    this.#update();
  }

  #lost(reason: string): void {
    this.#exchanges.abort();
    this.#retry?.unsubscribe();
    this.#heartbeats?.stop();
    this.#heartbeats = undefined;
    this.#updating = false;
    this.#failures = 0;
    this.#emit('lost', { reason });
    this.#emit('registering');
    this.#put();
  }

  /** Brings the registry to what is wanted, one update at a time. */
  #update(): void {
    const node = this.#wanted!;
    const lease = this.#lease!;
    const { answerTimeoutMs } = this.#options;
    if (this.#leaving || this.#updating || !this.#heartbeats || sameNode(node, this.#held!)) return;
    this.#updating = true;
    this.#retry?.unsubscribe();
    this.#exchanges.sendWithin(answerTimeoutMs, `update of node ${node.id}`, () => lease.update(node), {
      complete: () => {
        this.#updating = false;
        this.#failures = 0;
        this.#held = node;
        if (this.#leaving) return;
        this.#emit('registered');
        this.#update();
      },
      error: (error) => {
        this.#updating = false;
        if (error.code === 'NOT_FOUND') {
          this.#lost(error.message);
        } else if (hopeless(error, false)) {
          this.#fail(error);
        } else {
          this.#event('failed', `update failed, will be tried again: ${error.message}`, error);
          this.#again(() => this.#update());
        }
      },
    });
  }

  #again(action: () => void): void {
    const { backoff, random, scheduler } = this.#options;
    this.#retry?.unsubscribe();
    this.#retry = timer(backoff(++this.#failures, random), scheduler).subscribe(action);
  }

  #fail(thrown: unknown): void {
    this.#subscriber.error(FleetError.from(thrown));
  }

  #withdrawSeen(): void {
    if (this.#leaving) return;
    const gone$ = this.#leave();
    if (this.#wanted) this.#emit('withdrawing');
    gone$.subscribe({ complete: () => this.#subscriber.complete() });
  }

  /** Stops everything; what it returns takes the node out, whoever has gone meanwhile. */
  #leave(): Observable<never> {
    if (this.#leaving) return EMPTY;
    this.#leaving = true;
    this.#exchanges.silence();
    this.#inputs.unsubscribe();
    this.#retry?.unsubscribe();
    this.#heartbeats?.stop();
    const { backoff, withdrawTimeoutMs, scheduler, random } = this.#options;
    return withdrawal({
      unanswered: this.#exchanges.unanswered,
      lease: () => this.#lease,
      withdrawn: () => this.#event('withdrawn', 'was taken out'),
      abandoned: (error) => {
        const why = error ? `: ${error.message}` : '';
        const message = `could not be taken out within ${withdrawTimeoutMs} ms, and goes when its life there ends${why}`;
        this.#event('abandoned', message, error);
      },
      ...{ withdrawTimeoutMs, scheduler, backoff: (retry) => backoff(retry, random) },
    });
  }

  #emit(state: Registration['state'], more: { readonly reason?: string } = {}): void {
    const heartbeats = state === 'registered' ? this.#heartbeats : undefined;
    this.#subscriber.next({
      state,
      node: state === 'registering' ? this.#wanted! : (this.#held ?? this.#wanted!),
      ...(this.#lease && { key: this.#lease.key }),
      ...(heartbeats && { deadline: this.#clock.shown(heartbeats.deadline) }),
      ...(heartbeats?.lateMs && { lateMs: heartbeats.lateMs }),
      ...more,
    });
  }

  #event(type: RegistrationEvent['type'], what: string, cause?: unknown): void {
    const registry = this.#registry.name;
    const node = this.#held ?? this.#wanted;
    const event: RegistrationEvent = {
      ...{ registry, type, message: `node ${node?.id ?? '?'} in ${registry} ${what}` },
      ...(this.#lease && { key: this.#lease.key }),
      ...(cause !== undefined && { cause }),
    };
    try {
      this.#options.onEvent?.(event);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }
}

const refusals: ReadonlySet<string> = new Set([
  ...['UNAUTHENTICATED', 'PERMISSION_DENIED', 'INVALID_ARGUMENT', 'UNIMPLEMENTED'],
]);

/** What trying again cannot mend. What has worked once may work again, so then only the caller's own faults count. */
function hopeless({ code, blame }: FleetError, hasWorked: boolean): boolean {
  if (blame === 'caller') return code !== 'CANCELLED' && code !== 'DISCOVERY_FAILED';
  return !hasWorked && refusals.has(code);
}
