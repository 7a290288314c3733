/** Pulling instead of being pushed: `for await` over a call, with the wire waiting for you. */

import type { Observable, Subscription } from 'rxjs';
import { withDemand, type Demand } from '../core/demand.js';
import { requireOption } from '../core/requireOption.js';

export interface AsyncIterableOptions {
  /**
   * How many values may wait for the consumer. Above it nothing more is read from the wire, so the node waits too.
   * Default 16. A source that is not a call cannot be held back: its values queue without limit.
   */
  readonly highWaterMark?: number;
}

/**
 * The values of an Observable, one at a time. A call is read from the wire only as fast as you take its messages,
 * also through operators such as `map` and `filter`. Leaving the loop cancels the call.
 *
 * ```ts
 * for await (const reply of toAsyncIterable(greeter.lotsOfReplies({ name: 'Ada' }))) await slowly(reply);
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a `highWaterMark` under 1.
 */
export function toAsyncIterable<T>(source: Observable<T>, options: AsyncIterableOptions = {}): AsyncIterable<T> {
  const { highWaterMark = 16 } = options;
  requireOption(highWaterMark >= 1, 'highWaterMark', 'at least 1', highWaterMark);
  return { [Symbol.asyncIterator]: () => new PulledValues(source, highWaterMark) };
}

class PulledValues<T> implements AsyncIterator<T>, Demand {
  private readonly values: T[] = [];
  private readonly takers: PromiseWithResolversOf<IteratorResult<T>>[] = [];
  private readonly waiting: (() => void)[] = [];
  private subscription: Subscription | undefined;
  private ended = false;
  private failure: { readonly error: unknown } | undefined;

  constructor(
    private readonly source: Observable<T>,
    private readonly highWaterMark: number,
  ) {}

  get ready(): boolean {
    return this.values.length < this.highWaterMark;
  }

  whenReady(callback: () => void): void {
    this.waiting.push(callback);
  }

  next(): Promise<IteratorResult<T>> {
    this.begin();
    if (this.values.length) {
      const value = this.values.shift()!;
      this.resume();
      return Promise.resolve({ done: false, value });
    }
    if (this.failure) {
      const { error } = this.failure;
      this.failure = undefined;
      return Promise.reject(error as Error);
    }
    if (this.ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.takers.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<T>> {
    this.ended = true;
    this.values.length = 0;
    this.subscription?.unsubscribe();
    for (const { resolve } of this.takers.splice(0)) resolve({ done: true, value: undefined });
    return Promise.resolve({ done: true, value: undefined });
  }

  private begin(): void {
    if (this.subscription || this.ended) return;
    this.subscription = withDemand(this, () =>
      this.source.subscribe({
        next: (value) => {
          const taker = this.takers.shift();
          if (taker) taker.resolve({ done: false, value });
          else this.values.push(value);
        },
        error: (error: unknown) => {
          this.ended = true;
          const taker = this.takers.shift();
          if (taker) taker.reject(error);
          else this.failure = { error };
          this.finish();
        },
        complete: () => {
          this.ended = true;
          this.finish();
        },
      }),
    );
  }

  private finish(): void {
    for (const { resolve } of this.takers.splice(0)) resolve({ done: true, value: undefined });
  }

  private resume(): void {
    if (this.ready) for (const callback of this.waiting.splice(0)) callback();
  }
}

interface PromiseWithResolversOf<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}
