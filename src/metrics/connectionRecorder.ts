/** Connections to nodes, as gRFC A94 counts them. */

import type { ConnectionChanged } from '../client/fleetEvent.js';
import type { DisconnectError } from '../core/channel.js';
import type { Node } from '../core/node.js';
import { Counts } from './counts.js';
import type { Metric, Sum } from './metric.js';
import type { NodeAttributes } from './nodeAttributes.js';
import type { EventHandlers, Recorder } from './recorder.js';

export interface ConnectionMetrics {
  readonly made: Metric;
  readonly failed: Metric;
  readonly ended: Metric;
  readonly open?: Metric;
}

/** What tells connections apart. */
export interface ConnectionDetails {
  readonly nodeAttributes: NodeAttributes;
  readonly nodeOf: (id: string) => Node | undefined;
  /** Whether those that ended are told apart by the reason. */
  readonly disconnectErrors: boolean;
}

/** The connections of all nodes with the same attributes. */
interface Connections {
  readonly open: Sum | undefined;
  readonly made: Sum;
  readonly failed: Sum;
  readonly ended: Counts<[error: string]>;
}

/**
 * Counts what connections go through. Those that are open when it begins count as made, so that those that were made
 * less those that ended are those that are open.
 */
export class ConnectionRecorder implements Recorder {
  readonly on: EventHandlers = {
    connectionChanged: (event) => this.changed(event),
    connectFailed: ({ node }) => this.groupOf(this.details.nodeOf(node)).failed.add(1),
  };
  /** Where the connection of a node that has an open one is counted. */
  private readonly open = new Map<string, Connections>();
  private readonly groups = new Map<string, Connections>();
  private readonly metrics: ConnectionMetrics;
  private readonly details: ConnectionDetails;

  constructor(metrics: ConnectionMetrics, details: ConnectionDetails) {
    this.metrics = metrics;
    this.details = details;
    // Without attributes that tell nodes apart there is one group, to be seen before the first connection.
    if (details.nodeAttributes.empty) this.groupOf(undefined);
  }

  forget({ id }: Node): void {
    this.closed(id, 'subchannel shutdown');
  }

  ended(closed: boolean): void {
    if (closed) for (const id of this.open.keys()) this.closed(id, 'subchannel shutdown');
    else for (const { open } of this.open.values()) open?.add(-1);
  }

  private changed({ node: id, from, to, disconnectError }: ConnectionChanged): void {
    if (to === 'READY') {
      const group = this.groupOf(this.details.nodeOf(id));
      group.made.add(1);
      group.open?.add(1);
      this.open.set(id, group);
    } else if (from === 'READY') this.closed(id, disconnectError ?? 'unknown');
  }

  private closed(id: string, error: DisconnectError): void {
    const group = this.open.get(id);
    if (group === undefined) return;
    this.open.delete(id);
    group.open?.add(-1);
    group.ended.add(this.details.disconnectErrors ? error : '');
  }

  private groupOf(node: Node | undefined): Connections {
    const { groups, metrics } = this;
    const { nodeAttributes, disconnectErrors } = this.details;
    const key = nodeAttributes.keyOf(node);
    let group = groups.get(key);
    if (group === undefined) {
      const attributes = nodeAttributes.of(node);
      group = {
        open: metrics.open?.sum(attributes),
        made: metrics.made.sum(attributes),
        failed: metrics.failed.sum(attributes),
        ended: new Counts((disconnectError) =>
          metrics.ended.sum(disconnectErrors ? { ...attributes, disconnectError } : attributes),
        ),
      };
      if (!disconnectErrors) group.ended.of('');
      groups.set(key, group);
    }
    return group;
  }
}
