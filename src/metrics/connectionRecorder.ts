/** Connections to nodes, as gRFC A94 counts them. */

import type { ConnectivityState } from '../core/channel.js';
import type { Node } from '../core/node.js';
import type { Metric, Sum } from './metric.js';
import type { NodeAttributes } from './nodeAttributes.js';
import type { EventHandlers, Recorder } from './recorder.js';

export interface ConnectionMetrics {
  readonly made: Metric;
  readonly failed: Metric;
  readonly ended: Metric;
  readonly open?: Metric;
}

/** The connections of all nodes with the same attributes. */
interface Connections {
  readonly open: Sum | undefined;
  readonly made: Sum;
  readonly failed: Sum;
  readonly ended: Sum;
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
  private readonly nodeAttributes: NodeAttributes;
  private readonly metrics: ConnectionMetrics;

  constructor(metrics: ConnectionMetrics, nodeAttributes: NodeAttributes, nodeOf: (id: string) => Node | undefined) {
    this.nodeAttributes = nodeAttributes;
    this.nodeOf = nodeOf;
    this.metrics = metrics;
    // Without attributes that tell nodes apart there is one group, to be seen before the first connection.
    if (nodeAttributes.empty) this.groupOf(undefined);
  }

  forget({ id }: Node): void {
    this.closed(id);
  }

  ended(closed: boolean): void {
    if (closed) for (const id of this.open.keys()) this.closed(id);
    else for (const { open } of this.open.values()) open?.add(-1);
  }

  private changed(id: string, from: ConnectivityState, to: ConnectivityState): void {
    if (to === 'READY') {
      const group = this.groupOf(this.nodeOf(id));
      group.made.add(1);
      group.open?.add(1);
      this.open.set(id, group);
    } else if (from === 'READY') this.closed(id);
    else if (to === 'TRANSIENT_FAILURE') this.groupOf(this.nodeOf(id)).failed.add(1);
  }

  private closed(id: string): void {
    const group = this.open.get(id);
    if (group === undefined) return;
    this.open.delete(id);
    group.open?.add(-1);
    group.ended.add(1);
  }

  private groupOf(node: Node | undefined): Connections {
    const { nodeAttributes, groups, metrics } = this;
    const key = nodeAttributes.keyOf(node);
    let group = groups.get(key);
    if (group === undefined) {
      const attributes = nodeAttributes.of(node);
      group = {
        open: metrics.open?.sum(attributes),
        made: metrics.made.sum(attributes),
        failed: metrics.failed.sum(attributes),
        ended: metrics.ended.sum(attributes),
      };
      groups.set(key, group);
    }
    return group;
  }
}
