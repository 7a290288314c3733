/** A real fleet over real servers: one node fails, is tried elsewhere, and is taken out. */

import { filter, firstValueFrom, map, type Observable } from 'rxjs';
import { createClient, createFleet, roundRobin, staticNodes } from '../../../src/index.js';
import type { Client, Detector, Finding, Fleet, FleetOptions } from '../../../src/index.js';
import { Greeter } from '../../../src/gen/demo/greeter_pb.js';
import { grpcTransport } from '../../../src/transport/grpc.js';
import { startGreeter, type Greeter as Server } from '../../support/greeter.js';
import { until } from '../../support/until.js';

export interface Traffic {
  readonly servers: readonly Server[];
  readonly fleet: Fleet;
  readonly greeter: Client<typeof Greeter>;
  /** So many calls, one after the other; resolves when the last is over. */
  call(count: number): Promise<void>;
  close(): Promise<void>;
}

/** Takes a node out once it has failed three times in a row. */
const thirdFailure: Detector = {
  name: 'consecutiveFailures',
  watch: ({ outcomes$, mayEject }): Observable<Finding> =>
    outcomes$.pipe(
      filter(({ node }) => node.stats.consecutiveFailures === 3 && mayEject(node.id)),
      map(({ node }): Finding => ({
        type: 'eject',
        id: node.id,
        method: 'third_failure',
        reason: '3 failures in a row',
        until: undefined,
      })),
    ),
};

/** Three nodes, of which `bad` fails everything. */
export async function startTraffic(options: Partial<FleetOptions> = {}): Promise<Traffic> {
  const servers = await Promise.all(['a', 'b', 'bad'].map((name) => startGreeter({ name })));
  servers[2]!.faults({ failWith: 'UNAVAILABLE' });
  const fleet = createFleet({
    service: 'demo.Greeter',
    discovery: staticNodes(servers.map(({ name, address }) => ({ id: name, address }))),
    transport: grpcTransport(),
    balancer: roundRobin(),
    calls: { failover: true, retry: { maxAttempts: 3, initialBackoffMs: 5, maxBackoffMs: 5 } },
    eject: [thirdFailure],
    ...options,
  });
  await until('all nodes are connected', () =>
    fleet.nodes$.value.nodes.every(({ availability }) => availability === 'ready'),
  );
  const greeter = createClient(fleet, Greeter);
  return {
    servers,
    fleet,
    greeter,
    async call(count) {
      for (let i = 0; i < count; i++) await firstValueFrom(greeter.sayHello({ name: 'Ada' }));
    },
    async close() {
      await fleet.close({ drainMs: 0 });
      await Promise.all(servers.map((server) => server.close(0)));
    },
  };
}
