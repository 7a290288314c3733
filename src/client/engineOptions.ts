/** What fleets and pools have in common: what they are told, and what they let their users see. */

import type { BehaviorSubject, Observable, SchedulerLike } from 'rxjs';
import type { Balancer } from '../balancer/picker.js';
import type { CallOptions, StartAttempt } from '../call/call.js';
import type { DecisionMade } from '../call/callEvent.js';
import { checkHedgeOptions } from '../call/hedgeOptions.js';
import type { Layer } from '../call/middleware.js';
import type { Continuation } from '../call/resume.js';
import { checkRetryOptions } from '../call/retryOptions.js';
import type { Ejection, Node, NodeState } from '../core/node.js';
import type { NodeChanges, NodeSet } from '../core/nodeSet.js';
import type { NodeOutcome } from '../core/nodeOutcome.js';
import { requireOption } from '../core/requireOption.js';
import type { RetryBudgetOptions } from '../core/retryBudget.js';
import type { RetryThrottleOptions } from '../core/retryThrottle.js';
import type { Discovery, DiscoveryEvent } from '../discovery/discovery.js';
import type { Detector } from '../health/detector.js';
import type { EjectionBudgetOptions } from '../health/ejectionBudget.js';
import type { PanicOptions } from '../health/panic.js';
import type { SlowStartOptions } from '../health/slowStart.js';
import type { ChannelPoolOptions } from '../transport/channelPool.js';
import type { FleetEvent } from './fleetEvent.js';
import type { FleetSnapshot } from './fleetSnapshot.js';
import type { ReadyOptions } from './ready.js';
import type { SelectOptions } from './select.js';

/** What is said of all calls of a method. */
export interface MethodOptions extends CallOptions {
  /** Longest deadline that a call may have, whatever it asks for, in milliseconds. gRPC name: `timeout` of a method config. */
  readonly longestDeadlineMs?: number;
}

