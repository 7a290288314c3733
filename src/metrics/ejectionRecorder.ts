/** Nodes that were taken out for their failures, or spared, as gRFC A91 counts them. */

import type { NodeEjected } from '../health/healthEvent.js';
import type { GrpcMetric } from './grpcMetrics.js';
import type { Metric, Sum } from './metric.js';
import type { NodeAttributes } from './nodeAttributes.js';
import type { EventHandlers, Recorder } from './recorder.js';

export class EjectionRecorder implements Recorder {
  readonly on: EventHandlers = { ejected: (event) => this.ejected(event) };
  private readonly counts = new Map<string, Sum>();
  private readonly nodeAttributes: NodeAttributes;
  private readonly metrics: Readonly<Record<GrpcMetric, Metric>>;

  constructor(metrics: Readonly<Record<GrpcMetric, Metric>>, nodeAttributes: NodeAttributes) {
    this.nodeAttributes = nodeAttributes;
    this.metrics = metrics;
  }

  private ejected({ method, unenforcedReason, node }: NodeEjected): void {
    const key = [method, unenforcedReason, this.nodeAttributes.keyOf(node)].join('\n');
    let count = this.counts.get(key);
    if (count === undefined) {
      const { ejectionsEnforced, ejectionsUnenforced } = this.metrics;
      const attributes = { detectionMethod: method, ...this.nodeAttributes.of(node) };
      count = unenforcedReason
        ? ejectionsUnenforced.sum({ ...attributes, unenforcedReason })
        : ejectionsEnforced.sum(attributes);
      this.counts.set(key, count);
    }
    count.add(1);
  }
}
