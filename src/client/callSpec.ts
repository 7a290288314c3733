/** What a gRPC call is made of, as a fleet takes it. */

import type { Observable, ObservableInput } from 'rxjs';
import type { CallOptions } from '../call/call.js';
import type { Metadata } from '../core/metadata.js';
import type { Method } from '../core/method.js';
import type { Node } from '../core/node.js';

/** Options of one gRPC call. */
export interface RpcOptions extends CallOptions {
  /** Told of the headers of each attempt that got any. */
  readonly onHeaders?: (headers: Metadata) => void;
  /** Told of the trailers of each attempt that got any. */
  readonly onTrailers?: (trailers: Metadata) => void;
}

/** A gRPC call through the whole pipeline. */
export interface CallSpec<I, O, R = O> extends RpcOptions {
  readonly method: Method<I, O>;
  /** The message, or the stream of messages; built anew for each attempt, for the node that was picked. */
  readonly request: (node: Node) => I | ObservableInput<I>;
  /**
   * Applied to the answers of each attempt, inside retry and failover: as long as it has emitted nothing, another
   * node can still take over.
   */
  readonly answers?: (answers$: Observable<O>, node: Node) => Observable<R>;
  /** Safe to run twice? Default: what the proto says (`idempotency_level`). */
  readonly idempotent?: boolean;
  /** Exactly one answer, whose arrival means success? Default: by the kind of the method. */
  readonly single?: boolean;
}

/** Whatever runs gRPC calls: a fleet, or something around one. */
export interface Caller {
  /**
   * Calls a method on a node of the balancer's choice. Cold: each subscription is a call of its own; unsubscribing
   * cancels it on the wire. Errors with a `FleetError`.
   */
  call<I, O, R = O>(spec: CallSpec<I, O, R>): Observable<R>;
}
