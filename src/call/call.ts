/** One call: what the user asked for, and what has become of it so far. */

import type { Unsubscribable } from 'rxjs';
import type { Balancer, PickContext, Requirement } from '../balancer/picker.js';
import type { AnswerSink } from '../core/answerSink.js';
import type { MessageWatcher } from '../core/channel.js';
import type { Demand } from '../core/demand.js';
import type { Attempt, Decision } from '../core/fleetError.js';
import type { Metadata } from '../core/metadata.js';
import type { Node } from '../core/node.js';
import type { Refusal } from '../core/why.js';
import type { HedgeOptions } from './hedgeOptions.js';
import type { Continuation } from './resume.js';
import type { RetryOptions } from './retryOptions.js';

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
  /**
   * What picks the node, in the place of the balancer of the client. What it remembers is kept for as long as the client
   * lives, so make it once, outside the call. Default: the balancer of the client.
   */
  readonly balancer?: Balancer;
  /** When to try again before the first answer. `false`: never. */
  readonly retry?: RetryOptions | false;
  /** When to send a second copy to another node, before the first has answered. Default: never. */
  readonly hedge?: HedgeOptions | false;
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
  /** Where calls wait for a limiter, those with more come first, and those with less are sent away first. Default 0. */
  readonly priority?: number;
  /**
   * Longest message to send, in bytes; the call ends with `RESOURCE_EXHAUSTED` instead of sending it. Default: what the
   * transport allows. gRPC name: `max_request_message_bytes`.
   */
  readonly maxRequestBytes?: number;
  /** Longest message to take. gRPC name: `max_response_message_bytes`. */
  readonly maxResponseBytes?: number;
  /** What it costs, for limiters that count by it: `{ bytes: 4_096, tokens: 512 }`. Default: what the client knows by itself. */
  readonly cost?: Readonly<Record<string, number>>;
  /**
   * What it is a part of, for those who look on: calls of the same object belong together, as those of one inference do.
   * Nothing else depends on it.
   */
  readonly partOf?: object;
}

/** What is known of a call by everybody who looks on. */
export interface CallInfo {
  /** Counts the calls of the process. */
  readonly id: number;
  /** For messages and metrics, such as `/demo.Greeter/SayHello`. */
  readonly name: string;
  readonly options: CallOptions;
  /** When it began, in milliseconds since the epoch. */
  readonly startedAt: number;
  /** When it must be over, in milliseconds since the epoch; `Infinity` for never. */
  readonly deadline: number;
  /** What its attempts send: the headers of its options, and what a middleware has added. */
  readonly metadata: Metadata | undefined;
  /** The id of the node of its last attempt; undefined before the first. */
  readonly node: string | undefined;
  /** The attempts that failed, in order. */
  readonly attempts: readonly Attempt[];
  /** What it costs in a unit, such as `bytes`; 0 when nobody knows. */
  costIn(unit: string): number;
}

/** One try on one node, as whoever runs it sees it. */
export interface AttemptContext {
  /** From 1. */
  readonly number: number;
  /** Attempts before this one that may have reached a node, as gRFC A6 counts them. */
  readonly previous: number;
  readonly node: Node;
  /** What was asked of the call. */
  readonly options: CallOptions;
  /** When the call must be over, in milliseconds since the epoch; `Infinity` for never. */
  readonly deadline: number;
  readonly metadata: Metadata | undefined;
  /** Set when the consumer pulls: messages are read from the wire only while it wants some. */
  readonly demand: Demand | undefined;
  /** To be told of its messages on the wire; set when somebody has asked for that. */
  readonly watcher: MessageWatcher | undefined;
}

/** One try, as whoever starts it sees it. */
export interface StartContext extends AttemptContext {
  /** `over` once nobody waits for its answers any more, which may be within the start. */
  readonly call: { readonly over: boolean };
}

/** Starts one try on one connection; unsubscribing cancels it. `observedStart` makes one of an Observable. */
export type StartAttempt<C, R> = (connection: C, attempt: StartContext, sink: AnswerSink<R>) => Unsubscribable;

