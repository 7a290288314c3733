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
import { OpenCopies } from '../call/openCopies.js';
import { pipeline } from '../call/pipeline.js';
import { RunningCalls } from '../call/runningCalls.js';
import type { Connection } from '../core/channel.js';
import { stopwatchOf } from '../core/stopwatch.js';
import { deadlineWheel } from '../core/deadlineWheel.js';
import { currentDemand } from '../core/demand.js';
import { FleetError } from '../core/fleetError.js';
import type { LoadReport } from '../core/loadReport.js';
import type { Metadata } from '../core/metadata.js';
import type { Node } from '../core/node.js';
import type { NodeOutcome } from '../core/nodeOutcome.js';
import type { NodeChanges } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { retryBudget } from '../core/retryBudget.js';
import { retryThrottle } from '../core/retryThrottle.js';
import { SwiftEnds } from '../core/swiftEnds.js';
import type { XdsEvent } from '../discovery/xds/xdsEvent.js';
import { ejections } from '../health/ejections.js';
import type { HealthTarget, NodeHealth } from '../health/healthCheck.js';
import { healthOf } from '../health/healthOf.js';
import { watchLoad } from '../health/watchLoad.js';
import { createNodeDirectory } from '../nodes/nodeDirectory.js';
import { channelPool } from '../transport/channelPool.js';
import { callDefaults } from './callDefaults.js';
import { checkCallOptions, type EngineCall, type EngineOptions, type LiveNodes } from './engineOptions.js';
import { EventStream } from './eventStream.js';
import { fleetSnapshot } from './fleetSnapshot.js';
import { layersOf, startPolicies } from './layers.js';
import { pickableNodes } from './pickableNodes.js';
import { Pickers } from './pickers.js';
import { ready } from './ready.js';
import { explain, select, type Selection, type SelectOptions } from './select.js';
import { stateEvents } from './stateEvents.js';
import { XdsStates } from './xdsStates.js';

/** An engine that holds connections `C`, of which calls get `T`. */
export interface Engine<C, T = C> extends LiveNodes {
  /** Cold: each subscription is a call. */
  call<R>(spec: EngineCall<T, R>): Observable<R>;
  /** A node of the balancer's choice, for work that is no call. */
  select(options?: SelectOptions): Selection<T>;
  /** The open connection to a node, if there is one. */
  connection(id: string): C | undefined;
}

/** What kind of thing is held per node. */
export interface EngineKind<C extends Connection, T> {
  /** Makes the connection to a node. */
  readonly open: (node: Node) => C;
  /** What calls get of it. */
  readonly resourceOf: (connection: C) => T;
  /** Watches it. */
  readonly health?: ((target: HealthTarget<C>) => Observable<NodeHealth>) | undefined;
  /** What trailers say of the load of their node. */
  readonly loadOf?: ((trailers: Metadata) => LoadReport | undefined) | undefined;
  /** What it reports of its load beside the calls. */
  readonly loadReports?: ((target: HealthTarget<C>) => Observable<LoadReport>) | undefined;
}

/** @throws FleetError `INVALID_OPTION`, naming the option; nothing stays open then. */
export function createEngine<C extends Connection, T>(options: EngineOptions<T>, kind: EngineKind<C, T>): Engine<C, T> {
  const begun: End[] = [];
  try {
    return startEngine(options, kind, begun);
  } catch (thrown) {
    endAll(begun);
    throw thrown;
  }
}

/** Ends what was begun. */
type End = () => void;

/** The last that was begun first. */
function endAll(begun: End[]): void {
  for (let end = begun.pop(); end; end = begun.pop()) end();
}

