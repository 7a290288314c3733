/** One call over one channel, as an Observable: the one place where callbacks become a stream. */

import { Observable, type ObservableInput, type Unsubscribable } from 'rxjs';
import type { AnswerSink } from './answerSink.js';
import type { ActiveCall, CallContext, CallSink, CallStatus, Channel } from './channel.js';
import type { Demand } from './demand.js';
import { errorCodes } from './errorCodes.js';
import { FleetError } from './fleetError.js';
import type { Metadata } from './metadata.js';
import type { Method } from './method.js';
import { sendAll, type Sending } from './sendAll.js';

export interface RpcContext extends CallContext {
  /** When given, messages are read from the wire only while it is ready. Default: read as they come. */
  readonly demand?: Demand | undefined;
  /** Told of the headers that the node sent, before the first message. */
  readonly onHeaders?: ((headers: Metadata) => void) | undefined;
  /** Told of the trailers, before the end or the error. */
  readonly onTrailers?: ((trailers: Metadata) => void) | undefined;
  /** Told how the call ended on the wire, before the end or the error. */
  readonly onStatus?: ((status: CallStatus) => void) | undefined;
}

/**
 * Calls a method over a channel.
 *
 *     wire     -h-m-m-t(OK)          rpc      ---m-m-|
 *     wire     -h-m-t(UNAVAILABLE)   rpc      ---m-#
 *
 * Cold: each subscription is a call of its own, and unsubscribing cancels it on the wire. A method with one answer
 * gives it only when the status is OK, so an error is never preceded by a value.
 *
 * @param requests For `unary` and `serverStreaming` the one message; else a stream of messages, sent as fast as the
 *   wire takes them (AsyncIterables and Iterables are pulled, Observables are queued).
 *
 * Errors with a `FleetError` of the status; `sent` is false when the request surely never reached an application.
 * `INTERNAL` when a method with one answer gives none, or several; `CANCELLED` when the source of the requests fails.
 */
export function rpc<I, O>(
  channel: Channel,
  method: Method<I, O>,
  requests: I | ObservableInput<I>,
  context: RpcContext = noContext,
): Observable<O> {
  return new Observable((subscriber) => startRpc(channel, method, requests, context, subscriber));
}

/** The same without an Observable around it. */
export function startRpc<I, O>(
  channel: Channel,
  method: Method<I, O>,
  requests: I | ObservableInput<I>,
  context: RpcContext,
  sink: AnswerSink<O>,
): Unsubscribable {
  const call = new Rpc(method, context, sink);
  call.start(channel, requests);
  return call;
}

const noContext: RpcContext = Object.freeze({});

/** One running call; as a teardown it cancels. */
class Rpc<I, O> implements CallSink<O>, Unsubscribable {
  private readonly method: Method<I, O>;
  private readonly context: RpcContext;
  private readonly sink: AnswerSink<O>;
  private readonly single: boolean;
  private call: ActiveCall<I> | undefined = undefined;
  private sending: Sending | undefined = undefined;
  private ended = false;
  private answers = 0;
  private answer: O | undefined = undefined;

  constructor(method: Method<I, O>, context: RpcContext, sink: AnswerSink<O>) {
    this.method = method;
    this.context = context;
    this.sink = sink;
    this.single = method.kind === 'unary' || method.kind === 'clientStreaming';
  }

  start(channel: Channel, requests: I | ObservableInput<I>): void {
    try {
      const call = (this.call = channel.start(this.method, this.context, this));
      if (this.context.demand && !this.single) this.readWhenWanted();
      else call.request(Infinity);
      if (this.method.kind === 'unary' || this.method.kind === 'serverStreaming') {
        call.send(requests as I);
        call.halfClose();
      } else {
        const sending = sendAll(call, requests as ObservableInput<I>, (error) => this.requestsFailed(error));
        // A source that fails within the call above has ended everything already.
        if (this.ended) sending.unsubscribe();
        else this.sending = sending;
      }
    } catch (thrown) {
      this.fail(FleetError.from(thrown, 'INVALID_ARGUMENT', { sent: false }));
    }
  }

  headers(metadata: Metadata): void {
    this.context.onHeaders?.(metadata);
  }

  message(message: O): void {
    if (this.ended) return;
    this.answers++;
    if (this.single) {
      this.answer = message;
      if (this.answers > 1) this.fail(new FleetError('INTERNAL', `${this.method.path} gave more than one message`));
      return;
    }
    this.sink.next(message);
    if (this.context.demand) this.readWhenWanted();
  }

  end(status: CallStatus): void {
    if (this.ended) return;
    this.ended = true;
    this.sending?.unsubscribe();
    const { sink } = this;
    const { code, message, sent, trailers } = status;
    this.context.onTrailers?.(trailers);
    this.context.onStatus?.(status);
    sink.status?.(status);
    if (code !== 'OK') {
      const said = Object.keys(trailers).length > 0 ? { sent, trailers } : { sent };
      sink.error(FleetError.untraced(code, message || errorCodes[code].meaning, said));
    } else if (!this.single) {
      sink.complete();
    } else if (this.answers === 1) {
      sink.next(this.answer!);
      sink.complete();
    } else {
      sink.error(new FleetError('INTERNAL', `${this.method.path} ended as OK but gave no message`));
    }
  }

  drain(): void {
    this.sending?.drain();
  }

  unsubscribe(): void {
    if (this.ended) return;
    this.ended = true;
    this.sending?.unsubscribe();
    this.call?.cancel();
  }

  private readWhenWanted(): void {
    if (this.ended) return;
    if (this.context.demand!.ready) this.call!.request(1);
    else this.context.demand!.whenReady(() => this.read());
  }

  private read(): void {
    if (!this.ended) this.call!.request(1);
  }

  private requestsFailed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.fail(
      error instanceof FleetError
        ? error
        : new FleetError('CANCELLED', `the stream of requests failed: ${why}`, { cause: error }),
    );
  }

  private fail(error: FleetError): void {
    if (this.ended) return;
    this.unsubscribe();
    this.sink.error(error);
  }
}