export interface CallInit<C, R> {
  /** For messages and metrics, such as `/demo.Greeter/SayHello`. */
  readonly name: string;
  readonly start: StartAttempt<C, R>;
  readonly options: CallOptions;
  /** True when it has exactly one answer, whose arrival means success. */
  readonly single: boolean;
  /** True when running it twice does no harm. */
  readonly idempotent: boolean;
  readonly startedAt: number;
  /** When it began, on the stopwatch by which latencies are measured. Default: `startedAt`. */
  readonly begunAt?: number;
  readonly demand: Demand | undefined;
  /** How it goes on after a break, once it has spoken. Default: not at all. */
  readonly continuation?: Continuation<R> | undefined;
  /** What it costs where its options do not say. */
  readonly costIn?: ((unit: string) => number) | undefined;
}

let calls = 0;

/** One subscription of one call, as middlewares see it: the request does not change, but for its metadata; the account of it grows. */
export class Call<C, R> implements CallInfo {
  readonly id = ++calls;
  readonly name: string;
  readonly start: StartAttempt<C, R>;
  readonly options: CallOptions;
  /** True when it has exactly one answer; may become so when an attempt finds that it has. */
  single: boolean;
  readonly idempotent: boolean;
  readonly startedAt: number;
  /** When it began, on the stopwatch by which latencies are measured. */
  readonly begunAt: number;
  readonly deadline: number;
  readonly demand: Demand | undefined;
  readonly continuation: Continuation<R> | undefined;
  /** Set once the deadline has passed. */
  expired = false;
  /** Set once nobody waits for its answers any more: it has ended or failed, or its user has left. */
  over = false;
  /** How often a node was asked for. */
  picks = 0;
  node: string | undefined = undefined;
  /** Readings of the stopwatch: at the first answer, and at the end of the last attempt; 0 before. */
  firstAnswerAt = 0;
  endedAt = 0;
  /** What the attempts from now on send: those of the options, and what a middleware adds, such as a credential. */
  metadata: Metadata | undefined;
  private readonly costOf: ((unit: string) => number) | undefined;
  private failures: Attempt[] | undefined = undefined;
  private nodes: Map<string, Refusal> | undefined = undefined;
  private accounts: (() => Decision)[] | undefined = undefined;

  constructor(init: CallInit<C, R>) {
    const { options, startedAt, single } = init;
    this.name = init.name;
    this.start = init.start;
    this.options = options;
    this.single = single;
    this.idempotent = init.idempotent;
    this.startedAt = startedAt;
    this.begunAt = init.begunAt ?? startedAt;
    this.deadline = startedAt + (options.deadlineMs ?? (single ? 30_000 : Infinity));
    this.demand = init.demand;
    this.continuation = init.continuation;
    this.metadata = options.metadata;
    this.costOf = init.costIn;
  }

  /** What its next pick is to heed. @param strict No node that was tried may take it, rather than nobody. */
  pickContext(strict: boolean): PickContext {
    const { tried } = this;
    const { key, requires } = this.options;
    if (key === undefined && requires === undefined && tried === undefined) return plain;
    return { key, requires, exclude: tried, strict };
  }

  get attempts(): readonly Attempt[] {
    return this.failures ?? none;
  }

  /** The nodes that failed or were asked already, which the next attempt avoids. */
  get tried(): ReadonlyMap<string, Refusal> | undefined {
    return this.nodes;
  }

  /** The accounts of its picks that failed, for its error. */
  get decisions(): readonly (() => Decision)[] {
    return this.accounts ?? none;
  }

  costIn(unit: string): number {
    return this.options.cost?.[unit] ?? this.costOf?.(unit) ?? 0;
  }

  /** Enters a failed attempt. */
  failed(attempt: Attempt, decision?: () => Decision): void {
    (this.failures ??= []).push(attempt);
    if (decision) (this.accounts ??= []).push(decision);
    this.avoid(attempt.node);
  }

  /** The next attempt goes to another node, as long as there is one. */
  avoid(node: string): void {
    (this.nodes ??= new Map()).set(node, tried);
  }
}

const none: readonly never[] = Object.freeze([]);
const tried: Refusal = { obstacle: 'tried', reason: 'tried already' };

const plain: PickContext = { key: undefined, requires: undefined, exclude: undefined, strict: false };
