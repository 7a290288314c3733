/** One call on a grpc-js channel, below its client classes: messages go as bytes, and come as they are asked for. */

import type { ActiveCall, CallContext, CallSink, MessageWatcher } from '../../core/channel.js';
import type { StatusName } from '../../core/errorCodes.js';
import { emptyMetadata } from '../../core/metadata.js';
import type { Method } from '../../core/method.js';
import type { SessionCall } from '../sessionCall.js';
import { tooLong } from '../tooLong.js';
import { scheme } from './endpointResolver.js';
import { grpcFailure } from './grpcFailure.js';
import { GrpcJsStatus, type GrpcJsChannel, type GrpcJsMetadata, type StatusObject } from './grpcJs.js';
import { fromGrpcMetadata, noMetadata, toGrpcMetadata } from './grpcMetadata.js';
import type { GrpcSession } from './grpcSession.js';

type GrpcCallHandle = ReturnType<GrpcJsChannel['createCall']>;

/** How many bytes may wait to be written before `send` asks for a pause. */
const highWaterMark = 64 * 1024;

const oneMessage = Object.freeze({});

/** One call on a session; grpc-js tells it, as the listener of its own handle, what comes. */
export class GrpcCall<I, O> implements ActiveCall<I>, SessionCall {
  private readonly call: GrpcCallHandle;
  private credit = 0;
  private held: Buffer | undefined;
  private handing = false;
  private status: StatusObject | undefined;
  private over = false;
  private halfClosed = false;
  private sentAny = false;
  private writing = false;
  private waiting: Buffer[] | undefined;
  private waitingBytes = 0;
  private full = false;
  // Of messages, as they are before compression; how long an answer was on the wire grpc-js does not tell.
  private sentBytes = 0;
  private receivedBytes = 0;
  private readonly maxSendBytes: number;
  private readonly maxReceiveBytes: number;
  private readonly watcher: MessageWatcher | undefined;
  private readonly written: { callback: () => void } | undefined;

  constructor(
    private readonly session: GrpcSession,
    private readonly method: Method<I, O>,
    context: CallContext,
    private readonly sink: CallSink<O>,
    maxSendBytes: number,
  ) {
    this.maxSendBytes = Math.min(maxSendBytes, context.maxSendBytes ?? Infinity);
    this.maxReceiveBytes = context.maxReceiveBytes ?? Infinity;
    this.watcher = context.watcher;
    this.call = session.channel.createCall(method.path, context.deadline ?? Infinity, null, null, null);
    if (method.kind === 'clientStreaming' || method.kind === 'bidiStreaming') {
      this.written = { callback: () => this.onWritten() };
    }
    session.calls.add(this);
    let metadata: GrpcJsMetadata;
    try {
      metadata = context.metadata ? toGrpcMetadata(context.metadata) : noMetadata();
    } catch (error) {
      // The handle is never started, so it holds nothing but its deadline timer.
      this.fail('INTERNAL', `cannot send the metadata of ${method.path}: ${textOf(error)}`);
      return;
    }
    this.call.start(metadata, this);
    // One message is always read ahead: grpc-js reads without bounds before the first demand, and reports the end of a
    // stream only to a reader.
    this.call.startRead();
  }

