/** What rxfleet has to tell and gRPC has no names for. */

import type { BreakerChanged, CallEnded, Limited } from '../../call/callEvent.js';
import { obstacleOf } from '../../core/isRoutable.js';
import type { Node } from '../../core/node.js';
import type { NodeSet } from '../../core/nodeSet.js';
import type { fleetMetrics } from './fleetMetrics.js';
import { Counts } from './counts.js';
import { isFailover } from './isFailover.js';
import type { MetricScope, ScopedMetric } from './metricScope.js';
import { MethodTable } from './methodTable.js';
import type { EventHandlers, Recorder } from './recorder.js';
import type { Histogram, Labels, Scalar } from './series.js';
import { snakeCase } from './snakeCase.js';

/** What the recorder looks at when somebody asks for the metrics. */
export interface FleetNow {
  readonly nodes: () => NodeSet;
  /** In milliseconds since the epoch. */
  readonly now: () => number;
  /** Calls in flight when it begins, by method. */
  readonly inFlight: Readonly<Record<string, number>>;
}

/** Every state is told, so that a graph of one does not break off where it has no node. */
const states = [
  ...['routable', 'unavailable', 'connecting', 'draining', 'pending', 'incompatible'],
  ...['notServing', 'ejected', 'cooling', 'circuitOpen', 'weightless'],
];

/** The series of one method, most of them made when first needed. */
interface MethodSeries {
  readonly inFlight: Scalar;
  readonly firstMessage: Histogram;
  readonly failovers: Scalar;
  readonly stalls: Scalar;
  readonly errors: Counts<[code: string]>;
  readonly retryRefusals: Counts<[reason: string]>;
  readonly resumes: Counts<[continuity: string]>;
}

export class FleetRecorder implements Recorder {
  readonly on: EventHandlers = {
    callStarted: ({ call }) => void this.methods.of(call.name).inFlight.value++,
    callEnded: (event) => this.callEnded(event),
    attemptStarted: (event) => {
      if (isFailover(event)) this.methods.of(event.call.name).failovers.value++;
    },
    retryRefused: ({ call, reason }) => this.methods.of(call.name).retryRefusals.add(reason),
    resumed: ({ call, continuity }) => this.methods.of(call.name).resumes.add(continuity),
    stalled: ({ call }) => void this.methods.of(call.name).stalls.value++,
    limited: (event) => this.limiting(event),
    breakerChanged: (event) => this.breakerChanged(event),
    panicChanged: ({ on }) => void (this.panic.value = on ? 1 : 0),
    discovery: ({ event: { source, type } }) => this.discovery.add(source, type),
  };
  private readonly methods: MethodTable<MethodSeries>;
  private readonly discovery: Counts<[source: string, type: string]>;
  private readonly limited: Counts<[limiter: string, result: string]>;
  private readonly limiterWaits = new Map<string, Histogram>();
  private readonly limiterWait: ScopedMetric;
  private readonly panic: Scalar;
  private readonly breakers: Counts<[state: string]>;
  private readonly breakerChanges: Counts<[state: string]>;
  /** Breakers that are not closed, by node and method. */
  private readonly shut = new Map<string, Map<string | undefined, string>>();

  constructor(scope: MetricScope, specs: ReturnType<typeof fleetMetrics>, fleet: FleetNow, maxMethods: number) {
    const { inFlight, firstMessage, failovers, stalls, errors, retryRefusals, resumes } = {
      inFlight: scope.metric(specs.inFlight),
      firstMessage: scope.metric(specs.firstMessage),
      errors: scope.metric(specs.errors),
      failovers: scope.metric(specs.failovers),
      retryRefusals: scope.metric(specs.retryRefusals),
      resumes: scope.metric(specs.resumes),
      stalls: scope.metric(specs.stalls),
    };
    this.methods = new MethodTable(maxMethods, (grpc_method) => ({
      inFlight: inFlight.scalar({ grpc_method }),
      firstMessage: firstMessage.histogram({ grpc_method }),
      failovers: failovers.scalar({ grpc_method }),
      stalls: stalls.scalar({ grpc_method }),
      errors: new Counts(errors, (code) => ({ grpc_method, code })),
      retryRefusals: new Counts(retryRefusals, (reason) => ({ grpc_method, reason })),
      resumes: new Counts(resumes, (continuity) => ({ grpc_method, continuity })),
    }));
    for (const [name, count] of Object.entries(fleet.inFlight)) this.methods.of(name).inFlight.value += count;

    const startedAt = fleet.now();
    scope.metric(specs.nodes).reading((add) => addNodes(fleet.nodes(), add));
    scope.metric(specs.stale).reading((add) => {
      const { stale } = fleet.nodes();
      // Of one that has not spoken yet it is not known since when it might have.
      add({}, stale ? Math.max(0, fleet.now() - Math.max(stale.since, startedAt)) / 1_000 : 0);
    });
    this.discovery = new Counts(scope.metric(specs.discovery), (source, type) => ({ source, type }));
    this.panic = scope.metric(specs.panic).scalar();
    this.limited = new Counts(scope.metric(specs.limited), (limiter, result) => ({ limiter, result }));
    this.limiterWait = scope.metric(specs.limiterWait);
    this.breakers = new Counts(scope.metric(specs.breakers), (state) => ({ state }));
    for (const state of ['open', 'half_open']) this.breakers.of(state);
    this.breakerChanges = new Counts(scope.metric(specs.breakerChanges), (state) => ({ state }));
  }

  forget({ id }: Node): void {
    for (const state of this.shut.get(id)?.values() ?? []) this.breakers.of(state).value--;
    this.shut.delete(id);
  }

  ended(): void {
    for (const { inFlight } of this.methods.all()) inFlight.value = 0;
  }

  private callEnded({ call, code, firstMessageMs }: CallEnded): void {
    const method = this.methods.of(call.name);
    method.inFlight.value--;
    if (firstMessageMs !== undefined) method.firstMessage.observe(firstMessageMs / 1_000);
    if (code !== 'OK') method.errors.add(code);
  }

  private limiting({ by, result, waitedMs }: Limited): void {
    this.limited.add(by, result);
    if (!(waitedMs > 0)) return;
    let waits = this.limiterWaits.get(by);
    if (waits === undefined) {
      waits = this.limiterWait.histogram({ limiter: by });
      this.limiterWaits.set(by, waits);
    }
    waits.observe(waitedMs / 1_000);
  }

  private breakerChanged({ node, method, to }: BreakerChanged): void {
    const state = snakeCase(to);
    this.breakerChanges.add(state);
    const ofNode = this.shut.get(node) ?? new Map<string | undefined, string>();
    const before = ofNode.get(method);
    if (before !== undefined) this.breakers.of(before).value--;
    if (to === 'closed') ofNode.delete(method);
    else {
      ofNode.set(method, state);
      this.breakers.of(state).value++;
    }
    if (ofNode.size > 0) this.shut.set(node, ofNode);
    else this.shut.delete(node);
  }
}

function addNodes(set: NodeSet, add: (labels: Labels, value: number) => void): void {
  const counts = new Map<string, number>(states.map((state) => [state, 0]));
  for (const node of set.nodes) {
    const state = obstacleOf(node)?.obstacle ?? 'routable';
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  for (const [state, count] of counts) add({ state: snakeCase(state) }, count);
}
