import { Observable, startWith, Subject, tap } from 'rxjs';
import type { Balancer, Picker } from '../../src/balancer/picker.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { Call, type AttemptContext, type CallOptions } from '../../src/call/call.js';
import { CallMeter } from '../../src/call/callMeter.js';
import type { CallEvent } from '../../src/call/callEvent.js';
import { CallSurface, type SurfacePorts } from '../../src/call/callSurface.js';
import { compose, type AttemptMiddleware, type Middleware } from '../../src/call/middleware.js';
import { OpenCopies } from '../../src/call/openCopies.js';
import { observedStart } from '../../src/call/observedStart.js';
import { pipeline } from '../../src/call/pipeline.js';
import type { Policy, RunningPolicy } from '../../src/call/policy.js';
import { RunningCalls } from '../../src/call/runningCalls.js';
import type { Continuation } from '../../src/call/resume.js';
import { deadlineWheel } from '../../src/core/deadlineWheel.js';
import type { Demand } from '../../src/core/demand.js';
import type { FleetError } from '../../src/core/fleetError.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Outcome } from '../../src/core/nodeStats.js';
import { retryBudget, type RetryBudget } from '../../src/core/retryBudget.js';
import { SwiftEnds } from '../../src/core/swiftEnds.js';
import type { MarbleHelpers } from '../../src/testing/marble.js';

export const node = (id: string, more: NodeInit = {}): Node => createNode({ id, address: `${id}:1`, ...more });

/** What one node answers to attempt after attempt; the last one stays. */
export type Answers = Observable<string> | readonly Observable<string>[];

export interface DrawnClientOptions {
  /** Default: the nodes that have answers, at once and for ever. */
  readonly sets?: Observable<NodeSet>;
  readonly balancer?: Balancer;
  readonly budget?: RetryBudget;
  readonly use?: readonly Middleware<string>[];
  readonly perAttempt?: readonly AttemptMiddleware<string>[];
  readonly policies?: readonly Policy[];
  /** The node is no longer there when its connection is asked for. */
  readonly gone?: boolean;
  /** Told of each event as it happens. */
  readonly listener?: (event: CallEvent) => void;
  /** Waits before a retry are not spread. Default 0.5. */
  readonly random?: () => number;
}

export interface DrawnCallOptions extends CallOptions {
  /** Of its method. Default `call`. */
  readonly name?: string;
  readonly single?: boolean;
  readonly idempotent?: boolean;
  readonly continuation?: () => Continuation<string> & { readonly request?: unknown };
  /** Of a consumer that pulls. */
  readonly demand?: Demand;
}