export interface EngineOptions<C> {
  /** The name under which discovery looks for the nodes. */
  readonly service?: string;
  readonly namespace?: string;
  readonly discovery: Discovery;
  /** Default `roundRobin()`. */
  readonly balancer?: Balancer;
  /** How connections are kept: idle and lifetime limits, draining, eager or lazy. */
  readonly connections?: ChannelPoolOptions;
  /** Defaults for every call. */
  readonly calls?: CallOptions;
  /**
   * Defaults for the calls of one method, in the place of those of `calls`: by its path, or by `/demo.Greeter/*` for a whole
   * service, or by `*` for all. The most specific counts, as a whole.
   */
  readonly methods?: Readonly<Record<string, MethodOptions>>;
  /** Around every call: middlewares, the first outermost, and policies, which know their own place. */
  readonly use?: readonly Layer<NoInfer<C>>[];
  /** Who is taken out for failing, such as `[consecutiveFailures(), outlierDetection()]`. Default: nobody. */
  readonly eject?: readonly Detector[];
  /**
   * How many nodes these may have out at once. Default 10 % of them, but one in any case, and never the last that takes calls.
   * Nodes that are out for other reasons (breakers, health checks, users) count as well.
   */
  readonly ejectionBudget?: EjectionBudgetOptions;
  /** Below which share of healthy nodes health is ignored, since a bad node is better than none. Default: never. */
  readonly panic?: PanicOptions;
  /**
   * How a node that comes, or comes back, gets its share of the calls little by little, with a balancer that heeds weights.
   * Default: at once.
   */
  readonly slowStart?: SlowStartOptions;
  /**
   * True: a node takes calls only once its health check has spoken, as gRFC A17 has it. Default false: one that was just
   * connected counts as healthy until its check says otherwise.
   */
  readonly awaitHealth?: boolean;
  /** The one budget for all retries of this client. Default 20 % of the calls and 10 a second. */
  readonly retryBudget?: RetryBudgetOptions;
  /** No retries while too many attempts fail, by gRFC A6. Default: the budget alone. */
  readonly retryThrottling?: RetryThrottleOptions;
  /** What is assumed of a node that has just been discovered. */
  readonly initialState?: Partial<NodeState>;
  /** Told of what discovery skipped or survived. */
  readonly onDiscoveryEvent?: (event: DiscoveryEvent) => void;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** What both a fleet and a pool let their users see. */
export interface LiveNodes {
  /** The name under which discovery looks for the nodes; `''` when none was given. Tells several clients apart. */
  readonly service: string;
  /** The world now, then each change; starts empty and `stale` until discovery has spoken. */
  readonly nodes$: BehaviorSubject<NodeSet>;
  /** What each new snapshot changed. */
  readonly changes$: Observable<NodeChanges>;
  /** One node as it is, then each new form of it. */
  node$(id: string): Observable<Node>;
  /**
   * Emits the node set once some node takes calls, also where that is for a panic. Errors with `NO_NODES`, and what became
   * of each node, when none does in time.
   */
  ready(options?: ReadyOptions): Observable<NodeSet>;
  /** Everything that happens, as it happens, told apart by `type`. Costs nothing while nobody listens. */
  readonly events$: Observable<FleetEvent>;
  /** Each attempt, as it ends. */
  readonly outcomes$: Observable<NodeOutcome>;
  /** Why each attempt goes to its node, and why not to the others. Costs nothing while nobody listens. */
  readonly decisions$: Observable<DecisionMade>;
  /**
   * Who would get a call now, who could, and why not the others. No call is made, and nothing counts; but that a strategy which
   * takes turns takes one.
   */
  explain(options?: SelectOptions): DecisionMade;
  /** What the client stands at: as it is now, then at most ten times a second while calls end, and each second. */
  readonly metrics$: Observable<FleetSnapshot>;
  /** The same, as it is now. */
  snapshot(): FleetSnapshot;
  /** Joins what was found out of a node into the next snapshot. */
  annotate(id: string, state: Partial<NodeState>): void;
  /** Takes a node out, beside those who do so by themselves; the ejection budget is not asked. */
  eject(id: string, ejection: Ejection): void;
  /** Lets a node in again, as far as it was this one who took it out. */
  readmit(id: string, by: string): void;
  /**
   * Takes no new calls, waits for those in flight, up to `drainMs` (default 5,000), then ends everything: discovery,
   * health checks, connections. Resolves when all is gone.
   */
  close(options?: CloseOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface CloseOptions {
  /** How long calls in flight may go on, in milliseconds. Default 5,000; 0 cancels them at once. */
  readonly drainMs?: number;
}

/** A call as the engine runs it. */
export interface EngineCall<C, R> {
  readonly name: string;
  /** For each subscription: how an attempt is started, and how the call goes on after a break. */
  readonly begin: () => { readonly start: StartAttempt<C, R>; readonly continuation?: Continuation<R> | undefined };
  readonly options?: CallOptions | undefined;
  readonly single: boolean;
  readonly idempotent: boolean;
  /** What it costs where its options do not say. */
  readonly costIn?: ((unit: string) => number) | undefined;
}

/** Refuses senseless call options where they are given. */
export function checkCallOptions(options: CallOptions): void {
  const { deadlineMs, firstResponseTimeoutMs, retry, hedge, priority, maxRequestBytes, maxResponseBytes } = options;
  if (deadlineMs !== undefined) requireOption(deadlineMs > 0, 'deadlineMs', 'above 0', deadlineMs);
  if (firstResponseTimeoutMs !== undefined) {
    requireOption(firstResponseTimeoutMs > 0, 'firstResponseTimeoutMs', 'above 0', firstResponseTimeoutMs);
  }
  if (priority !== undefined) requireOption(Number.isFinite(priority), 'priority', 'a number', priority);
  if (maxRequestBytes !== undefined)
    requireOption(maxRequestBytes >= 0, 'maxRequestBytes', 'at least 0', maxRequestBytes);
  if (maxResponseBytes !== undefined) {
    requireOption(maxResponseBytes >= 0, 'maxResponseBytes', 'at least 0', maxResponseBytes);
  }
  if (retry) checkRetryOptions(retry);
  if (hedge) checkHedgeOptions(hedge);
}
