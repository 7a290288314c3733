/** One set of series for each node, where that was asked for. They go with their node. */

import type { AttemptEnded } from '../../call/callEvent.js';
import type { StatusName } from '../../core/errorCodes.js';
import { isRoutable } from '../../core/isRoutable.js';
import type { Node } from '../../core/node.js';
import type { NodeSet } from '../../core/nodeSet.js';
import { statusOf } from '../statusOf.js';
import { nodeMetrics } from './fleetMetrics.js';
import type { MetricScope } from './metricScope.js';
import type { EventHandlers, Recorder } from '../recorder.js';
import type { Histogram, Scalar } from './series.js';

interface NodeSeries {
  readonly latency: Histogram;
  readonly attempts: Map<StatusName, Scalar>;
}

export class NodeRecorder implements Recorder {
  readonly on: EventHandlers = { attemptEnded: (event) => this.attemptEnded(event) };
  private readonly known = new Map<string, NodeSeries>();
  private readonly nodes: () => NodeSet;
  private readonly metrics;

  constructor(scope: MetricScope, nodes: () => NodeSet) {
    this.nodes = nodes;
    this.metrics = { attempts: scope.metric(nodeMetrics.attempts), latency: scope.metric(nodeMetrics.latency) };
    scope.metric(nodeMetrics.inFlight).reading((add) => {
      for (const { id, stats } of nodes().nodes) add({ node: id }, stats.inFlight);
    });
    scope.metric(nodeMetrics.routable).reading((add) => {
      for (const node of nodes().nodes) add({ node: node.id }, isRoutable(node) ? 1 : 0);
    });
  }

  forget({ id }: Node): void {
    const series = this.known.get(id);
    if (series === undefined) return;
    this.known.delete(id);
    this.metrics.latency.remove(series.latency);
    for (const count of series.attempts.values()) this.metrics.attempts.remove(count);
  }

  private attemptEnded({ node: { id }, outcome }: AttemptEnded): void {
    const series = this.known.get(id) ?? this.admit(id);
    if (series === undefined) return;
    const status = statusOf(outcome);
    let attempts = series.attempts.get(status);
    if (attempts === undefined) {
      attempts = this.metrics.attempts.scalar({ node: id, grpc_status: status });
      series.attempts.set(status, attempts);
    }
    attempts.value++;
    // A node that fails fast must not look fast.
    if (status === 'OK') series.latency.observe(outcome.latencyMs / 1_000);
  }

  /** Calls may end on a node after it has gone: it gets no series again that nobody would remove. */
  private admit(id: string): NodeSeries | undefined {
    if (!this.nodes().has(id)) return undefined;
    const series = { latency: this.metrics.latency.histogram({ node: id }), attempts: new Map() };
    this.known.set(id, series);
    return series;
  }
}
