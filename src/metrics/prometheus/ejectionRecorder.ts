/** Nodes that were taken out for their failures, or spared, as gRFC A91 counts them. */

import type { NodeEjected } from '../../health/healthEvent.js';
import type { grpcMetrics } from './grpcMetrics.js';
import type { MetricScope } from './metricScope.js';
import type { NodeLabels } from './nodeLabels.js';
import type { EventHandlers, Recorder } from './recorder.js';
import type { Scalar } from './series.js';

const methodLabel = 'grpc_lb_outlier_detection_detection_method';
const reasonLabel = 'grpc_lb_outlier_detection_unenforced_reason';

export class EjectionRecorder implements Recorder {
  readonly on: EventHandlers = { ejected: (event) => this.ejected(event) };
  private readonly counts = new Map<string, Scalar>();
  private readonly nodeLabels: NodeLabels;
  private readonly enforced;
  private readonly unenforced;

  constructor(scope: MetricScope, specs: ReturnType<typeof grpcMetrics>, nodeLabels: NodeLabels) {
    this.nodeLabels = nodeLabels;
    this.enforced = scope.metric(specs.ejectionsEnforced);
    this.unenforced = scope.metric(specs.ejectionsUnenforced);
  }

  private ejected({ method, enforced, unenforcedReason, node }: NodeEjected): void {
    const spared = unenforcedReason ?? '';
    const key = [method, spared, this.nodeLabels.keyOf(node)].join('\n');
    let count = this.counts.get(key);
    if (count === undefined) {
      const labels = { [methodLabel]: method, ...this.nodeLabels.of(node) };
      count = enforced ? this.enforced.scalar(labels) : this.unenforced.scalar({ ...labels, [reasonLabel]: spared });
      this.counts.set(key, count);
    }
    count.value++;
  }
}
