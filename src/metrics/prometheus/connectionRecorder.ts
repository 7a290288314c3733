/** Connections to nodes, as gRFC A94 counts them. */

import type { ConnectivityState } from '../../core/channel.js';
import type { Node } from '../../core/node.js';
import type { grpcMetrics } from './grpcMetrics.js';
import type { MetricScope } from './metricScope.js';
import type { NodeLabels } from './nodeLabels.js';
import type { EventHandlers, Recorder } from './recorder.js';
import type { Scalar } from './series.js';

/** The connections of all nodes with the same optional labels. */
interface Connections {
  readonly open: Scalar;
  readonly made: Scalar;
  readonly failed: Scalar;
  readonly ended: Scalar;
}

/**
 * Counts what connections go through. Those that are open when it begins count as made, so that those that were made
 * less those that ended are those that are open.
 */
export class ConnectionRecorder implements Recorder {
  readonly on: EventHandlers = { connectionChanged: ({ node, from, to }) => this.changed(node, from, to) };
  /** Where the connection of a node that has an open one is counted. */
  private readonly open = new Map<string, Connections>();
  private readonly groups = new Map<string, Connections>();
  private readonly nodeOf: (id: string) => Node | undefined;
  private readonly nodeLabels: NodeLabels;
  private readonly metrics;

  constructor(
    scope: MetricScope,
    specs: ReturnType<typeof grpcMetrics>,
    nodeLabels: NodeLabels,
    nodeOf: (id: string) => Node | undefined,
  ) {
    this.nodeLabels = nodeLabels;
    this.nodeOf = nodeOf;
    this.metrics = {
      ended: scope.metric(specs.disconnections),
      made: scope.metric(specs.attemptsSucceeded),
      failed: scope.metric(specs.attemptsFailed),
      open: scope.metric(specs.openConnections),
    };
    // Without labels that tell nodes apart there is one group, to be seen before the first connection.
    if (nodeLabels.empty) this.groupOf(undefined);
  }

  forget({ id }: Node): void {
    this.closed(id);
  }

  ended(): void {
    for (const id of this.open.keys()) this.closed(id);
  }

  private changed(id: string, from: ConnectivityState, to: ConnectivityState): void {
    if (to === 'READY') {
      const group = this.groupOf(this.nodeOf(id));
      group.made.value++;
      group.open.value++;
      this.open.set(id, group);
    } else if (from === 'READY') this.closed(id);
    else if (to === 'TRANSIENT_FAILURE') this.groupOf(this.nodeOf(id)).failed.value++;
  }

  private closed(id: string): void {
    const group = this.open.get(id);
    if (group === undefined) return;
    this.open.delete(id);
    group.open.value--;
    group.ended.value++;
  }

  private groupOf(node: Node | undefined): Connections {
    const { nodeLabels, groups, metrics } = this;
    const key = nodeLabels.keyOf(node);
    let group = groups.get(key);
    if (group === undefined) {
      const labels = nodeLabels.of(node);
      group = {
        open: metrics.open.scalar(labels),
        made: metrics.made.scalar(labels),
        failed: metrics.failed.scalar(labels),
        ended: metrics.ended.scalar(labels),
      };
      groups.set(key, group);
    }
    return group;
  }
}