function startEngine<C extends Connection, T>(
  options: EngineOptions<T>,
  { open, resourceOf, health, loadOf = () => undefined, loadReports }: EngineKind<C, T>,
  begun: End[],
): Engine<C, T> {
  const { scheduler = asyncScheduler, random = Math.random, service = '', namespace } = options;
  const { use = [], balancer = roundRobin(), onDiscoveryEvent } = options;
  const defaults = callDefaults(options.calls ?? {}, options.methods);
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
  const events = new EventStream();
  const outcomes$ = new Subject<NodeOutcome>();
  const reconfirm$ = new Subject<string>();
  // Whoever comes after the end is told of it.
  const closed$ = new ReplaySubject<void>(1);
  const idle$ = new Subject<void>();
  const life = new Subscription();

  const wheel = deadlineWheel(scheduler);
  const budgeted = retryBudget({ scheduler, ...options.retryBudget });
  const budget = options.retryThrottling ? retryThrottle(budgeted, options.retryThrottling) : budgeted;
  const meter = new CallMeter(clock);
  const swiftEnds = new SwiftEnds(scheduler);
  const connections = channelPool<C>({ scheduler, random, ...options.connections, open });
  begun.push(() => connections.close());
  const onEvent: EngineOptions<T>['onDiscoveryEvent'] = (event) => {
    onDiscoveryEvent?.(event);
    if (events.observed) events.next({ type: 'discovery', at: now(), event });
  };
  const xdsStates = new XdsStates();
  const onXdsEvent = (event: XdsEvent) => {
    xdsStates.take(event);
    if (events.observed) events.next({ type: 'xds', at: now(), event });
  };
  const query = { service, namespace, reconfirm$, onEvent, onXdsEvent, scheduler, random };
  const directory = createNodeDirectory(options.discovery(query), { initialState: options.initialState });
  begun.push(() => directory.close());
  const { nodes$ } = directory;
  const nodes = () => nodes$.value;
  const annotations = {
    eject: directory.eject,
    readmit: directory.readmit,
  };

  const policies = startPolicies(layers.policies, { scheduler, random, clock, events, nodes, ...annotations });
  begun.push(() => policies.running.forEach((policy) => policy.close()));
  const seen$ = pickableNodes(directory, options, { events, scheduler });
  const pickers = new Pickers(seen$, balancer, { events });
  begun.push(
    () => pickers.close(),
    () => life.unsubscribe(),
  );
  const follow = () => connections.follow(nodes(), pickers.reach(nodes()));
  life.add(pickers.changes(undefined).subscribe({ next: follow, error: () => undefined }));
  follow();
  life.add(
    connections.states$.subscribe(({ id, availability, reason }) =>
      directory.annotate(id, { availability, availabilityReason: reason }),
    ),
  );
  life.add(watchHealth());
  if (loadReports) {
    life.add(watchLoad(nodes$, targetOf, loadReports, clock).subscribe({ error: () => undefined }));
  }
  const ejecting = { outcomes$, nodes$, nodes, events, scheduler, random, ...annotations };
  const detectors = ejections(options.eject ?? [], options.ejectionBudget ?? {}, ejecting);
  life.add(detectors.run$.subscribe());
  // After the pickers: who waits at a policy is asked again with the new ones.
  life.add(directory.changes$.subscribe({ next: tellPolicies, error: () => undefined }));

  const running = new RunningCalls(() => idle$.next());
  let closing: Promise<void> | undefined;

  const ports: SurfacePorts<T> = {
    picker: (other) => pickers.now(other),
    picker$: (other) => pickers.changes(other),
    acquire: (node) => connections.acquire(node),
    resourceOf: (connection) => resourceOf(connection as C),
    ended(node, outcome) {
      if (outcome.blame === 'network') reconfirm$.next(node.id);
      if (outcomes$.observed) outcomes$.next({ node, outcome });
    },
    loadOf,
    gates: policies.gates,
    nodeGates: policies.nodeGates,
    beginning: policies.beginning,
    ending: policies.ending,
    around: layers.attemptMiddlewares.length ? (innermost) => compose(layers.attemptMiddlewares, innermost) : undefined,
    ...{ budget, copies: new OpenCopies(budget, running), meter, events, wheel, scheduler, now, clock, random },
    swiftEnds,
    handler: undefined,
    running,
  };
  const surface: SurfacePorts<T> = layers.middlewares.length
    ? { ...ports, handler: compose(layers.middlewares, pipeline(ports)) }
    : ports;

  function targetOf(node: Node): HealthTarget<C> | undefined {
    const channel = connections.get(node.id);
    return channel && { node, channel };
  }

  function watchHealth(): Subscription {
    if (!health) return Subscription.EMPTY;
    return healthOf(nodes$, targetOf, health).subscribe({
      next: ({ id, health: found, reason }) => directory.annotate(id, { health: found, healthReason: reason }),
      error: () => undefined,
    });
  }

  function tellPolicies(changes: NodeChanges): void {
    for (const policy of policies.running) {
      for (const { id } of changes.removed) policy.forget?.(id);
      policy.changed?.(changes);
    }
  }

  const reporting = [...policies.running, ...detectors.running];
  const seen = () => (pickers.failure ? nodes() : pickers.now(undefined).set);
  const snapshot = () => fleetSnapshot({ meter, nodes, seen, traits: balancer.traits, budget, reporting, now, clock });
  const endings$ = events.pipe(filter(({ type }) => type === 'callEnded'));

  return {
    service,
    nodes$,
    changes$: directory.changes$,
    node$: (id) => directory.node$(id),
    ready: (waiting) => ready(seen$, scheduler, waiting).pipe(map(nodes)),
    events$: merge(events, stateEvents(directory, connections, xdsStates, scheduler)).pipe(takeUntil(closed$)),
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
    explain(explaining = {}) {
      if (pickers.failure) throw pickers.failure;
      return explain(ports, explaining);
    },
    select(selecting = {}) {
      if (pickers.failure) throw pickers.failure;
      if (closing) throw new FleetError('CLOSED', 'select: the client was closed');
      return select(ports, selecting);
    },

    call({ name, begin, options: own, single, idempotent, costIn }) {
      if (own) checkCallOptions(own);
      const merged = defaults(name, own);
      return new Observable((subscriber) => {
        const failure = pickers.failure;
        if (closing || failure) {
          const error = failure ?? new FleetError('CLOSED', `${name}: the client was closed`);
          return swiftEnds.tell(() => subscriber.error(error));
        }
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
        const started = new CallSurface(call, surface, subscriber);
        started.start();
        return started;
      });
    },

    close(closeOptions = {}) {
      closing ??= (async () => {
        const { drainMs = 5_000 } = closeOptions;
        if (running.size > 0 && drainMs > 0) await idleWithin(idle$, drainMs, scheduler);
        running.close();
        swiftEnds.rest();
        endAll(begun);
        outcomes$.complete();
        events.afterwards(() => {
          closed$.next();
          events.complete();
        });
      })();
      return closing;
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

/** What an engine lets its users see, to be shown by what is built on it. */
export function liveNodesOf<C, T>(engine: Engine<C, T>): LiveNodes {
  const { call: _call, connection: _connection, select: _select, ...live } = engine;
  return { ...live, [Symbol.asyncDispose]: () => engine.close() };
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
