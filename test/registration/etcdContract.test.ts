/** The contract of a registry, held by real servers of both versions. */

import { etcdRegistry, type EtcdRegistryOptions } from '../../src/registration/etcd.js';
import { testRegistration, type RegistrationHarness } from '../../src/testing/testRegistration.js';
import { etcdOrReason, startEtcd, type EtcdServer } from '../support/etcd.js';
import { startTcpProxy, type TcpProxy } from '../support/tcpProxy.js';

const password = 'correct horse battery';

/** Where each layout keeps what the suite asks for, by hand. */
const layouts = {
  rxfleet: {
    prefix: 'rxfleet/services/rxfleet-test/',
    read: ({ id, addresses, weight }: any) => ({ id, port: Number(addresses[0].split(':')[1]), weight }),
  },
  flare: {
    prefix: 'flare/services/rxfleet-test/',
    read: ({ instance_id: id, address, weight }: any) => ({ id, port: Number(address.split(':')[1]), weight }),
  },
} as const;

for (const [version, suite, layout] of [
  ['3.5', 'trixie', 'rxfleet'],
  ['3.4', 'bookworm', 'flare'],
] as const) {
  const program = await etcdOrReason(suite);
  describe.skipIf(typeof program === 'string')(`etcd ${version}, layout ${layout}`, () => {
    if (typeof program === 'string') return;
    const { prefix, read } = layouts[layout];
    let server: EtcdServer;
    let guarded: EtcdServer;
    let wire: TcpProxy;
    const registry = (options: EtcdRegistryOptions = {}) =>
      etcdRegistry({ endpoints: [wire.endpoint], layout, ttlMs: 1_000, requestTimeoutMs: 1_000, ...options });

    beforeAll(async () => {
      server = await startEtcd(program);
      wire = await startTcpProxy(server.port);
      guarded = await startEtcd(program);
      await guarded.ask('auth/role/add', { name: 'root' });
      await guarded.ask('auth/user/add', { name: 'root', password });
      await guarded.ask('auth/user/grant', { user: 'root', role: 'root' });
      await guarded.ask('auth/enable', {});
    });
    afterAll(async () => {
      await wire.close();
      await server.stop();
      await guarded.stop();
    });
    const harness: RegistrationHarness = {
      async start() {
        wire.restore();
        for (const { key } of await server.list(prefix)) await server.remove(key);
      },
      stop: () => wire.restore(),
      registry,
      listed: async () => (await server.list(prefix)).map(({ value }) => read(JSON.parse(value))),
      ttlMs: 1_000,
      async forget(id) {
        const entry = (await server.list(prefix)).find(({ key }) => key.endsWith(`/${id}`));
        await server.ask('lease/revoke', { ID: entry!.lease });
      },
      cut: () => wire.cut(),
      restore: () => wire.restore(),
      unreachable: () => ({ registry: registry({ endpoints: ['127.0.0.1:1'] }), endpoint: '127.0.0.1:1' }),
      refused: () => registry({ endpoints: [guarded.endpoint], user: 'root', password: 'Tr0ub4dor&3' }),
      secrets: [password, 'Tr0ub4dor&3'],
    };
    testRegistration('etcdRegistry', harness);
  });
}
