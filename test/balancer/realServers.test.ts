/** The balancers that look at load or latency, against real gRPC servers of which one is slow and one refuses at once. */

import { from, lastValueFrom, map, mergeMap, of, range, catchError, toArray } from 'rxjs';
import {
  createClient,
  createFleet,
  fastestResponse,
  leastLoaded,
  leastRequest,
  peakEwma,
  staticNodes,
  type Balancer,
} from '../../src/index.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter, type Greeter as Server } from '../support/greeter.js';

let servers: Server[] = [];
beforeEach(async () => {
  servers = await Promise.all([
    startGreeter({ name: 'good', faults: { latencyMs: 5 } }),
    startGreeter({ name: 'too', faults: { latencyMs: 5 } }),
    startGreeter({ name: 'slow', faults: { latencyMs: 200 } }),
    // A quota that is used up: what Linkerd calls a load balancer's favourite.
    startGreeter({ name: 'refusing', faults: { failWith: 'RESOURCE_EXHAUSTED' } }),
  ]);
});
afterEach(() => Promise.all(servers.map((server) => server.close(0))));

const balancers: Readonly<Record<string, () => Balancer>> = {
  leastLoaded,
  leastRequest,
  peakEwma,
  fastestResponse: () => fastestResponse({ updateIntervalMs: 200 }),
};

describe.each(Object.entries(balancers))('%s', (_, balancer) => {
  it('sends most calls to the nodes that answer, fewer to the slow one, and few to the one that refuses', async () => {
    await using fleet = createFleet({
      service: 'demo.Greeter',
      discovery: staticNodes(servers.map(({ name, address }) => ({ id: name, address }))),
      transport: grpcTransport(),
      balancer: balancer(),
    });
    const greeter = createClient(fleet, Greeter);
    const call = () =>
      from(greeter.sayHello({ name: 'Ada' }, { failover: false })).pipe(
        map(({ node }) => node),
        catchError((error: { readonly node?: string }) => of(error.node!)),
      );
    const nodes = await lastValueFrom(range(0, 800).pipe(mergeMap(call, 12), toArray()));
    const count = (name: string) => nodes.filter((node) => node === name).length;
    const fewest = Math.min(count('good'), count('too'));
    const said = ['good', 'too', 'slow', 'refusing'].map((name) => `${name} ${count(name)}`).join(', ');
    expect(count('slow'), said).toBeLessThan(fewest);
    expect(count('refusing'), said).toBeLessThan(fewest / 2);
    expect(count('refusing'), said).toBeGreaterThan(0);
  });
});
