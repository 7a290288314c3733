/** Sends a stream of requests: as fast as the wire takes them, and no faster where the source can wait. */

import { from, type ObservableInput, type Subscription, type Unsubscribable } from 'rxjs';
import type { ActiveCall } from './channel.js';

/** The sending of one call's requests. Unsubscribing stops the source; it does not end the call. */
export interface Sending extends Unsubscribable {
  /** The wire takes messages again. */
  drain(): void;
}

/**
 * Sends all of `requests`, then half-closes.
 *
 * Iterables and AsyncIterables are pulled one at a time, and not while `send` has answered false and `drain` has not
 * come. An Observable cannot be held back: what it emits meanwhile is queued by the transport.
 *
 * @param fail Told when the source throws or errors; nothing is sent after that.
 */
export function sendAll<I>(call: ActiveCall<I>, requests: ObservableInput<I>, fail: (error: unknown) => void): Sending {
  if (Symbol.asyncIterator in requests) return new Pulling(call, requests[Symbol.asyncIterator](), fail);
  if (Symbol.iterator in requests) return new Pulling(call, requests[Symbol.iterator](), fail);
  const subscription = from(requests).subscribe({
    next: (message) => {
      try {
        call.send(message);
      } catch (thrown) {
        subscription?.unsubscribe();
        fail(thrown);
      }
    },
    error: fail,
    complete: () => call.halfClose(),
  }) as Subscription | undefined;
  return { drain: nothing, unsubscribe: () => subscription?.unsubscribe() };
}

class Pulling<I> implements Sending {
  readonly #call: ActiveCall<I>;
  readonly #iterator: Iterator<I> | AsyncIterator<I>;
  readonly #fail: (error: unknown) => void;
  #writable = true;
  #pulling = false;
  #ended = false;

  constructor(call: ActiveCall<I>, iterator: Iterator<I> | AsyncIterator<I>, fail: (error: unknown) => void) {
    this.#call = call;
    this.#iterator = iterator;
    this.#fail = fail;
    this.#pull();
  }

  drain(): void {
    this.#writable = true;
    this.#pull();
  }

  unsubscribe(): void {
    if (this.#ended) return;
    this.#ended = true;
    try {
      const returned = this.#iterator.return?.();
      if (isPromise(returned)) from(returned).subscribe({ error: nothing });
    } catch {
      // The source failed to clean up after itself; the call is over all the same.
    }
  }

  #pull(): void {
    if (this.#pulling) return;
    while (this.#writable && !this.#ended) {
      // Set also while a synchronous source runs: it may call back into the wire, and so into drain().
      this.#pulling = true;
      let item: IteratorResult<I> | PromiseLike<IteratorResult<I>>;
      try {
        item = this.#iterator.next();
      } catch (thrown) {
        this.#failed(thrown);
        return;
      }
      if (isPromise(item)) {
        from(item).subscribe({
          next: (result) => {
            this.#pulling = false;
            this.#take(result);
            this.#pull();
          },
          error: (error: unknown) => this.#failed(error),
        });
        return;
      }
      this.#pulling = false;
      this.#take(item);
    }
  }

  #take(result: IteratorResult<I>): void {
    if (this.#ended) return;
    if (result.done) {
      this.#ended = true;
      this.#call.halfClose();
      return;
    }
    try {
      this.#writable = this.#call.send(result.value);
    } catch (thrown) {
      this.unsubscribe();
      this.#fail(thrown);
    }
  }

  #failed(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#fail(error);
  }
}

function isPromise<T>(value: T | PromiseLike<T> | undefined): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | undefined)?.then === 'function';
}

function nothing(): void {}
