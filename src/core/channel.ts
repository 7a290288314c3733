/**
 * How bytes reach a node, as a contract: what every transport implements and everything above relies on.
 *
 * It is callbacks, not promises or streams, so that an Observable is wrapped around a call once, at the surface of
 * the pipeline, and virtual time holds for everything above.
 */

import type { Observable } from 'rxjs';
import type { StatusName } from './errorCodes.js';
import type { Metadata } from './metadata.js';
import type { Method } from './method.js';
import type { Node } from './node.js';

/** gRPC's connectivity states. https://grpc.github.io/grpc/core/md_doc_connectivity-semantics-and-api.html */
export type ConnectivityState = 'IDLE' | 'CONNECTING' | 'READY' | 'TRANSIENT_FAILURE' | 'SHUTDOWN';

/** A way to reach nodes. A value without a life of its own: what it opens, it does not keep. */
export interface Transport {
  /** `grpc`, `connect`, … */
  readonly name: string;
  /** A channel to one node. Opens no socket before `connect()` or the first call. */
  open(node: Node): Channel;
}

/**
 * Why a connection ended, in the words of gRFC A94: `GOAWAY NO_ERROR` and the like is what the node said (RFC 9113, 7),
 * `subchannel shutdown` that it was this side; a ping without an answer is `connection timed out`.
 */
export type DisconnectError =
  | `GOAWAY ${string}`
  | 'subchannel shutdown'
  | 'connection reset'
  | 'connection timed out'
  | 'connection aborted'
  | 'socket error'
  | 'unknown';

/** Something with a connection to one node and a state that can be watched. */
export interface Connection {
  /** The state now, then each change; completes after `SHUTDOWN`. */
  readonly state$: Observable<ConnectivityState>;
  readonly state: ConnectivityState;
  /** Why the last dialling failed, in a sentence. */
  readonly lastError?: string | undefined;
  /** Each dialling that has failed, with the reason: also those after which the state stays `TRANSIENT_FAILURE`. */
  readonly failures$?: Observable<string> | undefined;
  /** Why it was lost last, where that is known; set before the state changes. */
  readonly lastDisconnect?: DisconnectError | undefined;
  /** Starts to connect, if idle; also cuts the wait before the next try short. */
  connect(): void;
  /** Ends it at once: calls in flight fail as `UNAVAILABLE`. May be called twice. */
  close(): void;
}

/** One connection to one node, over which any number of calls run at once. */
export interface Channel extends Connection {
  /** Starts a call. Everything that comes of it goes to `sink`, never synchronously. */
  start<I, O>(method: Method<I, O>, context: CallContext, sink: CallSink<O>): ActiveCall<I>;
}

export interface CallContext {
  /** When the call must be over, in milliseconds since the epoch; goes to the node as `grpc-timeout`. */
  readonly deadline?: number;
  readonly metadata?: Metadata;
  /** Longest message of this call, in bytes, where that is less than the transport allows; else `RESOURCE_EXHAUSTED`. */
  readonly maxSendBytes?: number | undefined;
  readonly maxReceiveBytes?: number | undefined;
  /** Told of each message. A transport that must count for it does so only for who asks. */
  readonly watcher?: MessageWatcher | undefined;
}

/** Told of the messages of a call on the wire, with their bytes before compression. Must not throw. */
export interface MessageWatcher {
  sent(bytes: number): void;
  received(bytes: number): void;
}

/** How a call ended on the wire. */
export interface CallStatus {
  readonly code: StatusName;
  readonly message: string;
  /**
   * False when the request surely never reached an application: the connection could not be made, or the node
   * refused the stream unprocessed (HTTP/2 REFUSED_STREAM, or past the last id of a GOAWAY).
   */
  readonly sent: boolean;
  readonly trailers: Metadata;
  /** Bytes of the messages, without their frames, before compression; undefined where a transport counts only for a watcher. */
  readonly sentBytes?: number;
  readonly receivedBytes?: number;
}

/** Where a call's answers go. After `end` nothing follows; after `cancel()` nothing follows either, not even `end`. */
export interface CallSink<O> {
  headers(metadata: Metadata): void;
  /** One message, for each credit given by `request`. */
  message(message: O): void;
  /** Exactly once, unless the call was cancelled. */
  end(status: CallStatus): void;
  /** The wire takes messages again, after `send` returned false. */
  drain(): void;
}

/** A call on the wire. */
export interface ActiveCall<I> {
  /** Sends one message. False: hold the next until `drain`. A message sent all the same is queued, never lost. */
  send(message: I): boolean;
  /** No more messages follow. */
  halfClose(): void;
  /** Lets `count` more messages come; without it none does, so a slow reader slows the node. `Infinity` lifts the limit. */
  request(count: number): void;
  /** Ends the call on the wire at once (RST_STREAM, CANCEL) and silences the sink. May be called twice. */
  cancel(): void;
}
