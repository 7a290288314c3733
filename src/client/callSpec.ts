/** What a gRPC call is made of, as a fleet takes it. */

import type { Observable, ObservableInput } from 'rxjs';
import type { CallOptions } from '../call/call.js';
import type { Continuity, Resume } from '../call/resume.js';
import type { FleetError } from '../core/fleetError.js';
import type { Metadata } from '../core/metadata.js';
import type { Method } from '../core/method.js';
import type { Node } from '../core/node.js';

/** Options of one gRPC call. */
export interface RpcOptions extends CallOptions {
  /** Told of the headers of each attempt that got any. */
  readonly onHeaders?: (headers: Metadata) => void;
  /** Told of the trailers of each attempt that got any. */
  readonly onTrailers?: (trailers: Metadata) => void;
  /** Told each time that a stream goes on after a break, and how well it fits together. */
  readonly onResumed?: (resumed: ResumedInfo) => void;
}

/** How a stream went on after a break. */
export interface ResumedInfo {
  /** What the attempt before failed with. */
  readonly error: FleetError;
  readonly continuity: Continuity;
}

/** A gRPC call through the whole pipeline. */
export interface CallSpec<I, O, R = O, Q = never> extends RpcOptions {
  readonly method: Method<I, O>;
  /**
   * The message, or the stream of messages; built anew for each attempt, for the node that was picked.
   *
   * @param rest with a `resume` strategy, what it asks for now: at first what `resume.request` says.
   */
  readonly request: (node: Node, rest: Q) => I | ObservableInput<I>;
  /** How it goes on after a break, once it has spoken. Default: not at all. */
  readonly resume?: { readonly strategy: Resume<Q, R>; readonly request: Q } | undefined;
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
  call<I, O, R = O, Q = never>(spec: CallSpec<I, O, R, Q>): Observable<R>;
}
