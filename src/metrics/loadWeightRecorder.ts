/** What load reports come to, as gRFC A78 counts it: at each look of a balancer at them. */

import type { LoadWeightsUpdated, NodeLoadWeight } from '../balancer/balancerEvent.js';
import type { Node } from '../core/node.js';
import type { GrpcMetric } from './grpcMetrics.js';
import type { Distribution, Metric, Sum } from './metric.js';
import type { NodeAttributes } from './nodeAttributes.js';
import type { EventHandlers, Recorder } from './recorder.js';

/** The nodes with the same attributes. */
interface Group {
  readonly notYetUsable: Sum;
  readonly stale: Sum;
  readonly weights: Distribution;
}

export class LoadWeightRecorder implements Recorder {
  readonly on: EventHandlers = { loadWeightsUpdated: (event) => this.updated(event) };
  private readonly groups = new Map<string, Group>();
  private readonly plainTurns = new Map<string, Sum>();
  private readonly nodeAttributes: NodeAttributes;
  private readonly metrics: Readonly<Record<GrpcMetric, Metric>>;

  constructor(metrics: Readonly<Record<GrpcMetric, Metric>>, nodeAttributes: NodeAttributes) {
    this.metrics = metrics;
    this.nodeAttributes = nodeAttributes;
  }

  private updated({ weights, plain }: LoadWeightsUpdated): void {
    for (const { node, state, weight } of weights) {
      const group = this.groupOf(node);
      group.weights.observe(weight);
      if (state === 'notYetUsable') group.notYetUsable.add(1);
      else if (state === 'stale') group.stale.add(1);
    }
    if (plain) this.plainTurnsOf(weights).add(1);
  }

  private groupOf(node: Node): Group {
    const key = this.nodeAttributes.keyOf(node);
    let group = this.groups.get(key);
    if (group === undefined) {
      const { weightsNotYetUsable, weightsStale, weights } = this.metrics;
      const attributes = this.nodeAttributes.of(node);
      group = {
        notYetUsable: weightsNotYetUsable.sum(attributes),
        stale: weightsStale.sum(attributes),
        weights: weights.distribution(attributes),
      };
      this.groups.set(key, group);
    }
    return group;
  }

  /** A look is at many nodes: it has what they have in common, else what is said of no node. */
  private plainTurnsOf(weights: readonly NodeLoadWeight[]): Sum {
    const { nodeAttributes } = this;
    const first = weights[0]?.node;
    const shared = weights.every(({ node }) => nodeAttributes.keyOf(node) === nodeAttributes.keyOf(first));
    const node = shared ? first : undefined;
    const key = nodeAttributes.keyOf(node);
    let count = this.plainTurns.get(key);
    if (count === undefined) {
      count = this.metrics.plainTurns.sum(nodeAttributes.of(node));
      this.plainTurns.set(key, count);
    }
    return count;
  }
}
