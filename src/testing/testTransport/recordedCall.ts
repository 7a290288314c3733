/** Runs one call over a channel and keeps what came of it, in order. */

import type { ActiveCall, CallContext, CallSink, CallStatus, Channel } from '../../core/channel.js';
import type { Metadata } from '../../core/metadata.js';
import type { Method } from '../../core/method.js';

export class RecordedCall<I, O> implements CallSink<O> {
  readonly messages: O[] = [];
  headersSeen: Metadata | undefined;
  status: CallStatus | undefined;
  drains = 0;
  /** True when the sink was called before `start` had returned. */
  synchronous = false;
  /** What happened after the end, which nothing must. */
  readonly afterEnd: string[] = [];
  readonly call: ActiveCall<I>;
  readonly ended: Promise<CallStatus>;
  #end!: (status: CallStatus) => void;
  #starting = true;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor(channel: Channel, method: Method<I, O>, context: CallContext = {}) {
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.call = channel.start(method, context, this);
    this.#starting = false;
  }

  /** Resolves when `count` messages have come. */
  received(count: number): Promise<void> {
    if (this.messages.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  headers(metadata: Metadata): void {
    this.#called('headers');
    this.headersSeen = metadata;
  }

  message(message: O): void {
    this.#called('message');
    this.messages.push(message);
    for (const { count, resolve } of this.#waiting) if (this.messages.length >= count) resolve();
  }

  end(status: CallStatus): void {
    this.#called('end');
    this.status = status;
    this.#end(status);
  }

  drain(): void {
    this.#called('drain');
    this.drains++;
  }

  #called(what: string): void {
    this.synchronous ||= this.#starting;
    if (this.status) this.afterEnd.push(what);
  }
}
