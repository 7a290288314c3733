/** An announcement as a lease: put in when it is announced, alive while somebody could hear it. */

import { BehaviorSubject, defer, EMPTY, Observable, of, Subject, throwError, type Subscription } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { Node } from '../../core/node.js';
import type { Lease } from '../registry.js';
import type { Advertisement, ServiceInstance } from './advertisement.js';
import { nodeInstance } from './nodeInstance.js';

type Announce = (instance$: Observable<ServiceInstance>) => Observable<Advertisement>;

const remedy = 'bring an interface up, or name one in options.interfaces';

/** Emits the lease once the node is announced; the announcement then lives until the lease is withdrawn or lost. */
export function announcedLease(node: Node, announce: Announce, ttlMs: number): Observable<Lease> {
  return new Observable((subscriber) => {
    const announced = new Announced(nodeInstance(node), announce, ttlMs);
    subscriber.add(() => announced.leased || announced.end());
    subscriber.add(
      announced.state$.subscribe({
        next: ({ state, reason }) => {
          if (state === 'waiting') {
            subscriber.error(
              new FleetError('UNAVAILABLE', `mdns cannot announce: ${reason ?? 'no interface'}: ${remedy}`),
            );
          } else if (state === 'announced') {
            announced.leased = true;
            subscriber.next(announced);
            subscriber.complete();
          }
        },
        error: (error: unknown) => subscriber.error(error),
      }),
    );
    announced.start();
  });
}

class Announced implements Lease {
  /** Set once the lease is handed out; then only its own end ends the announcement. */
  leased = false;
  readonly state$ = new Subject<Advertisement>();
  readonly #instance$: BehaviorSubject<ServiceInstance>;
  readonly #announce: Announce;
  #last: Advertisement | undefined;
  #running: Subscription | undefined;
  #ended = false;

  constructor(
    instance: ServiceInstance,
    announce: Announce,
    readonly ttlMs: number,
  ) {
    this.#instance$ = new BehaviorSubject(instance);
    this.#announce = announce;
  }

  get key(): string {
    return this.#last?.name ?? this.#instance$.value.name;
  }

  start(): void {
    this.#running = this.#announce(this.#instance$).subscribe({
      next: (state) => {
        this.#last = state;
        this.state$.next(state);
      },
      error: (error: unknown) => {
        this.#ended = true;
        this.state$.error(error);
      },
    });
    if (this.#ended) this.#running.unsubscribe();
  }

  end(): void {
    this.#ended = true;
    this.#running?.unsubscribe();
  }

  renew(): Observable<number> {
    return defer(() => {
      // Nobody hears us, so what they remember runs out. To put it in again is to probe anew.
      if (this.#last?.state === 'waiting') this.end();
      return this.#ended ? this.#lost() : of(this.ttlMs);
    });
  }

  update(node: Node): Observable<never> {
    return defer(() => {
      if (this.#ended) return this.#lost();
      const instance = nodeInstance(node);
      return new Observable<never>((subscriber) => {
        subscriber.add(
          this.state$.subscribe({
            next: ({ state }) => {
              if (state === 'announced') subscriber.complete();
            },
            error: (error: unknown) => subscriber.error(error),
          }),
        );
        this.#instance$.next(instance);
      });
    });
  }

  withdraw(): Observable<never> {
    return defer(() => {
      this.end();
      return EMPTY;
    });
  }

  #lost(): Observable<never> {
    const why = this.#last?.reason ? `: ${this.#last.reason}` : '';
    return throwError(
      () => new FleetError('NOT_FOUND', `mdns: "${this.key}" is not announced any more${why}: ${remedy}`),
    );
  }
}
