/** A node as a queue: so many requests at once, each for a while, the others wait. And what can be wrong with it. */

import { Observable, type Subscription } from 'rxjs';
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
  /** It fails every second request, as soon as it is done with it. */
  | { readonly kind: 'everySecond' }
  /** Nobody answers at its address. */
  | { readonly kind: 'down' }
  /** It takes requests and never answers. */
  | { readonly kind: 'hangs' };

export interface SimulatedNodeOptions {
  /** Requests at once. Default 8. */
  readonly slots?: number;
  /** Milliseconds that a request takes on average; exponentially spread. Default 10. */
  readonly serviceMs?: number;
}

export class SimulatedNode {
  fault: Fault = { kind: 'none' };
  /** Requests that came, and how they ended. */
  arrived = 0;
  answered = 0;
  failed = 0;
  #busy = 0;
  readonly #slots: number;
  readonly #serviceMs: number;
  readonly #queue: (() => void)[] = [];

  constructor(
    readonly id: string,
    private readonly time: SimulatedTime,
    private readonly random: () => number,
    { slots = 8, serviceMs = 10 }: SimulatedNodeOptions = {},
  ) {
    this.#slots = slots;
    this.#serviceMs = serviceMs;
  }

  /** Requests that are being worked on, and that wait. */
  get load(): number {
    return this.#busy + this.#queue.length;
  }

  /** One request. */
  ask(): Observable<string> {
    return new Observable((subscriber) => {
      this.arrived++;
      const fail = (delayMs: number, error: FleetError): Subscription =>
        this.time.schedule(() => {
          this.failed++;
          subscriber.error(error);
        }, delayMs);
      const { fault } = this;
      if (fault.kind === 'down') {
        return fail(0.3, new FleetError('UNAVAILABLE', `${this.id} refuses connections`, { sent: false }));
      }
      if (fault.kind === 'failsFast') return fail(0.001, new FleetError('UNAVAILABLE', `${this.id} fails at once`));
      if (fault.kind === 'hangs') return undefined;

      let work: Subscription | undefined;
      let over = false;
      const begin = () => {
        this.#busy++;
        const factor = this.fault.kind === 'slow' ? this.fault.factor : 1;
        const took = -Math.log(1 - this.random()) * this.#serviceMs * factor;
        work = this.time.schedule(() => {
          end();
          const fails = this.fault.kind === 'everySecond' && this.arrived % 2 === 0;
          if (fails) {
            this.failed++;
            subscriber.error(new FleetError('UNAVAILABLE', `${this.id} fails every second request`));
            return;
          }
          this.answered++;
          subscriber.next(this.id);
          subscriber.complete();
        }, took);
      };
      const end = () => {
        if (over) return;
        over = true;
        this.#busy--;
        this.#queue.shift()?.();
      };
      if (this.#busy < this.#slots) begin();
      else this.#queue.push(begin);
      return () => {
        const waiting = this.#queue.indexOf(begin);
        if (waiting >= 0) this.#queue.splice(waiting, 1);
        else if (work) {
          work.unsubscribe();
          end();
        }
      };
    });
  }
}
