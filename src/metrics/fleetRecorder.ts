/** What rxfleet has to tell and gRPC has no names for. */

import type { BreakerChanged, CallEnded, Limited } from '../call/callEvent.js';
import { obstacleOf } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { Counts } from './counts.js';
import { isFailover } from './isFailover.js';
import { MethodTable } from './methodTable.js';
import type { Attributes, Distribution, Metric, Sum } from './metric.js';
import type { EventHandlers, Recorder } from './recorder.js';
import { snakeCase } from './snakeCase.js';

/** What it records, by its own words. */
export type FleetMetric =
  | 'nodes'
  | 'stale'
  | 'discovery'
  | 'panic'
  | 'inFlight'
  | 'firstMessage'
  | 'errors'
  | 'failovers'
  | 'retryRefusals'
  | 'resumes'
  | 'stalls'
  | 'limited'
  | 'limiterWait'
  | 'breakers'
  | 'breakerChanges';

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

/** What is counted of one method, most of it made when first needed. */
interface MethodCounts {
  /** Calls that run now, as they were told to `inFlight`. */
  running: number;
  readonly inFlight: Sum;
  readonly firstMessage: Distribution;
  readonly failovers: Sum;
  readonly stalls: Sum;
  readonly errors: Counts<[code: string]>;
  readonly retryRefusals: Counts<[reason: string]>;
  readonly resumes: Counts<[continuity: string]>;
}

export class FleetRecorder implements Recorder {
  readonly on: EventHandlers = {
    callStarted: ({ call }) => runs(this.methods.of(call.name), 1),
    callEnded: (event) => this.callEnded(event),
    attemptStarted: (event) => {
      if (isFailover(event)) this.methods.of(event.call.name).failovers.add(1);
    },
    retryRefused: ({ call, reason }) => this.methods.of(call.name).retryRefusals.add(reason),
    resumed: ({ call, continuity }) => this.methods.of(call.name).resumes.add(continuity),
    stalled: ({ call }) => this.methods.of(call.name).stalls.add(1),
    limited: (event) => this.limiting(event),
    breakerChanged: (event) => this.breakerChanged(event),
    panicChanged: ({ on }) => void (this.panicking = on),
    discovery: ({ event: { source, type } }) => this.discovery.add(source, type),
  };
  private readonly methods: MethodTable<MethodCounts>;
  private readonly discovery: Counts<[source: string, type: string]>;
  private readonly limited: Counts<[limiter: string, result: string]>;
  private readonly limiterWaits = new Map<string, Distribution>();
  private readonly limiterWait: Metric;
  private panicking = false;
  private readonly breakers: Counts<[state: string]>;
  private readonly breakerChanges: Counts<[state: string]>;
  /** Breakers that are not closed, by node, and by policy and method. */
  private readonly shut = new Map<string, Map<string, string>>();

  constructor(metrics: Readonly<Record<FleetMetric, Metric>>, fleet: FleetNow, maxMethods: number) {
    const { inFlight, firstMessage, failovers, stalls, errors, retryRefusals, resumes } = metrics;
    this.methods = new MethodTable(maxMethods, (method) => ({
      running: 0,
      inFlight: inFlight.sum({ method }),
      firstMessage: firstMessage.distribution({ method }),
      failovers: failovers.sum({ method }),
      stalls: stalls.sum({ method }),
      errors: new Counts((code) => errors.sum({ method, code })),
      retryRefusals: new Counts((reason) => retryRefusals.sum({ method, reason })),
      resumes: new Counts((continuity) => resumes.sum({ method, continuity })),
    }));
    for (const [name, count] of Object.entries(fleet.inFlight)) runs(this.methods.of(name), count);

    const startedAt = fleet.now();
    metrics.nodes.reading((add) => addNodes(fleet.nodes(), add));
    metrics.stale.reading((add) => {
      const { stale } = fleet.nodes();
      // Of one that has not spoken yet it is not known since when it might have.
      add({}, stale ? Math.max(0, fleet.now() - Math.max(stale.since, startedAt)) / 1_000 : 0);
    });
    metrics.panic.reading((add) => add({}, this.panicking ? 1 : 0));
    this.discovery = new Counts((source, type) => metrics.discovery.sum({ source, type }));
    this.limited = new Counts((limiter, result) => metrics.limited.sum({ limiter, result }));
    this.limiterWait = metrics.limiterWait;
    this.breakers = new Counts((state) => metrics.breakers.sum({ state }));
    for (const state of ['open', 'half_open']) this.breakers.of(state);
    this.breakerChanges = new Counts((state) => metrics.breakerChanges.sum({ state }));
  }

  forget({ id }: Node): void {
    for (const state of this.shut.get(id)?.values() ?? []) this.breakers.of(state).add(-1);
    this.shut.delete(id);
  }

  ended(): void {
    for (const method of this.methods.all()) runs(method, -method.running);
    for (const ofNode of this.shut.values()) for (const state of ofNode.values()) this.breakers.of(state).add(-1);
    this.shut.clear();
  }

  private callEnded({ call, code, firstMessageMs }: CallEnded): void {
    const method = this.methods.of(call.name);
    runs(method, -1);
    if (firstMessageMs !== undefined) method.firstMessage.observe(firstMessageMs / 1_000);
    if (code !== 'OK') method.errors.add(code);
  }

  private limiting({ by, result, waitedMs }: Limited): void {
    this.limited.add(by, result);
    if (!(waitedMs > 0)) return;
    let waits = this.limiterWaits.get(by);
    if (waits === undefined) {
      waits = this.limiterWait.distribution({ limiter: by });
      this.limiterWaits.set(by, waits);
    }
    waits.observe(waitedMs / 1_000);
  }

  private breakerChanged({ node, by, method = '', to }: BreakerChanged): void {
    const state = snakeCase(to);
    this.breakerChanges.add(state);
    const ofNode = this.shut.get(node) ?? new Map<string, string>();
    const breaker = `${by}\n${method}`;
    const before = ofNode.get(breaker);
    if (before !== undefined) this.breakers.of(before).add(-1);
    if (to === 'closed') ofNode.delete(breaker);
    else {
      ofNode.set(breaker, state);
      this.breakers.add(state);
    }
    if (ofNode.size > 0) this.shut.set(node, ofNode);
    else this.shut.delete(node);
  }
}

function runs(method: MethodCounts, more: number): void {
  method.running += more;
  method.inFlight.add(more);
}

function addNodes(set: NodeSet, add: (attributes: Attributes, value: number) => void): void {
  const counts = new Map<string, number>(states.map((state) => [state, 0]));
  for (const node of set.nodes) {
    const state = obstacleOf(node)?.obstacle ?? 'routable';
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  for (const [state, count] of counts) add({ state: snakeCase(state) }, count);
}
