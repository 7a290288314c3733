/** What happens to calls and their attempts, as it happens. */

import type { MessageWatcher } from '../core/channel.js';
import type { FleetErrorCode } from '../core/errorCodes.js';
import type { Decision, FleetError } from '../core/fleetError.js';
import type { MetadataValue } from '../core/metadata.js';
import type { Node } from '../core/node.js';
import type { Outcome } from '../core/nodeStats.js';
import type { CallInfo } from './call.js';
import type { RetryRefusal } from './retryVerdict.js';

/** What every event says. */
interface Happening {
  /** When, in milliseconds since the epoch, by the clock of the scheduler. */
  readonly at: number;
}

/** What every event of a call says. */
interface OfCall extends Happening {
  /** One object for all events of a call. */
  readonly call: CallInfo;
}

/** What every event of an attempt says. */
interface OfAttempt extends OfCall {
  /** From 1; equal numbers of a call are one attempt. */
  readonly attempt: number;
  readonly node: Node;
}

/** Somebody subscribed to a call. */
export interface CallStarted extends OfCall {
  readonly type: 'callStarted';
}

/** A call is over, as its user sees it. */
export interface CallEnded extends OfCall {
  readonly type: 'callEnded';
  /** `CANCELLED` when its user unsubscribed. */
  readonly code: FleetErrorCode | 'OK';
  readonly error: FleetError | undefined;
  /** From the subscription to the end, all attempts and waits included. */
  readonly latencyMs: number;
  /** From the subscription to the first answer, when one came. */
  readonly firstMessageMs: number | undefined;
  /** Answers that its user got. */
  readonly messages: number;
}

/** Why there is another attempt. `transparent`: the one before never reached its node. */
export type AttemptReason = 'first' | 'retry' | 'transparent' | 'hedge' | 'resume';

/**
 * A node was asked for, or nobody was there. The account of it (`strategy`, `candidates`, `leftOut`) is made when it is first
 * read, so that who listens for other things does not pay for it.
 */
export interface DecisionMade extends OfCall, Decision {
  readonly type: 'decision';
  readonly chosen: Node | undefined;
}

/** An attempt is about to begin on a node. */
export interface AttemptStarted extends OfAttempt {
  readonly type: 'attemptStarted';
  readonly reason: AttemptReason;
  /** Attempts before this one that may have reached a node, as gRFC A6 counts them: transparent retries do not count. */
  readonly previous: number;
  /** How long it waited for a node to be there, in milliseconds; 0 when it did not. */
  readonly waitedMs: number;
  /** Adds a header to this attempt: for the context of a trace. All that a listener can change. */
  addHeader(name: string, value: MetadataValue): void;
  /**
   * Asks that its end tells of the bytes of its messages, with every transport and however it ends; and to be told of each
   * message on the wire, where `watcher` is given. Of the work of a pool it hears what that tells it.
   */
  watchMessages(watcher?: MessageWatcher): void;
}

/** An attempt is over. */
export interface AttemptEnded extends OfAttempt {
  readonly type: 'attemptEnded';
  readonly reason: AttemptReason;
  readonly outcome: Outcome;
  /** What the node said, when it failed. */
  readonly message: string;
  /** True for an attempt that was given up because another one answered first. */
  readonly outrun: boolean;
  readonly messages: number;
  readonly sentBytes: number | undefined;
  readonly receivedBytes: number | undefined;
}

/** Another attempt will follow. */
export interface RetryScheduled extends OfCall {
  readonly type: 'retryScheduled';
  /** The number that it will have. */
  readonly attempt: number;
  readonly reason: AttemptReason;
  readonly delayMs: number;
  /** What the attempt before failed with. */
  readonly after: FleetErrorCode;
  /** True when the node said how long to wait. */
  readonly pushback: boolean;
}

/** A failed call was not tried again, or a slow one not hedged. */
export interface RetryRefused extends OfCall {
  readonly type: 'retryRefused';
  readonly reason: RetryRefusal;
  /** What it failed with; undefined for a copy of a slow call that the budget did not allow. */
  readonly code: FleetErrorCode | undefined;
}

/** A stream that broke after it had spoken goes on elsewhere. */
export interface Resumed extends OfCall {
  readonly type: 'resumed';
  readonly attempt: number;
  readonly after: FleetErrorCode;
  /** Answers that were given before. */
  readonly messages: number;
  readonly continuity: 'exact' | 'text' | 'none';
}

/** A stream fell silent for much longer than is usual for it. */
export interface Stalled extends OfAttempt {
  readonly type: 'stalled';
  readonly silentMs: number;
  /** The usual time from one answer to the next. */
  readonly usualMs: number;
}

/** A limiter held a call back, or sent it away. */
export interface Limited extends OfCall {
  readonly type: 'limited';
  /** The name of the limiter. */
  readonly by: string;
  /** Which of its buckets or queues, such as a tenant; `''` when there is one for all. */
  readonly key: string;
  readonly result: 'waited' | 'refused';
  readonly waitedMs: number;
}

/** The state of a circuit breaker changed. */
export interface BreakerChanged extends Happening {
  readonly type: 'breakerChanged';
  /** The policy, such as `circuitBreaker`; several of one name are numbered. */
  readonly by: string;
  readonly node: string;
  /** Of one method, with a breaker for each. */
  readonly method: string | undefined;
  readonly from: BreakerState;
  readonly to: BreakerState;
  /** In a sentence. */
  readonly reason: string;
  /** When it will let probes through, while it is open. */
  readonly retryAt: number | undefined;
}

/** `closed`: calls pass. `open`: none does. `halfOpen`: a few do, to see. */
export type BreakerState = 'closed' | 'open' | 'halfOpen';

export type CallEvent =
  | CallStarted
  | CallEnded
  | DecisionMade
  | AttemptStarted
  | AttemptEnded
  | RetryScheduled
  | RetryRefused
  | Resumed
  | Stalled
  | Limited
  | BreakerChanged;
