/** The one error class: a stable code, a message that says what to do, and everything that was tried. */

import { errorCodes, type Blame, type FleetErrorCode } from './errorCodes.js';

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

  constructor(code: FleetErrorCode, message: string, options: FleetErrorOptions = {}) {
    const attempts = options.attempts ?? [];
    super(summary(message, attempts), 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.detail = message;
    this.node = options.node ?? attempts.at(-1)?.node;
    this.attempts = attempts;
    this.sent = options.sent ?? true;
    this.bytes = options.bytes;
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
    const { node, attempts, sent, bytes } = this;
    const error = new FleetError(this.code, this.detail, {
      node,
      attempts,
      sent,
      bytes,
      ...('cause' in this ? { cause: this.cause } : {}),
      ...options,
    });
    error.stack = this.stack;
    return error;
  }

  /** A plain object for logs and `--json`; holds no cause and no bytes. */
  toJSON(): object {
    const { code, message, node, attempts } = this;
    return { code, message, node, attempts };
  }

  /** Whatever was thrown, as a `FleetError`: itself if it is one, else `UNKNOWN` with the thing as its cause. */
  static from(thrown: unknown, code: FleetErrorCode = 'UNKNOWN', options: FleetErrorOptions = {}): FleetError {
    if (thrown instanceof FleetError) return thrown;
    const message = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
    return new FleetError(code, message, { ...options, cause: thrown });
  }
}

function summary(message: string, attempts: readonly Attempt[]): string {
  if (attempts.length === 0) return message;
  const tried = attempts.map((a) => `${a.node} ${a.code} after ${Math.round(a.durationMs)} ms`).join(', ');
  return `${message} (tried: ${tried})`;
}
