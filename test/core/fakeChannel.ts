/** A channel without a wire: what the node answers is an Observable, drawn or made by the test. */

import { asapScheduler, NEVER, subscribeOn, type Observable, type Subscription } from 'rxjs';
import type { ActiveCall, CallContext, CallSink, CallStatus, Channel } from '../../src/core/channel.js';
import type { Metadata } from '../../src/core/metadata.js';
import type { Method } from '../../src/core/method.js';

/** What comes from the wire. */
export type WireEvent =
  | { readonly headers: Metadata }
  | { readonly message: unknown }
  | { readonly end: Partial<CallStatus> }
  | { readonly drain: true };

/** One call that was started, as the node sees it. */
export class FakeCall implements ActiveCall<unknown> {
  readonly sent: unknown[] = [];
  halfClosed = false;
  cancelled = false;
  ended = false;
  /** Messages that may still be read. */
  credit = 0;
  /** Messages that `send` takes before it answers false. */
  window = Infinity;
  readonly method: Method<never, never>;
  readonly context: CallContext;
  wire: Subscription | undefined;
  readonly #sink: CallSink<unknown>;
  readonly #held: WireEvent[] = [];

  constructor(method: Method<never, never>, context: CallContext, sink: CallSink<unknown>) {
    this.method = method;
    this.context = context;
    this.#sink = sink;
  }

  send(message: unknown): boolean {
    this.sent.push(message);
    return --this.window > 0;
  }

  halfClose(): void {
    this.halfClosed = true;
  }

  request(count: number): void {
    this.credit += count;
    this.#deliver();
  }

  cancel(): void {
    this.cancelled = true;
    this.wire?.unsubscribe();
  }

  take(event: WireEvent): void {
    this.#held.push(event);
    this.#deliver();
  }

  #delivering = false;
  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    while (this.#held.length && !this.cancelled && !this.ended) {
      const event = this.#held[0]!;
      if ('message' in event && this.credit < 1) break;
      this.#held.shift();
      if ('headers' in event) this.#sink.headers(event.headers);
      else if ('drain' in event) this.#sink.drain();
      else if ('message' in event) {
        this.credit--;
        this.#sink.message(event.message);
      } else {
        this.ended = true;
        this.wire?.unsubscribe();
        this.#sink.end({ code: 'OK', message: '', sent: true, trailers: {}, ...event.end });
      }
    }
    this.#delivering = false;
  }
}

/** `wire` is asked once a call; what it gives is delivered later than `start`, as of any channel. */
export function fakeChannel(wire: (call: FakeCall) => Observable<WireEvent>): Channel & { readonly calls: FakeCall[] } {
  const calls: FakeCall[] = [];
  return {
    calls,
    state: 'READY',
    state$: NEVER,
    connect: () => undefined,
    close: () => undefined,
    start(method, context, sink) {
      const call = new FakeCall(method as never, context, sink as CallSink<unknown>);
      calls.push(call);
      call.wire = wire(call)
        .pipe(subscribeOn(asapScheduler))
        .subscribe((event) => call.take(event));
      return call as ActiveCall<never>;
    },
  };
}
