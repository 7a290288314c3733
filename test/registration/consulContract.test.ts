/** The contract of a registry, held by `consulRegistry()` against real agents. */

import { consulRegistry } from '../../src/registration/consul.js';
import { testRegistration, type RegistrationHarness } from '../../src/testing/testRegistration.js';
import { consulOrReason, freePorts, masterToken, startConsul, type ConsulAgent } from '../support/consul.js';
import { startTcpProxy, type TcpProxy } from '../support/tcpProxy.js';

const program = await consulOrReason();

describe.skipIf(typeof program === 'string')('consulRegistry() against real agents', () => {
  if (typeof program === 'string') return;
  let agent: ConsulAgent;
  let guarded: ConsulAgent;
  let wire: TcpProxy;
  let closed: number;
  const wrong = '3f0a6f6e-0000-4000-8000-5eb63bbbe01e';

  beforeAll(async () => {
    [agent, guarded] = await Promise.all([startConsul(program), startConsul(program, { acl: true })]);
    [closed] = (await freePorts(1)) as [number];
  });
  afterAll(() => Promise.all([agent?.close(), guarded?.close()]));

  interface Entry {
    readonly Service: { readonly ID: string; readonly Port: number; readonly Weights: { readonly Passing: number } };
  }
  const harness = (layout: 'rxfleet' | 'flare'): RegistrationHarness => ({
    ttlMs: 1_000,
    secrets: [wrong, masterToken],
    start: async () => void (wire = await startTcpProxy(agent.port)),
    async stop() {
      await wire.close();
      for (const id of ['node-a', 'node-b']) await agent.ask('PUT', `/v1/agent/service/deregister/${id}`);
    },
    registry: () => consulRegistry({ address: `http://${wire.endpoint}`, layout, check: { ttlMs: 1_000 } }),
    async listed() {
      // Consul forgets a critical service after a minute at the soonest; who asks for passing ones sees it no more.
      const { body } = await agent.ask('GET', '/v1/health/service/rxfleet-test?passing');
      return (body as Entry[]).map(({ Service: { ID, Port, Weights } }) => ({
        ...{ id: ID, port: Port },
        ...(layout === 'rxfleet' ? { weight: Weights.Passing } : {}),
      }));
    },
    forget: (id) => agent.deregister(id),
    cut: () => wire.cut(),
    restore: () => wire.restore(),
    unreachable: () => {
      const endpoint = `127.0.0.1:${closed}`;
      return { registry: consulRegistry({ address: `http://${endpoint}`, layout }), endpoint };
    },
    refused: () => consulRegistry({ address: guarded.address, layout, token: wrong }),
  });
  testRegistration('consul, layout rxfleet', harness('rxfleet'));
  testRegistration('consul, layout flare', harness('flare'));
});
