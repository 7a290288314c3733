/** `activePriority()` on a live fleet: failover when the nodes of the better priority die, and back. */

import { firstValueFrom } from 'rxjs';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { createClient } from '../../src/client/client.js';
import { createFleet } from '../../src/client/fleet.js';
import { activePriority } from '../../src/discovery/activePriority.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter } from '../support/greeter.js';

it('calls go to the second priority when every node of the first is dead, and return to it', async () => {
  const first = await startGreeter({ name: 'first' });
  const second = await startGreeter({ name: 'second' });
  await using fleet = createFleet({
    service: 'shop',
    discovery: staticNodes([
      { address: first.address, metadata: { priority: '0' } },
      { address: second.address, metadata: { priority: '1' } },
    ]),
    transport: grpcTransport({ initialReconnectMs: 50, maxReconnectMs: 100 }),
    balancer: (nodes$) => nodes$.pipe(activePriority(), roundRobin()),
  });
  const greeter = createClient(fleet, Greeter);
  const ask = () => firstValueFrom(greeter.sayHello({}, { deadlineMs: 2_000 })).then(({ node }) => node, String);
  const asked = async (name: string) => {
    const end = Date.now() + 10_000;
    for (let got = ''; got !== name;) {
      if (Date.now() > end) throw new Error(`asked ${got}, not ${name}`);
      got = await ask();
      await new Promise((done) => setTimeout(done, 10));
    }
  };
  expect([await ask(), await ask(), await ask()]).toEqual(['first', 'first', 'first']);
  first.kill();
  await asked('second');
  const back = await startGreeter({ name: 'first', port: first.port });
  await asked('first');
  await back.close();
  await second.close();
});
