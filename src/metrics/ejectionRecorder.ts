/** Nodes that were taken out for their failures, or spared, as gRFC A91 counts them. */

import type { NodeEjected } from '../health/healthEvent.js';
import type { GrpcMetric } from './grpcMetrics.js';
import type { Metric, Sum } from './metric.js';
import type { NodeAttributes } from './nodeAttributes.js';
import type { EventHandlers, Recorder } from './recorder.js';
import { snakeCase } from './snakeCase.js';

export class EjectionRecorder implements Recorder {
  readonly on: EventHandlers = { ejected: (event) => this.ejected(event) };
  private readonly counts = new Map<string, Sum>();
  private readonly nodeAttributes: NodeAttributes;
  private readonly metrics: Readonly<Record<GrpcMetric, Metric>>;

  constructor(metrics: Readonly<Record<GrpcMetric, Metric>>, nodeAttributes: NodeAttributes) {
    this.nodeAttributes = nodeAttributes;
    this.metrics = metrics;
  }

  private ejected({ by, reason, enforced, node }: NodeEjected): void {
    const method = detectionMethod(by, reason);
    const spared = enforced ? '' : unenforcedReason(reason);
    const key = [method, spared, this.nodeAttributes.keyOf(node)].join('\n');
    let count = this.counts.get(key);
    if (count === undefined) {
      const { ejectionsEnforced, ejectionsUnenforced } = this.metrics;
      const attributes = { detectionMethod: method, ...this.nodeAttributes.of(node) };
      count = enforced
        ? ejectionsEnforced.sum(attributes)
        : ejectionsUnenforced.sum({ ...attributes, unenforcedReason: spared });
      this.counts.set(key, count);
    }
    count.add(1);
  }
}

/**
 * `success_rate` or `failure_percentage`, which gRPC knows; else the name of the detector, as `consecutive_failures`.
 */
export function detectionMethod(by: string, reason: string): string {
  if (/success rate/i.test(reason)) return 'success_rate';
  if (/failure percentage/i.test(reason)) return 'failure_percentage';
  return snakeCase(by);
}

/** Chance spared it, or the budget was used up. */
function unenforcedReason(reason: string): string {
  return /enforce|chance/i.test(reason) ? 'enforcement_percentage' : 'max_ejection_overflow';
}
