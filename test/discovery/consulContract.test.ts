/** The contract of a discovery, held by `consul()` against a real agent. */

import { consul } from '../../src/discovery/consul.js';
import { testDiscovery, type DiscoveryHarness, type TestNode } from '../../src/testing/testDiscovery.js';
import { consulOrReason, startConsul, type ConsulAgent } from '../support/consul.js';
import { startTcpProxy, type TcpProxy } from '../support/tcpProxy.js';

const program = await consulOrReason();

describe.skipIf(typeof program === 'string')('consul against a real agent', () => {
  if (typeof program === 'string') return;
  let agent: ConsulAgent;
  let wire: TcpProxy;
  const listed = new Set<string>();

  beforeAll(async () => void (agent = await startConsul(program)));
  afterAll(() => agent.close());

  const put = async ({ name, port }: TestNode): Promise<void> => {
    await agent.register({ ID: name, Address: '127.0.0.1', Port: port });
    listed.add(name);
  };
  const harness = (layout: 'rxfleet' | 'flare'): DiscoveryHarness => ({
    start: async () => void (wire = await startTcpProxy(agent.port)),
    async stop() {
      await wire.close();
      for (const name of listed) await agent.deregister(name);
      listed.clear();
    },
    discovery: () => consul({ address: `http://${wire.endpoint}`, layout, pace: { steadyMs: 50, firstMs: 5 } }),
    add: put,
    update: put,
    async remove(name) {
      await agent.deregister(name);
      listed.delete(name);
    },
    async addBad() {
      // A service without a port is none that can be dialled.
      await agent.register({ ID: 'bad', Address: '127.0.0.1' });
      listed.add('bad');
    },
    cut: () => wire.cut(),
    restore: () => wire.restore(),
    opened: () => wire.open,
  });
  testDiscovery('consul, layout rxfleet', harness('rxfleet'));
  testDiscovery('consul, layout flare', harness('flare'));
});