/** The whole pipeline of a client over nodes that answer as they are drawn, by their ids. */
export function drawnClient(
  m: MarbleHelpers,
  answers: Record<string, Answers>,
  { sets, balancer = roundRobin(), budget, use = [], perAttempt = [], policies = [], ...rest }: DrawnClientOptions = {},
) {
  const { gone = false, listener, random = () => 0.5 } = rest;
  const { scheduler } = m;
  const ended: string[] = [];
  const events: CallEvent[] = [];
  const asked: string[] = [];
  const contexts: AttemptContext[] = [];
  const leases = { open: 0 };
  const turns = new Map<string, number>();
  let known = NodeSet.of(Object.keys(answers).map((id) => node(id)));
  let picker!: Picker;
  const picker$ = new Subject<Picker>();
  const changed$ = new Subject<NodeSet>();
  const running: RunningPolicy[] = [];
  (sets ?? changed$.pipe(startWith(known))).pipe(balancer).subscribe((next) => {
    const changes = next.set.changesSince(known);
    picker = next;
    known = next.set;
    picker$.next(next);
    for (const policy of running) {
      for (const { id } of changes.removed) policy.forget?.(id);
      policy.changed?.(changes);
    }
  });
  const replace = (id: string, change: Partial<Node>) => {
    const before = known.get(id);
    if (before) changed$.next(known.with(updateNode(before, change)));
  };
  const now = () => scheduler.now();
  const sink = {
    observed: true,
    next(event: CallEvent) {
      events.push(event);
      listener?.(event);
    },
  };
  for (const policy of policies) {
    running.push(
      policy.start({
        ...{ by: policy.name, scheduler, random, clock: now, events: sink, nodes: () => known },
        eject: (id, ejection) =>
          replace(id, { health: 'ejected', healthReason: ejection.reason, ejections: [ejection] }),
        readmit: (id) => replace(id, { health: 'unknown', healthReason: undefined, ejections: [] }),
      }),
    );
  }
  const spending = budget ?? retryBudget({ scheduler });
  const calls = new RunningCalls(() => undefined);
  const ports: SurfacePorts<string> = {
    picker: () => picker,
    picker$: () => picker$,
    acquire: ({ id }) => {
      if (gone) return undefined;
      leases.open++;
      return { connection: id, release: () => void leases.open-- };
    },
    resourceOf: (connection) => connection as string,
    ended: ({ id }, { status, latencyMs }: Outcome) => void ended.push(`${id} ${status} ${latencyMs}`),
    loadOf: () => undefined,
    gates: running.flatMap(({ gate }) => gate ?? []),
    nodeGates: running.flatMap(({ nodeGate }) => nodeGate ?? []),
    beginning: running.flatMap((policy) => policy.begin?.bind(policy) ?? []),
    ending: running.flatMap((policy) => policy.end?.bind(policy) ?? []),
    around: perAttempt.length ? (innermost) => compose(perAttempt, innermost) : undefined,
    budget: spending,
    copies: new OpenCopies(spending, calls),
    meter: new CallMeter(now),
    events: sink,
    wheel: deadlineWheel(scheduler),
    scheduler,
    now,
    clock: now,
    random,
    handler: undefined,
    swiftEnds: new SwiftEnds(scheduler),
    running: calls,
  };
  const surface = use.length ? { ...ports, handler: compose(use, pipeline(ports)) } : ports;

  /** What a node answers to its next attempt. */
  const next = (id: string): Observable<string> => {
    const given = answers[id]!;
    if (given instanceof Observable) return given;
    const turn = turns.get(id) ?? 0;
    turns.set(id, turn + 1);
    return given[Math.min(turn, given.length - 1)]!;
  };
  const call = ({
    name = 'call',
    single = false,
    idempotent = true,
    continuation,
    demand,
    ...options
  }: DrawnCallOptions = {}) =>
    new Observable<string>((subscriber) => {
      const begun = new Call<string, string>({
        name,
        start: observedStart((id: string, context: AttemptContext) => {
          asked.push(id);
          contexts.push({ ...context, metadata: context.metadata, number: context.number, previous: context.previous });
          // As a transport does, which knows the length of each message.
          const { watcher } = context;
          if (watcher === undefined) return next(id);
          return next(id).pipe(tap({ subscribe: () => watcher.sent(1), next: () => watcher.received(2) }));
        }),
        options: { ...options, retry: options.retry ?? { initialBackoffMs: 2, maxAttempts: 3 } },
        ...{ single, idempotent, startedAt: now(), begunAt: now(), demand },
        continuation: continuation?.(),
      });
      const call = new CallSurface(begun, surface, subscriber);
      call.start();
      return call;
    });
  return { call, asked, contexts, ended, events, leases, meter: ports.meter, running, nodes: () => known };
}

/** A failure that lists its attempts as a call does. */
export function failedAt(error: FleetError, ...attempts: readonly [id: string, durationMs: number][]): FleetError {
  const { code, detail: message } = error;
  return error.with({
    node: attempts.at(-1)?.[0],
    attempts: attempts.map(([id, durationMs]) => ({ node: id, address: `${id}:1`, code, message, durationMs })),
  });
}
