/** A node as a queue: so many requests at once, each for a while, the others wait. And what can be wrong with it. */

import { Observable, type Subscriber } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { SimulatedTime } from './simulatedTime.js';

/** What is wrong with a node. */
export type Fault =
  /** Nothing. */
  | { readonly kind: 'none' }
  /** Every request fails within a microsecond: the black hole of every balancer that likes the fast and the idle. */
  | { readonly kind: 'failsFast' }
  /** Every request takes so many times as long. */
  | { readonly kind: 'slow'; readonly factor: number }
  /** It has just started: requests take so many times as long, less and less so until then. */
  | { readonly kind: 'cold'; readonly factor: number; readonly from: number; readonly until: number }
  /** It fails every second request, as soon as it is done with it. */
  | { readonly kind: 'everySecond' }
  /** Nobody answers at its address; what it had taken is lost. */
  | { readonly kind: 'down' };

export interface SimulatedNodeOptions {
  /** Requests at once. Default 8. */
  readonly slots?: number;
  /** Milliseconds that a request takes on average; exponentially spread. Default 10. */
  readonly serviceMs?: number;
}

/** Milliseconds until a refused connection is known, and until a node that fails at once has failed. */
const refusedMs = 0.3;
const atOnceMs = 0.001;

export class SimulatedNode {
  #fault: Fault = { kind: 'none' };
  #arrived = 0;
  readonly #slots: number;
  readonly #serviceMs: number;
  readonly #working = new Set<Request>();
  /** In the order in which they came. */
  readonly #waiting = new Set<Request>();

  constructor(
    readonly id: string,
    private readonly time: SimulatedTime,
    private readonly random: () => number,
    { slots = 8, serviceMs = 10 }: SimulatedNodeOptions = {},
  ) {
    this.#slots = slots;
    this.#serviceMs = serviceMs;
  }

  get fault(): Fault {
    return this.#fault;
  }

  /** Whether a request would be served as well as ever. */
  get isSound(): boolean {
    const fault = this.#fault;
    return fault.kind === 'none' || (fault.kind === 'cold' && this.time.now() >= fault.until);
  }

  /** From now on. Requests that are being worked on take as long as they were to take, unless the node goes down. */
  suffer(fault: Fault): void {
    this.#fault = fault;
    if (fault.kind !== 'down') return;
    const lost = [...this.#working, ...this.#waiting];
    this.#working.clear();
    this.#waiting.clear();
    for (const { subscriber } of lost) subscriber.error(new FleetError('UNAVAILABLE', `${this.id} went down`));
  }

  /** One request. */
  ask(): Observable<string> {
    return new Observable((subscriber) => {
      const { kind } = this.#fault;
      if (kind === 'down') return this.#failAfter(refusedMs, subscriber, this.#refusal());
      if (kind === 'failsFast') {
        return this.#failAfter(atOnceMs, subscriber, new FleetError('UNAVAILABLE', `${this.id} fails at once`));
      }
      const request = { subscriber, fails: kind === 'everySecond' && ++this.#arrived % 2 === 0 };
      if (this.#working.size < this.#slots) this.#work(request);
      else this.#waiting.add(request);
      return () => this.#leave(request);
    });
  }

  /** A health check: does anybody answer? A node that fails its requests says that it is well. */
  ping(): Observable<string> {
    return new Observable((subscriber) => {
      if (this.#fault.kind === 'down') return this.#failAfter(refusedMs, subscriber, this.#refusal());
      return this.time.schedule(() => {
        subscriber.next(this.id);
        subscriber.complete();
      }, 1);
    });
  }

  #work(request: Request): void {
    this.#working.add(request);
    const took = -Math.log(1 - this.random()) * this.#serviceMs * this.#slowness();
    const done = () => {
      if (!this.#working.has(request)) return;
      this.#leave(request);
      const { subscriber, fails } = request;
      if (fails) return subscriber.error(new FleetError('UNAVAILABLE', `${this.id} fails every second request`));
      subscriber.next(this.id);
      subscriber.complete();
    };
    request.subscriber.add(this.time.schedule(done, took));
  }

  #leave(request: Request): void {
    this.#waiting.delete(request);
    if (!this.#working.delete(request)) return;
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      this.#work(next);
      break;
    }
  }

  #slowness(): number {
    const fault = this.#fault;
    if (fault.kind === 'slow') return fault.factor;
    if (fault.kind !== 'cold') return 1;
    const left = Math.max(0, (fault.until - this.time.now()) / (fault.until - fault.from));
    return 1 + (fault.factor - 1) * left;
  }

  #refusal(): FleetError {
    return new FleetError('UNAVAILABLE', `${this.id} refuses connections`, { sent: false });
  }

  #failAfter(delayMs: number, subscriber: Subscriber<string>, error: FleetError) {
    return this.time.schedule(() => subscriber.error(error), delayMs);
  }
}

interface Request {
  readonly subscriber: Subscriber<string>;
  readonly fails: boolean;
}
