/**
 * The one engine: nodes are found, dialled, watched and picked, and every call runs through it, whatever it is that
 * is held per node. A fleet is an engine of channels; a pool is an engine of anything.
 */

import { Observable, Subject, asyncScheduler, type BehaviorSubject, type SchedulerLike } from 'rxjs';
import type { Balancer, Picker } from '../balancer/picker.js';
import { roundRobin } from '../balancer/roundRobin.js';
import { attempt } from '../call/attempt.js';
import { Call, type AttemptContext, type CallOptions } from '../call/call.js';
import { deadline } from '../call/deadline.js';
import { compose, type Handler, type Middleware } from '../call/middleware.js';
import { recover } from '../call/recover.js';
import { checkRetryOptions, retry } from '../call/retry.js';
import type { Connection } from '../core/channel.js';
import { deadlineWheel } from '../core/deadlineWheel.js';
import { currentDemand } from '../core/demand.js';
import { FleetError } from '../core/fleetError.js';
import type { Node, NodeState } from '../core/node.js';
import type { NodeChanges, NodeSet } from '../core/nodeSet.js';
import type { Outcome } from '../core/nodeStats.js';
import { requireOption } from '../core/requireOption.js';
import { retryBudget, type RetryBudgetOptions } from '../core/retryBudget.js';
import type { Discovery, DiscoveryEvent } from '../discovery/discovery.js';
import type { HealthTarget, NodeHealth } from '../health/healthCheck.js';
import { healthOf } from '../health/healthOf.js';
import { createNodeDirectory } from '../nodes/nodeDirectory.js';
import { channelPool, type ChannelPoolOptions } from '../transport/channelPool.js';

/** What fleets and pools have in common. */
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
  /** Around every call, the first outermost. */
  readonly use?: readonly Middleware<C>[];
  /** The one budget for all retries of this client. Default 20 % of the calls and 10 a second. */
  readonly retryBudget?: RetryBudgetOptions;
  /** What is assumed of a node that has just been discovered. */
  readonly initialState?: Partial<NodeState>;
  /** Told of what discovery skipped or survived. */
  readonly onDiscoveryEvent?: (event: DiscoveryEvent) => void;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** How one attempt ended, and on which node. */
export interface NodeOutcome {
  readonly node: Node;
  readonly outcome: Outcome;
}

/** What both a fleet and a pool let their users see. */
export interface LiveNodes {
  /** The world now, then each change; starts empty and `stale` until discovery has spoken. */
  readonly nodes$: BehaviorSubject<NodeSet>;
  /** What each new snapshot changed. */
  readonly changes$: Observable<NodeChanges>;
  /** One node as it is, then each new form of it. */
  node$(id: string): Observable<Node>;
  /** Each attempt, as it ends. */
  readonly outcomes$: Observable<NodeOutcome>;
  /** Joins what was found out of a node into the next snapshot. */
  annotate(id: string, state: Partial<NodeState>): void;
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
  readonly run: (connection: C, attempt: AttemptContext) => Observable<R>;
  readonly options?: CallOptions | undefined;
  readonly single: boolean;
  readonly idempotent: boolean;
}

export interface Engine<C> extends LiveNodes {
  /** Cold: each subscription is a call. */
  call<R>(spec: EngineCall<C, R>): Observable<R>;
  /** The open connection to a node, if there is one. */
  connection(id: string): C | undefined;
}

