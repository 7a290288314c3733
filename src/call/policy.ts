/**
 * What decides about calls without being wrapped around them: limiters and breakers.
 *
 * A middleware costs every call an Observable; a policy is asked a question and answers at once. It also knows its place: a
 * limiter stands before the first attempt, a breaker at each node, wherever `use` names them.
 */

import type { SchedulerLike } from 'rxjs';
import type { FleetErrorCode } from '../core/errorCodes.js';
import type { EventSink } from '../core/eventSink.js';
import type { FleetError } from '../core/fleetError.js';
import type { Metadata } from '../core/metadata.js';
import type { Ejection, Node } from '../core/node.js';
import type { NodeChanges, NodeSet } from '../core/nodeSet.js';
import type { Outcome } from '../core/nodeStats.js';
import type { Refusal } from '../core/why.js';
import type { CallEvent } from './callEvent.js';
import type { CallInfo } from './call.js';

/** A limiter or breaker, to be put into `use`. One value serves one client: it is started with it. */
export interface Policy {
  /** As the events and the snapshot of a client call it, such as `rateLimit`. */
  readonly name: string;
  start(ports: PolicyPorts): RunningPolicy;
}

/** What a policy needs of the client around it. */
export interface PolicyPorts {
  /** What it is called in this client: its own name, numbered where several policies have the same. */
  readonly by: string;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** The stopwatch by which latencies are measured. */
  readonly clock: () => number;
  readonly events: EventSink<CallEvent>;
  /** The nodes that are known now. */
  readonly nodes: () => NodeSet;
  /** Takes a node out, and lets it in again. */
  readonly eject: (id: string, ejection: Ejection) => void;
  readonly readmit: (id: string, by: string) => void;
}

/** A policy at work in one client. */
export interface RunningPolicy {
  /** Asked before the first attempt of each call. */
  readonly gate?: Gate;
  /** Asked after each pick. */
  readonly nodeGate?: NodeGate;
  /**
   * Told of each attempt when its node is known, before anything is sent; may replace its headers. What it throws fails
   * the attempt with `INVALID_OPTION`, and is not charged to the node.
   */
  begin?(attempt: BeginningAttempt): void;
  /** Told of each call when it is over, as its user sees it. What it throws is told to the process, and changes no call. */
  end?(call: CallInfo, end: CallEnd): void;
  /** Ids of nodes that are no longer known. */
  forget?(id: string): void;
  /** The nodes have changed, and the pickers know: those who wait for one may be asked again. */
  changed?(changes: NodeChanges): void;
  /** What it stands at, for the snapshot of the client. */
  report?(): object;
  close(): void;
}

/** An attempt that is about to be sent. */
export interface BeginningAttempt {
  /** What its metadata are made to be here, the attempts that follow send as well. */
  readonly call: CallInfo & { metadata: Metadata | undefined };
  readonly number: number;
  readonly node: Node;
  metadata: Metadata | undefined;
}

/** How a call ended for its user. */
export interface CallEnd {
  readonly code: FleetErrorCode | 'OK';
  readonly error: FleetError | undefined;
  readonly latencyMs: number;
  /** To the first answer; undefined when there was none. */
  readonly firstMessageMs: number | undefined;
  readonly messages: number;
}

/** What a call must pass before its first attempt, and leaves at its end. */
export interface Gate {
  /**
   * Lets the call in, or makes it wait. True: it may go on. False: `call.admit()` or `call.refuse()` follows, never within
   * this call.
   *
   * @throws FleetError when it is sent away at once.
   */
  enter(call: Entrant): boolean;
  /** It gave up waiting. */
  withdraw(call: Entrant): void;
  /** A call that was let in is over. */
  leave(call: Entrant, end: GateEnd): void;
}

/** A call at a gate. */
export interface Entrant {
  readonly call: CallInfo;
  admit(): void;
  refuse(error: FleetError): void;
}

/** How a call that passed a gate ended. */
export interface GateEnd {
  readonly code: FleetErrorCode | 'OK';
  /** From being let in to the end, in milliseconds. */
  readonly latencyMs: number;
  /** From being let in to the first answer, when one came. */
  readonly firstMessageMs: number | undefined;
  /** When it ended, on the stopwatch by which latencies are measured. */
  readonly at: number;
}

/** What guards single nodes: asked after a pick, told of the end of the attempt. */
export interface NodeGate {
  /** Undefined: the node may take the attempt, and `leave` follows. Else why not, and the call goes elsewhere. */
  enter(node: Node, call: CallInfo): Barred | undefined;
  leave(node: Node, call: CallInfo, outcome: Outcome): void;
  /**
   * The first answer of a stream has come, `latencyMs` after its attempt began; `leave` still follows, perhaps much later.
   * Not told of calls with one answer, whose attempt ends with it.
   */
  answered?(node: Node, call: CallInfo, latencyMs: number): void;
  /**
   * What `enter` would say of a node, without entering. With it a pick that came to a node that is shut passes over all others
   * that are at once; else it comes to each of them. Asked of those who could take the call, and of nobody else.
   */
  peek?(id: string, call: CallInfo): Barred | undefined;
  /** It was let in, but another gate was shut: as if it had never been. */
  undo(node: Node, call: CallInfo): void;
  /**
   * Nobody it guards may take the call now: makes it wait until somebody may, when `call.admit()` follows and the nodes are
   * asked again. False, or left out: there is nothing to wait for.
   *
   * @throws FleetError when it is sent away at once.
   */
  wait?(call: Entrant): boolean;
  /** It gave up waiting. */
  withdraw?(call: Entrant): void;
}

/** A node may not take an attempt now. */
export interface Barred extends Refusal {
  /** What the call fails with when nobody else can take it. */
  readonly code: FleetErrorCode;
}

/** True for what `use` takes that is no middleware. */
export function isPolicy(layer: unknown): layer is Policy {
  return typeof (layer as Policy | undefined | null)?.start === 'function';
}
