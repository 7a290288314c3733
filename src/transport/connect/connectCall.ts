/** One call over a transport of connect-node: what is pulled there is pushed here, and the other way round. */

import {
  toBinary,
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { ActiveCall, CallContext, CallSink } from '../../core/channel.js';
import type { StatusName } from '../../core/errorCodes.js';
import { emptyMetadata, type Metadata } from '../../core/metadata.js';
import type { Method } from '../../core/method.js';
import type { SessionCall } from '../sessionCall.js';
import { tooLong } from '../tooLong.js';
import { calledWithoutRequest, connectFailure } from './connectFailure.js';
import type { ConnectSession } from './connectSession.js';
import { fromHeaders, toHeaders } from './toHeaders.js';

/** It is itself the requests that connect-node iterates over. */
export class ConnectCall<I, O> implements ActiveCall<I>, AsyncIterableIterator<I>, SessionCall {
  readonly #abort = new AbortController();
  #over = false;
  #sent = false;
  // What is to be sent, and who waits for it.
  #queue: I[] = [];
  #halfClosed = false;
  #held = false;
  #taker: ((result: IteratorResult<I>) => void) | undefined;
  // Only for a watcher, since connect-node does not tell.
  #sentBytes = 0;
  #receivedBytes = 0;
  // What was read, and who may have it.
  #credit = 0;
  #creditor: (() => void) | undefined;

  constructor(
    private readonly session: ConnectSession,
    private readonly method: Method<I, O>,
    private readonly context: CallContext,
    private readonly sink: CallSink<O>,
    private readonly userAgent: string,
  ) {
    session.calls.add(this);
    void this.#run();
  }

  send(message: I): boolean {
    if (this.#over) return true;
    const { maxSendBytes } = this.context;
    const length = maxSendBytes === undefined ? 0 : (this.#lengthOf(message) ?? 0);
    if (maxSendBytes !== undefined && length > maxSendBytes) {
      // Never within the caller's own call.
      queueMicrotask(() => this.#refuse(tooLong(this.method.path, 'sent', length, maxSendBytes), this.#sent));
      return true;
    }
    const taker = this.#taker;
    this.#taker = undefined;
    if (taker) taker(this.#leaving(message));
    else this.#queue.push(message);
    this.#held = this.#queue.length > 0;
    return !this.#held;
  }

  halfClose(): void {
    this.#halfClosed = true;
    this.#taker?.({ value: undefined, done: true });
    this.#taker = undefined;
  }

  request(count: number): void {
    this.#credit += count;
    const creditor = this.#creditor;
    this.#creditor = undefined;
    creditor?.();
  }

  cancel(): void {
    if (this.#over) return;
    this.#finish();
    this.#abort.abort();
  }

  abandon(): void {
    if (this.#over) return;
    this.#end('UNAVAILABLE', `the channel to ${this.session.authority} was closed`, this.#sent, emptyMetadata);
    this.#abort.abort();
  }

  /** The wire asks for the next request. */
  next(): Promise<IteratorResult<I>> {
    const message = this.#queue.shift();
    if (message !== undefined) return Promise.resolve(this.#leaving(message));
    if (this.#halfClosed || this.#over) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.#taker = resolve;
      if (!this.#held) return;
      this.#held = false;
      this.sink.drain();
    });
  }

  #leaving(message: I): IteratorResult<I> {
    const { watcher } = this.context;
    const length = watcher && this.#lengthOf(message);
    if (length !== undefined) {
      this.#sentBytes += length;
      watcher!.sent(length);
    }
    return { value: message, done: false };
  }

  /** Undefined for what cannot be encoded, of which connect-node tells in its turn. */
  #lengthOf(message: I): number | undefined {
    try {
      return this.method.encode(message).length;
    } catch {
      return undefined;
    }
  }

  /** The wire takes no more requests; why, the answer tells. */
  throw(error: unknown): Promise<IteratorResult<I>> {
    this.#queue = [];
    this.#halfClosed = true;
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #run(): Promise<void> {
    try {
      const trailers = await (this.method.kind === 'unary' ? this.#unary() : this.#stream());
      this.#end('OK', '', true, trailers);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #unary(): Promise<Metadata> {
    const { value, done } = await this.next();
    if (done) throw calledWithoutRequest(this.method.path);
    const descriptor = this.method.descriptor as DescMethodUnary;
    const headers = toHeaders(this.context.metadata, this.userAgent);
    this.#sent = true;
    const answer = await this.session.client.unary(
      descriptor,
      this.#abort.signal,
      this.#left(),
      headers,
      value as never,
    );
    if (!this.#over) this.sink.headers(fromHeaders(answer.header));
    await this.#deliver(answer.message as O);
    return fromHeaders(answer.trailer);
  }

  async #stream(): Promise<Metadata> {
    const descriptor = this.method.descriptor as DescMethodStreaming;
    const headers = toHeaders(this.context.metadata, this.userAgent);
    this.#sent = true;
    const answer = await this.session.client.stream(
      descriptor,
      this.#abort.signal,
      this.#left(),
      headers,
      this as never,
    );
    if (!this.#over) this.sink.headers(fromHeaders(answer.header));
    for await (const message of answer.message) await this.#deliver(message as O);
    return fromHeaders(answer.trailer);
  }

  /** Waits for a credit, so that one message at most is read ahead. */
  async #deliver(message: O): Promise<void> {
    while (this.#credit <= 0 && !this.#over) {
      await new Promise<void>((resolve) => (this.#creditor = resolve));
    }
    if (this.#over) return;
    this.#credit--;
    const { watcher, maxReceiveBytes } = this.context;
    if (watcher !== undefined || maxReceiveBytes !== undefined) {
      // connect-node does not tell how long it was.
      const { length } = toBinary(this.method.descriptor.output, message as MessageShape<DescMessage>);
      this.#receivedBytes += length;
      watcher?.received(length);
      if (length > (maxReceiveBytes ?? Infinity)) {
        this.#refuse(tooLong(this.method.path, 'received', length, maxReceiveBytes!), true);
        return;
      }
    }
    this.sink.message(message);
  }

  #left(): number | undefined {
    if (this.context.deadline === undefined) return undefined;
    const left = this.context.deadline - Date.now();
    return left > 0x7fffffff ? undefined : Math.max(1, left);
  }

  #fail(thrown: unknown): void {
    if (this.#over) return;
    const { code, message, sent, trailers, broken } = connectFailure(thrown, this.session.authority, this.#sent);
    this.#end(code, message, sent, trailers);
    if (broken) this.session.broken();
    this.#abort.abort();
  }

  /** Ends it from this side. */
  #refuse([code, message]: [StatusName, string], sent: boolean): void {
    this.#end(code, message, sent, emptyMetadata);
    this.#abort.abort();
  }

  #end(code: StatusName, message: string, sent: boolean, trailers: Metadata): void {
    if (this.#over) return;
    this.#finish();
    const sizes = this.context.watcher && { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes };
    this.sink.end({ code, message, sent, trailers, ...sizes });
  }

  #finish(): void {
    this.#over = true;
    this.#queue = [];
    this.session.calls.delete(this);
    this.#taker?.({ value: undefined, done: true });
    this.#taker = undefined;
    this.#creditor?.();
  }
}
