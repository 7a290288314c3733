/** The one error class: a stable code, a message that says what to do, and everything that was tried. */

import { errorCodes, type Blame, type FleetErrorCode } from './errorCodes.js';
import type { Metadata } from './metadata.js';
import type { Why } from './why.js';

/** One try of a call on one node. */
export interface Attempt {
  /** The id of the node. */
  readonly node: string;
  /** The address that was dialled, as `host:port`. */
  readonly address: string;
  /** How it ended. */
  readonly code: FleetErrorCode | 'OK';
  readonly message: string;
  /** Milliseconds from the start of this attempt to its end. */
  readonly durationMs: number;
}

/** Why one attempt of a call went where it went. */
export interface Decision extends Why {
  /** The number of the attempt in its call, from 1. */
  readonly attempt: number;
  /** The node that was picked; undefined when nobody could take it. */
  readonly chosen: { readonly id: string; readonly name: string } | undefined;
}

export interface FleetErrorOptions {
  /** The id of the node that failed, when one did. */
  readonly node?: string;
  /** Each attempt of the call, the last one last. */
  readonly attempts?: readonly Attempt[];
  readonly cause?: unknown;
  /** False when the request surely never reached the node, so that a repeat is safe for any method. Default true. */
  readonly sent?: boolean;
  /** The raw bytes of an answer that could not be understood. */
  readonly bytes?: Uint8Array;
  /** The trailers with which the node ended the call. */
  readonly trailers?: Metadata;
  /** The account of each pick of the call; made when it is read. */
  readonly decisions?: readonly (() => Decision)[];
}

/**
 * What every Observable of rxfleet errors with.
 *
 * Match on `code`, never on `message`: the codes are stable, and `errorCodes` says for each what it means and what to do.
 */
export class FleetError extends Error {
  override readonly name = 'FleetError';
  readonly code: FleetErrorCode;
  /** The message as given, without the summary of the attempts. */
  readonly detail: string;
  readonly node: string | undefined;
  readonly attempts: readonly Attempt[];
  readonly sent: boolean;
  readonly bytes: Uint8Array | undefined;
  /** The trailers with which the node ended the call, such as details of its status; undefined when it sent none. */
  readonly trailers: Metadata | undefined;
  readonly #decisions: readonly (() => Decision)[];
  #traced = true;

  constructor(code: FleetErrorCode, message: string, options: FleetErrorOptions = {}) {
    const attempts = options.attempts ?? [];
    super(summary(message, attempts), 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.detail = message;
    this.node = options.node ?? attempts.at(-1)?.node;
    this.attempts = attempts;
    this.sent = options.sent ?? true;
    this.bytes = options.bytes;
    this.trailers = options.trailers;
    this.#decisions = options.decisions ?? [];
  }

  /** Why each attempt went to its node, and why not to the others; told of the nodes as they were known then. */
  get decisions(): readonly Decision[] {
    return this.#decisions.map((decision) => decision());
  }

  /** Who this failure is charged to. */
  get blame(): Blame {
    return errorCodes[this.code].blame;
  }

  /** The remedy for this kind of error, in a sentence. */
  get remedy(): string {
    return errorCodes[this.code].remedy;
  }

  /** The same error, with what was learnt on the way up. */
  with(options: FleetErrorOptions): FleetError {
    const { node, attempts, sent, bytes, trailers } = this;
    const told: FleetErrorOptions = {
      node,
      attempts,
      sent,
      bytes,
      trailers,
      decisions: this.#decisions,
      ...('cause' in this ? { cause: this.cause } : {}),
      ...options,
    };
    const error = FleetError.untraced(this.code, this.detail, told);
    if (!this.#traced) return error;
    error.#traced = true;
    // Written out when it is read: that costs as much as taking it.
    Object.defineProperty(error, 'stack', { configurable: true, get: () => this.stack });
    return error;
  }

  /** A plain object for logs and `--json`; holds no cause and no bytes. */
  toJSON(): object {
    const { code, message, node, attempts } = this;
    return { code, message, node, attempts };
  }

  /**
   * One whose stack names nobody, for what comes over the wire: its stack would only say that something came, and to take
   * it costs more than all else in a failover.
   */
  static untraced(code: FleetErrorCode, message: string, options?: FleetErrorOptions): FleetError {
    const { stackTraceLimit } = Error;
    if (limitIsOurs) Error.stackTraceLimit = 0;
    const error = new FleetError(code, message, options);
    if (limitIsOurs) Error.stackTraceLimit = stackTraceLimit;
    error.#traced = false;
    return error;
  }

  /** Whatever was thrown, as a `FleetError`: itself if it is one, else `UNKNOWN` with the thing as its cause. */
  static from(thrown: unknown, code: FleetErrorCode = 'UNKNOWN', options: FleetErrorOptions = {}): FleetError {
    if (thrown instanceof FleetError) return thrown;
    const message = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
    return new FleetError(code, message, { ...options, cause: thrown });
  }
}

/** Not where somebody has frozen what is built in. */
const limitIsOurs = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')?.writable === true;

function summary(message: string, attempts: readonly Attempt[]): string {
  if (attempts.length === 0) return message;
  const tried = attempts.map((a) => `${a.node} ${a.code} after ${Math.round(a.durationMs)} ms`).join(', ');
  return `${message} (tried: ${tried})`;
}
