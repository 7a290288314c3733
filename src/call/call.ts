/** One call: what the user asked for, and what has become of it so far. */

import type { Observable } from 'rxjs';
import type { Requirement } from '../balancer/picker.js';
import type { BackoffOptions } from '../core/backoff.js';
import type { Demand } from '../core/demand.js';
import type { FleetErrorCode } from '../core/errorCodes.js';
import type { Attempt } from '../core/fleetError.js';
import type { Metadata } from '../core/metadata.js';
import type { Node } from '../core/node.js';

/** What a user may say of one call, or of all calls of a client. */
export interface CallOptions {
  /**
   * Milliseconds until the call must be over, all attempts and waits included; goes to the node as `grpc-timeout`.
   * Default 30,000 for calls with one answer, none (`Infinity`) for calls that stream answers.
   */
  readonly deadlineMs?: number;
  /**
   * Milliseconds until a node must have given its first answer, per attempt; else the attempt fails as `UNAVAILABLE`
   * and another node may take over. Default: only the deadline limits it. Envoy calls it `per_try_timeout`.
   */
  readonly firstResponseTimeoutMs?: number;
  /** Headers to send. */
  readonly metadata?: Metadata;
  /** Equal keys go to one node, with a balancer that cares, such as `consistentHash`. */
  readonly key?: string;
  /** What a node must offer to get this call. */
  readonly requires?: Requirement;
  /** When to try again before the first answer. `false`: never. */
  readonly retry?: RetryOptions | false;
  /**
   * May a second node get the call after the first failed? Default: when it is safe, that is when the method is marked
   * as idempotent or the request surely never arrived. `true`: also when the first may have done the work. `false`: never.
   */
  readonly failover?: boolean;
  /**
   * Waits for a node within the deadline instead of failing with `NO_NODES`; a task that nobody offers still fails at
   * once. Default false. gRPC name: `wait_for_ready`.
   */
  readonly waitForReady?: boolean;
}

/** Names and rules of gRFC A6. */
export interface RetryOptions extends BackoffOptions {
  /** Attempts in all, the first included. Default 3. */
  readonly maxAttempts?: number;
  /** Codes that another attempt may mend. Default `UNAVAILABLE`. */
  readonly retryableCodes?: readonly FleetErrorCode[];
}

/** How a call runs on one connection. */
export interface AttemptContext {
  readonly node: Node;
  /** When the call must be over, in milliseconds since the epoch; `Infinity` for never. */
  readonly deadline: number;
  readonly metadata: Metadata | undefined;
  /** Set when the consumer pulls: messages are read from the wire only while it wants some. */
  readonly demand: Demand | undefined;
}

export interface CallInit<C, R> {
  /** For messages and metrics, such as `/demo.Greeter/SayHello`. */
  readonly name: string;
  /** One try on one connection; cold. */
  readonly run: (connection: C, attempt: AttemptContext) => Observable<R>;
  readonly options: CallOptions;
  /** True when it has exactly one answer, whose arrival means success. */
  readonly single: boolean;
  /** True when running it twice does no harm. */
  readonly idempotent: boolean;
  readonly startedAt: number;
  readonly demand: Demand | undefined;
}

/** One subscription of one call, as middlewares see it: the request does not change, but for its metadata; the account of it grows. */
export class Call<C, R> {
  readonly name: string;
  readonly run: (connection: C, attempt: AttemptContext) => Observable<R>;
  readonly options: CallOptions;
  readonly single: boolean;
  readonly idempotent: boolean;
  readonly startedAt: number;
  /** When it must be over, in milliseconds since the epoch; `Infinity` for never. */
  readonly deadline: number;
  readonly demand: Demand | undefined;
  /** Set once the deadline has passed. */
  expired = false;
  /** What the attempts from now on send: those of the options, and what a middleware adds, such as a credential. */
  metadata: Metadata | undefined;
  #attempts: Attempt[] | undefined;
  #tried: Set<string> | undefined;

  constructor(init: CallInit<C, R>) {
    this.name = init.name;
    this.run = init.run;
    this.options = init.options;
    this.metadata = init.options.metadata;
    this.single = init.single;
    this.idempotent = init.idempotent;
    this.startedAt = init.startedAt;
    this.deadline = init.startedAt + (init.options.deadlineMs ?? (init.single ? 30_000 : Infinity));
    this.demand = init.demand;
  }

  /** The attempts that failed, in order. */
  get attempts(): readonly Attempt[] {
    return this.#attempts ?? [];
  }

  /** The nodes that failed, which the next attempt avoids. */
  get tried(): ReadonlySet<string> | undefined {
    return this.#tried;
  }

  /** Enters a failed attempt. */
  failed(attempt: Attempt): void {
    (this.#attempts ??= []).push(attempt);
    (this.#tried ??= new Set()).add(attempt.node);
  }
}
