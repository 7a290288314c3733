/**
 * The one engine: nodes are found, dialled, watched and picked, and every call runs through it, whatever it is that
 * is held per node. A fleet is an engine of channels; a pool is an engine of anything.
 */

import {
  asyncScheduler,
  auditTime,
  filter,
  interval,
  map,
  merge,
  Observable,
  of,
  ReplaySubject,
  share,
  Subject,
  Subscription,
  takeUntil,
  type SchedulerLike,
} from 'rxjs';
import { roundRobin } from '../balancer/roundRobin.js';
import { Call } from '../call/call.js';
import { CallMeter } from '../call/callMeter.js';
import { CallSurface, type SurfacePorts } from '../call/callSurface.js';
import { compose } from '../call/middleware.js';
import { pipeline } from '../call/pipeline.js';
import type { Connection, ConnectivityState } from '../core/channel.js';
import { stopwatchOf } from '../core/stopwatch.js';
import { deadlineWheel } from '../core/deadlineWheel.js';
import { currentDemand } from '../core/demand.js';
import { FleetError } from '../core/fleetError.js';
import type { LoadReport } from '../core/loadReport.js';
import type { Metadata } from '../core/metadata.js';
import type { Node } from '../core/node.js';
import type { NodeOutcome } from '../core/nodeOutcome.js';
import { isRoutable } from '../core/isRoutable.js';
import { requireOption } from '../core/requireOption.js';
import { retryBudget } from '../core/retryBudget.js';
import { retryThrottle } from '../core/retryThrottle.js';
import { awaitHealth } from '../health/awaitHealth.js';
import { ejections } from '../health/ejections.js';
import type { HealthTarget, NodeHealth } from '../health/healthCheck.js';
import { healthOf } from '../health/healthOf.js';
import { panic } from '../health/panic.js';
import { slowStart } from '../health/slowStart.js';
import { createNodeDirectory } from '../nodes/nodeDirectory.js';
import { channelPool } from '../transport/channelPool.js';
import { checkCallOptions, type EngineCall, type EngineOptions, type LiveNodes } from './engineOptions.js';
import type { FleetEvent } from './fleetEvent.js';
import { fleetSnapshot } from './fleetSnapshot.js';
import { layersOf, startPolicies } from './layers.js';
import { Pickers } from './pickers.js';

export interface Engine<C> extends LiveNodes {
  /** Cold: each subscription is a call. */
  call<R>(spec: EngineCall<C, R>): Observable<R>;
  /** The open connection to a node, if there is one. */
  connection(id: string): C | undefined;
}

/** What kind of thing is held per node. */
export interface EngineKind<C extends Connection> {
  /** Makes the connection to a node. */
  readonly open: (node: Node) => C;
  /** Watches it. */
  readonly health?: ((target: HealthTarget<C>) => Observable<NodeHealth>) | undefined;
  /** What trailers say of the load of their node. */
  readonly loadOf?: ((trailers: Metadata) => LoadReport | undefined) | undefined;
}

