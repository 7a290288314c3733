/** What passes between xDS clients and their control planes, as gRFC A78 counts it. */

import type { XdsState, XdsUpdate } from '../discovery/xds/xdsEvent.js';
import { Counts } from './counts.js';
import type { GrpcMetric } from './grpcMetrics.js';
import type { Attributes, Metric } from './metric.js';
import type { EventHandlers, Recorder } from './recorder.js';

export class XdsRecorder implements Recorder {
  readonly on: EventHandlers = {
    xds: ({ event }) => (event.type === 'state' ? this.stands(event) : this.updated(event)),
  };
  /** By client. */
  private readonly states = new Map<number, XdsState>();
  /** What was said once is said to the end: 0 where it is nothing any more, or a collector goes on with what it had. */
  private readonly servers = new Set<string>();
  private readonly alike = new Map<string, Attributes>();
  private readonly failures: Counts<[server: string]>;
  private readonly valid: Counts<[server: string, type: string]>;
  private readonly invalid: Counts<[server: string, type: string]>;

  constructor(metrics: Readonly<Record<GrpcMetric, Metric>>) {
    const { xdsConnected, xdsResources, xdsServerFailures, xdsUpdatesValid, xdsUpdatesInvalid } = metrics;
    this.failures = new Counts((xdsServer) => xdsServerFailures.sum({ xdsServer }));
    this.valid = new Counts((xdsServer, xdsResourceType) => xdsUpdatesValid.sum({ xdsServer, xdsResourceType }));
    this.invalid = new Counts((xdsServer, xdsResourceType) => xdsUpdatesInvalid.sum({ xdsServer, xdsResourceType }));
    xdsConnected.reading((add) => {
      for (const xdsServer of this.servers) add({ xdsServer }, this.connected(xdsServer) ? 1 : 0);
    });
    xdsResources.reading((add) => {
      const counts = this.counts();
      for (const [key, attributes] of this.alike) add(attributes, counts.get(key) ?? 0);
    });
  }

  private stands(state: XdsState): void {
    const { client, servers, resources } = state;
    const before = new Map(this.states.get(client)?.servers.map(({ server, connected }) => [server, connected]));
    this.states.set(client, state);
    if (servers.length === 0) this.states.delete(client);
    for (const { server, connected } of servers) {
      this.servers.add(server);
      // There from the start, so that the first failure is a step.
      const failures = this.failures.of(server);
      if (!connected && before.get(server)) failures.add(1);
    }
    for (const { resourceType, authority, cacheState } of resources) {
      const attributes = { xdsResourceType: resourceType, xdsAuthority: authority, xdsCacheState: cacheState };
      this.alike.set(keyOf(resourceType, authority, cacheState), attributes);
    }
  }

  private updated({ server, resourceType, valid, invalid }: XdsUpdate): void {
    this.valid.of(server, resourceType).add(valid);
    this.invalid.of(server, resourceType).add(invalid);
  }

  /** By all who have dialled it. */
  private connected(server: string): boolean {
    const found = [...this.states.values()].flatMap(({ servers }) => servers.filter((each) => each.server === server));
    return found.length > 0 && found.every(({ connected }) => connected);
  }

  private counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { resources } of this.states.values()) {
      for (const { resourceType, authority, cacheState, count } of resources) {
        const key = keyOf(resourceType, authority, cacheState);
        counts.set(key, (counts.get(key) ?? 0) + count);
      }
    }
    return counts;
  }
}

function keyOf(...parts: readonly string[]): string {
  return parts.join('\n');
}