  send(message: I): boolean {
    if (this.over) return true;
    let bytes: Uint8Array;
    try {
      bytes = this.method.encode(message);
    } catch (error) {
      this.fail('INTERNAL', `cannot encode a request of ${this.method.path}: ${textOf(error)}`);
      return true;
    }
    if (bytes.length > this.maxSendBytes) {
      this.fail(...tooLong(this.method.path, 'sent', bytes.length, this.maxSendBytes));
      return true;
    }
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!this.writing) {
      this.write(buffer);
      this.full = this.writing && buffer.length >= highWaterMark;
      return !this.full;
    }
    // grpc-js loses a message that follows before its call has begun: so one is written at a time.
    (this.waiting ??= []).push(buffer);
    this.waitingBytes += buffer.length;
    this.full = this.waitingBytes >= highWaterMark || this.waiting.length >= 32;
    return !this.full;
  }

  halfClose(): void {
    if (this.halfClosed || this.over) return;
    this.halfClosed = true;
    if (!this.waiting?.length) this.call.halfClose();
  }

  request(count: number): void {
    this.credit += count;
    if (this.held === undefined || this.handing || this.credit <= 0) return;
    this.handing = true;
    // Never within the caller's own call.
    queueMicrotask(() => {
      this.handing = false;
      const message = this.held;
      this.held = undefined;
      if (message !== undefined) this.deliver(message);
    });
  }

  cancel(): void {
    if (this.over) return;
    this.finish();
    this.call.cancelWithStatus(GrpcJsStatus.CANCELLED, 'cancelled by the caller');
  }

  abandon(): void {
    if (this.over) return;
    this.fail('UNAVAILABLE', `the channel to ${this.session.authority} was closed`);
  }

  onReceiveMetadata(metadata: GrpcJsMetadata): void {
    if (!this.over) this.sink.headers(fromGrpcMetadata(metadata));
  }

  onReceiveMessage(message: Buffer): void {
    if (this.over) return;
    if (this.credit > 0) this.deliver(message);
    else this.held = message;
  }

  onReceiveStatus(status: StatusObject): void {
    if (this.over) return;
    // What came before the end is handed out before it, but nobody waits past a deadline.
    if (this.held === undefined || status.code === GrpcJsStatus.DEADLINE_EXCEEDED) this.end(status);
    else this.status = status;
  }

  private deliver(bytes: Buffer): void {
    if (this.over) return;
    this.credit--;
    this.receivedBytes += bytes.length;
    this.watcher?.received(bytes.length);
    if (bytes.length > this.maxReceiveBytes) {
      this.fail(...tooLong(this.method.path, 'received', bytes.length, this.maxReceiveBytes), true);
      return;
    }
    let message: O;
    try {
      message = this.method.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    } catch (error) {
      this.fail('INTERNAL', `cannot decode an answer of ${this.method.path}: ${textOf(error)}`, true);
      return;
    }
    this.sink.message(message);
    if (this.over) return;
    if (this.status) this.end(this.status);
    else this.call.startRead();
  }

  private write(buffer: Buffer): void {
    this.sentAny = true;
    this.sentBytes += buffer.length;
    this.watcher?.sent(buffer.length);
    if (this.written) {
      this.writing = true;
      this.call.sendMessageWithContext(this.written, buffer);
    } else this.call.sendMessageWithContext(oneMessage, buffer);
  }

  private onWritten(): void {
    this.writing = false;
    if (this.over) return;
    const next = this.waiting?.shift();
    if (next) {
      this.waitingBytes -= next.length;
      this.write(next);
      if (this.halfClosed && !this.waiting!.length) this.call.halfClose();
    }
    if (this.full && this.waitingBytes < highWaterMark / 2) {
      this.full = false;
      this.sink.drain();
    }
  }

  private end({ code, details, metadata }: StatusObject): void {
    this.finish();
    const { sentBytes, receivedBytes } = this;
    const trailers = fromGrpcMetadata(metadata);
    if (code === GrpcJsStatus.OK) {
      this.sink.end({ code: 'OK', message: details, sent: true, trailers, sentBytes, receivedBytes });
      return;
    }
    const { name, message, sent: left } = grpcFailure(code, details, this.session.authority);
    // A call that never got a stream names its channel as its peer.
    const sent = left && !this.call.getPeer().startsWith(scheme);
    this.sink.end({ code: name, message, sent, trailers, sentBytes, receivedBytes });
  }

  /** Ends it from this side. */
  private fail(code: StatusName, message: string, sent = this.sentAny): void {
    this.finish();
    const { sentBytes, receivedBytes } = this;
    queueMicrotask(() => this.sink.end({ code, message, sent, trailers: emptyMetadata, sentBytes, receivedBytes }));
    this.call.cancelWithStatus(GrpcJsStatus.CANCELLED, message);
  }

  private finish(): void {
    this.over = true;
    this.held = undefined;
    this.waiting = undefined;
    this.session.forget(this);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