/** Starts an engine; `open` makes the connection to a node, `health` watches it. */
export function createEngine<C extends Connection>(
  options: EngineOptions<C>,
  open: (node: Node) => C,
  health?: (target: HealthTarget<C>) => Observable<NodeHealth>,
): Engine<C> {
  const { scheduler = asyncScheduler, random = Math.random, service = '', namespace } = options;
  const { calls = {}, use = [], balancer = roundRobin() } = options;
  checkCallOptions(calls);

  const reconfirm$ = new Subject<string>();
  const outcomes$ = new Subject<NodeOutcome>();
  const picker$ = new Subject<Picker>();
  const idle$ = new Subject<void>();
  const wheel = deadlineWheel(scheduler);
  const budget = retryBudget({ scheduler, ...options.retryBudget });
  const connections = channelPool<C>({ scheduler, random, ...options.connections, open });
  const query = { service, namespace, reconfirm$, onEvent: options.onDiscoveryEvent, scheduler, random };
  const directory = createNodeDirectory(options.discovery(query), { initialState: options.initialState });
  const { nodes$ } = directory;

  let picker: Picker;
  let inFlight = 0;
  let closing: Promise<void> | undefined;
  let failure: FleetError | undefined;

  const pickers = nodes$.pipe(balancer).subscribe({
    next: (next) => {
      picker = next;
      picker$.next(next);
    },
    error: (error: unknown) => {
      failure = FleetError.from(error, 'DISCOVERY_FAILED');
      picker$.error(failure);
    },
  });
  const states = connections.states$.subscribe(({ id, availability, reason }) =>
    directory.annotate(id, { availability, availabilityReason: reason }),
  );
  const follower = nodes$.subscribe({ next: (set) => connections.follow(set), error: () => undefined });
  const targetOf = (node: Node): HealthTarget<C> | undefined => {
    const channel = connections.get(node.id);
    return channel && { node, channel };
  };
  const checks =
    health &&
    healthOf(nodes$, targetOf, health).subscribe({
      next: ({ id, health: found, reason }) => directory.annotate(id, { health: found, healthReason: reason }),
      error: () => undefined,
    });

  const handler: Handler<C> = compose<C>(
    [...(use.length ? [recover(), ...use] : []), deadline(wheel), retry({ budget, scheduler, random })],
    attempt<C>({
      picker: () => picker,
      picker$,
      acquire: (node) => connections.acquire(node),
      ended: (node, outcome) => {
        if (outcome.blame === 'network') reconfirm$.next(node.id);
        if (outcomes$.observed) outcomes$.next({ node, outcome });
      },
      wheel,
      now: () => scheduler.now(),
    }),
  );

  const finished = () => {
    if (--inFlight === 0) idle$.next();
  };

  return {
    nodes$,
    changes$: directory.changes$,
    node$: (id) => directory.node$(id),
    outcomes$,
    annotate: (id, state) => directory.annotate(id, state),
    connection: (id) => connections.get(id),

    call({ name, run, options: own, single, idempotent }) {
      if (own) checkCallOptions(own);
      const merged = own ? { ...calls, ...own } : calls;
      return new Observable((subscriber) => {
        if (closing || failure) {
          subscriber.error(failure ?? new FleetError('CLOSED', `${name}: the client was closed`));
          return undefined;
        }
        inFlight++;
        subscriber.add(finished);
        const startedAt = scheduler.now();
        const demand = currentDemand();
        return handler(new Call({ name, run, options: merged, single, idempotent, startedAt, demand })).subscribe(
          subscriber,
        );
      });
    },

    close(closeOptions = {}) {
      closing ??= (async () => {
        const { drainMs = 5_000 } = closeOptions;
        if (inFlight > 0 && drainMs > 0) await idleWithin(idle$, drainMs, scheduler);
        checks?.unsubscribe();
        picker$.complete();
        pickers.unsubscribe();
        follower.unsubscribe();
        states.unsubscribe();
        directory.close();
        outcomes$.complete();
        connections.close();
      })();
      return closing;
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

function idleWithin(idle$: Observable<void>, ms: number, scheduler: SchedulerLike): Promise<void> {
  return new Promise((resolve) => {
    const timer = scheduler.schedule(done, ms);
    const idle = idle$.subscribe(done);
    function done() {
      timer.unsubscribe();
      idle.unsubscribe();
      resolve();
    }
  });
}

/** Refuses senseless call options where they are given. */
function checkCallOptions({ deadlineMs, firstResponseTimeoutMs, retry }: CallOptions): void {
  requireOption(deadlineMs === undefined || deadlineMs > 0, 'deadlineMs', 'above 0', deadlineMs);
  requireOption(
    firstResponseTimeoutMs === undefined || firstResponseTimeoutMs > 0,
    'firstResponseTimeoutMs',
    'above 0',
    firstResponseTimeoutMs,
  );
  checkRetryOptions(retry);
}