export function createEngine<C extends Connection>(
  options: EngineOptions<C>,
  { open, health, loadOf = () => undefined }: EngineKind<C>,
): Engine<C> {
  const { scheduler = asyncScheduler, random = Math.random, service = '', namespace } = options;
  const { calls = {}, use = [], balancer = roundRobin(), onDiscoveryEvent } = options;
  checkCallOptions(calls);
  const layers = layersOf(use);
  const heedsWeights = balancer.traits?.weighted ?? true;
  requireOption(
    !options.slowStart || heedsWeights,
    'slowStart',
    'used with a balancer that heeds weights',
    balancer.traits?.name,
  );
  requireOption(!options.awaitHealth || health !== undefined, 'awaitHealth', 'used with a health check', 'without');

  const now = () => scheduler.now();
  const clock = stopwatchOf(scheduler);
  const events = new Subject<FleetEvent>();
  const outcomes$ = new Subject<NodeOutcome>();
  const reconfirm$ = new Subject<string>();
  const closed$ = new Subject<void>();
  const idle$ = new Subject<void>();
  const life = new Subscription();

  const wheel = deadlineWheel(scheduler);
  const budgeted = retryBudget({ scheduler, ...options.retryBudget });
  const budget = options.retryThrottling ? retryThrottle(budgeted, options.retryThrottling) : budgeted;
  const meter = new CallMeter(clock);
  const connections = channelPool<C>({ scheduler, random, ...options.connections, open });
  const onEvent: EngineOptions<C>['onDiscoveryEvent'] = (event) => {
    onDiscoveryEvent?.(event);
    if (events.observed) events.next({ type: 'discovery', at: now(), event });
  };
  const query = { service, namespace, reconfirm$, onEvent, scheduler, random };
  const directory = createNodeDirectory(options.discovery(query), { initialState: options.initialState });
  const { nodes$ } = directory;
  const nodes = () => nodes$.value;
  const annotations = {
    eject: directory.eject,
    readmit: directory.readmit,
  };

  const policies = startPolicies(layers.policies, { scheduler, random, clock, events, nodes, ...annotations });
  const pickers = new Pickers(pickable(), balancer);
  life.add(nodes$.subscribe({ next: (set) => connections.follow(pickers.reach(set)), error: () => undefined }));
  life.add(
    connections.states$.subscribe(({ id, availability, reason }) =>
      directory.annotate(id, { availability, availabilityReason: reason }),
    ),
  );
  life.add(watchHealth());
  const ejecting = { outcomes$, nodes$, nodes, events, scheduler, random, ...annotations };
  const detectors = ejections(options.eject ?? [], options.ejectionBudget ?? {}, ejecting);
  life.add(detectors.run$.subscribe());
  life.add(directory.changes$.subscribe({ next: ({ removed }) => forget(removed), error: () => undefined }));

  let inFlight = 0;
  let closing: Promise<void> | undefined;

  const ports: SurfacePorts<C> = {
    picker: (other) => pickers.now(other),
    picker$: (other) => pickers.changes(other),
    acquire: (node) => connections.acquire(node),
    ended(node, outcome) {
      if (outcome.blame === 'network') reconfirm$.next(node.id);
      if (outcomes$.observed) outcomes$.next({ node, outcome });
    },
    loadOf,
    gates: policies.gates,
    nodeGates: policies.nodeGates,
    around: layers.attemptMiddlewares.length ? (innermost) => compose(layers.attemptMiddlewares, innermost) : undefined,
    ...{ budget, meter, events, wheel, scheduler, now, clock, random },
    handler: undefined,
    finished() {
      if (--inFlight === 0) idle$.next();
    },
  };
  const surface: SurfacePorts<C> = layers.middlewares.length
    ? { ...ports, handler: compose(layers.middlewares, pipeline(ports)) }
    : ports;

  /** The nodes as the balancers see them. */
  function pickable(): Observable<ReturnType<typeof nodes>> {
    const { panic: panicking, slowStart: warming } = options;
    if (!panicking && !warming && !options.awaitHealth) return nodes$;
    const asked = options.awaitHealth ? nodes$.pipe(awaitHealth()) : nodes$;
    const calm = panicking ? asked.pipe(panic(panicking, { events, scheduler })) : asked;
    const isLetIn = (shown: Node) => !isRoutable(nodes().get(shown.id) ?? shown);
    const warm = warming ? calm.pipe(slowStart(warming, { scheduler, isLetIn })) : calm;
    return warm.pipe(share({ connector: () => new ReplaySubject(1) }));
  }

  function watchHealth(): Subscription {
    if (!health) return Subscription.EMPTY;
    const targetOf = (node: Node): HealthTarget<C> | undefined => {
      const channel = connections.get(node.id);
      return channel && { node, channel };
    };
    return healthOf(nodes$, targetOf, health).subscribe({
      next: ({ id, health: found, reason }) => directory.annotate(id, { health: found, healthReason: reason }),
      error: () => undefined,
    });
  }

  function forget(removed: readonly Node[]): void {
    for (const { id } of removed) for (const policy of policies.running) policy.forget?.(id);
  }

  const reporting = [...policies.running, ...detectors.running];
  const snapshot = () => fleetSnapshot({ meter, nodes, traits: balancer.traits, budget, reporting, now, clock });
  const endings$ = events.pipe(filter(({ type }) => type === 'callEnded'));

  return {
    nodes$,
    changes$: directory.changes$,
    node$: (id) => directory.node$(id),
    events$: merge(events, stateEvents(directory, connections, scheduler)).pipe(takeUntil(closed$)),
    outcomes$,
    decisions$: events.pipe(filter((event) => event.type === 'decision')),
    metrics$: merge(of(undefined), endings$.pipe(auditTime(100, scheduler)), interval(1_000, scheduler)).pipe(
      map(snapshot),
      takeUntil(closed$),
    ),
    snapshot,
    annotate: (id, state) => directory.annotate(id, state),
    eject: (id, ejection) => directory.eject(id, ejection),
    readmit: (id, by) => directory.readmit(id, by),
    connection: (id) => connections.get(id),

    call({ name, begin, options: own, single, idempotent, costIn }) {
      if (own) checkCallOptions(own);
      const merged = own ? (plain(calls) ? own : { ...calls, ...own }) : calls;
      return new Observable((subscriber) => {
        const failure = pickers.failure;
        if (closing || failure) {
          subscriber.error(failure ?? new FleetError('CLOSED', `${name}: the client was closed`));
          return undefined;
        }
        inFlight++;
        const { start, continuation } = begin();
        const call = new Call({
          name,
          start,
          options: merged,
          single,
          idempotent,
          startedAt: scheduler.now(),
          begunAt: clock(),
          demand: currentDemand(),
          continuation,
          costIn,
        });
        const running = new CallSurface(call, surface, subscriber);
        running.start();
        return running;
      });
    },

    close(closeOptions = {}) {
      closing ??= (async () => {
        const { drainMs = 5_000 } = closeOptions;
        if (inFlight > 0 && drainMs > 0) await idleWithin(idle$, drainMs, scheduler);
        pickers.close();
        life.unsubscribe();
        for (const policy of policies.running) policy.close();
        directory.close();
        outcomes$.complete();
        connections.close();
        closed$.next();
        events.complete();
      })();
      return closing;
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

/** What an engine lets its users see, to be shown by what is built on it. */
export function liveNodesOf<C>(engine: Engine<C>): LiveNodes {
  const { call: _call, connection: _connection, ...live } = engine;
  return { ...live, [Symbol.asyncDispose]: () => engine.close() };
}

/** Changes of connections and of health, told only to those who listen. */
function stateEvents<C extends Connection>(
  directory: ReturnType<typeof createNodeDirectory>,
  connections: ReturnType<typeof channelPool<C>>,
  scheduler: SchedulerLike,
): Observable<FleetEvent> {
  return new Observable((subscriber) => {
    const states = new Map<string, ConnectivityState>();
    const known = new Map(directory.nodes$.value.nodes.map((node) => [node.id, node.health]));
    subscriber.add(
      connections.states$.subscribe(({ id: node, state: to, reason }) => {
        const from = states.get(node) ?? 'IDLE';
        if (from === to) return;
        states.set(node, to);
        subscriber.next({ type: 'connectionChanged', at: scheduler.now(), node, from, to, reason });
      }),
    );
    subscriber.add(
      directory.changes$.subscribe({
        next: ({ added, updated, removed }) => {
          for (const { id } of removed) {
            known.delete(id);
            states.delete(id);
          }
          for (const node of added) known.set(node.id, node.health);
          for (const node of updated) {
            const from = known.get(node.id) ?? 'unknown';
            if (from === node.health) continue;
            known.set(node.id, node.health);
            const { health: to, healthReason: reason } = node;
            subscriber.next({ type: 'healthChanged', at: scheduler.now(), node, from, to, reason });
          }
        },
        error: () => undefined,
      }),
    );
  });
}

function plain(options: object): boolean {
  for (const _ in options) return false;
  return true;
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
