/** The contract of a discovery, held by real servers of both versions. */

import { etcd, type EtcdLayoutName } from '../../src/discovery/etcd.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { testDiscovery, type DiscoveryHarness, type TestNode } from '../../src/testing/testDiscovery.js';
import { etcdOrReason, startEtcd, type EtcdServer } from '../support/etcd.js';
import { spyTransport, type SpiedMessage, type SpyTransport } from '../support/spyTransport.js';
import { startTcpProxy, type TcpProxy } from '../support/tcpProxy.js';

const versions = { '3.5': 'trixie', '3.4': 'bookworm' } as const;

/** Written by hand, for each layout, so that what the library writes does not prove what it reads. */
const written: Partial<Record<EtcdLayoutName, (node: TestNode) => [key: string, value: object]>> = {
  rxfleet: ({ name, port }) => [
    `rxfleet/services/rxfleet-test/default/${name}`,
    { id: name, addresses: [`127.0.0.1:${port}`] },
  ],
  grpcGo: ({ name, port }) => [`rxfleet-test/${name}`, { Op: 0, Addr: `127.0.0.1:${port}`, Metadata: null }],
};

for (const [version, suite] of Object.entries(versions)) {
  const program = await etcdOrReason(suite);
  for (const layout of version === '3.5' ? (['rxfleet', 'grpcGo'] as const) : (['rxfleet'] as const)) {
    describe.skipIf(typeof program === 'string')(`etcd ${version}, layout ${layout}`, () => {
      if (typeof program === 'string') return;
      let server: EtcdServer;
      let wire: TcpProxy;
      let spy: SpyTransport;
      const write = written[layout]!;
      const put = async (node: TestNode): Promise<void> => {
        const [key, value] = write(node);
        await server.put(key, JSON.stringify(value));
      };
      beforeAll(async () => {
        server = await startEtcd(program);
        wire = await startTcpProxy(server.port);
      });
      afterAll(async () => {
        await wire.close();
        await server.stop();
      });
      const harness: DiscoveryHarness = {
        async start() {
          spy = spyTransport(grpcTransport());
          const [key] = write({ name: '', port: 1 });
          for (const { key: old } of await server.list(key)) await server.remove(old);
          wire.restore();
        },
        stop: () => wire.restore(),
        discovery: () => etcd({ endpoints: [wire.endpoint], layout, transport: spy, backoff: { maxBackoffMs: 500 } }),
        add: put,
        update: put,
        remove: async (name) => void (await server.remove(write({ name, port: 1 })[0])),
        addBad: async () => void (await server.put(write({ name: 'bad', port: 1 })[0], 'not JSON')),
        cut: () => wire.cut(),
        restore: () => wire.restore(),
        opened: () => wire.open,
        // A list is a range asked for at no revision of its own; once is enough as long as nothing is compacted.
        listings: () => {
          const lists = ({ method, message }: SpiedMessage) =>
            method === 'Range' && message.rangeEnd.length > 0 && message.revision === 0n;
          return { seen: spy.sent.filter(lists).length, needed: 1 };
        },
      };
      testDiscovery('etcd', harness);
    });
  }
}
