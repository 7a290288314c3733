/**
 * Counts what clientPool promises, by attempt: there, too, a client is chosen first, and the middleware stands around
 * it.
 */

import type { CallInfo } from '../../call/call.js';
import type { AttemptEnded, AttemptStarted } from '../../call/callEvent.js';
import type { Node } from '../../core/node.js';
import type { NodeSet } from '../../core/nodeSet.js';
import type { MetricScope } from './metricScope.js';
import { MethodTable } from '../methodTable.js';
import type { EventHandlers, Recorder } from '../recorder.js';
import type { seedMetrics } from './seedMetrics.js';
import type { Histogram, Scalar } from './series.js';

interface Requests {
  readonly count: Scalar;
  readonly duration: Histogram;
  readonly errors: Scalar;
}

interface MethodSeries {
  readonly method: string;
  /** By the id of the node. */
  readonly clients: Map<string, Requests>;
}

export class ClientPoolRecorder implements Recorder {
  readonly on: EventHandlers = {
    attemptStarted: (event) => this.attemptStarted(event),
    attemptEnded: (event) => this.attemptEnded(event),
  };
  private readonly methods: MethodTable<MethodSeries>;
  private readonly nodes: () => NodeSet;
  private readonly metrics;

  constructor(scope: MetricScope, specs: ReturnType<typeof seedMetrics>, nodes: () => NodeSet, maxMethods: number) {
    this.nodes = nodes;
    this.metrics = {
      count: scope.metric(specs.requests),
      duration: scope.metric(specs.requestDuration),
      errors: scope.metric(specs.requestErrors),
    };
    this.methods = new MethodTable(maxMethods, (name) => ({
      method: name.slice(name.lastIndexOf('/') + 1),
      clients: new Map(),
    }));
  }

  forget({ id }: Node): void {
    for (const { clients } of this.methods.all()) {
      const gone = clients.get(id);
      if (gone === undefined) continue;
      clients.delete(id);
      this.metrics.count.remove(gone.count);
      this.metrics.duration.remove(gone.duration);
      this.metrics.errors.remove(gone.errors);
    }
  }

  private attemptStarted({ call, node }: AttemptStarted): void {
    const requests = this.requestsOf(call, node);
    if (requests !== undefined) requests.count.value++;
  }

  private attemptEnded({ call, node, outcome }: AttemptEnded): void {
    const requests = this.requestsOf(call, node);
    if (requests === undefined) return;
    requests.duration.observe(outcome.latencyMs / 1_000);
    if (outcome.status === 'failed') requests.errors.value++;
  }

  /** Calls may go on with a node that has gone: it gets no series again that nobody would remove. */
  private requestsOf({ name }: CallInfo, { id }: Node): Requests | undefined {
    const { clients, method } = this.methods.of(name);
    const known = clients.get(id);
    if (known !== undefined || !this.nodes().has(id)) return known;
    const labels = { client: id, method };
    const { count, duration, errors } = this.metrics;
    const made = { count: count.scalar(labels), duration: duration.histogram(labels), errors: errors.scalar(labels) };
    clients.set(id, made);
    return made;
  }
}
