import { aio } from '../../src/discovery/aio.js';
import { testDiscovery, type DiscoveryHarness } from '../../src/testing/testDiscovery.js';
import { AioTables, clientKey, clientSecret, startAioServer, type AioServer } from '../support/aioServer.js';

/** A real server on a real socket; nodes are rows with leases, in the layout of either generation of servers. */
function harness(layout: 'old' | 'new'): DiscoveryHarness {
  let tables: AioTables;
  let server: AioServer;
  let serviceId: bigint;
  const put = (key: string, host: string, port: number) => {
    const endpoint = layout === 'old' ? `${host}:${port}` : '';
    const endpointsJson = layout === 'old' ? '' : JSON.stringify([{ host, network: 'local', priority: 0 }]);
    const row = { serviceId, key, env: 'dev', host: host || 'unknown', endpoint, endpointsJson, ttlSeconds: 600 };
    tables.register({ ...row, grpcPort: layout === 'old' ? 0 : port });
  };
  return {
    query: { service: 'rxfleet-test', namespace: 'tests' },
    async start() {
      tables = new AioTables();
      serviceId = tables.ensureService({ project: 'tests', name: 'rxfleet-test' }).row.id;
      server = await startAioServer({ tables, layout });
    },
    stop: () => server.close(),
    discovery: () => aio({ registryAddr: server.address, clientKey, clientSecret, pollMs: 40 }),
    add: ({ name, port }) => put(name, '127.0.0.1', port),
    update: ({ name, port }) => put(name, '127.0.0.1', port),
    remove: (name) => tables.forget(name),
    addBad: () =>
      void tables.register({
        serviceId,
        key: 'bad',
        env: 'dev',
        host: 'no port',
        endpoint: 'nonsense',
        ttlSeconds: 600,
      }),
    async cut() {
      server.kill();
    },
    async restore() {
      server = await startAioServer({ port: server.port, tables, layout });
    },
    opened: () => server.connections,
  };
}

testDiscovery('aio over a server of today', harness('new'));
testDiscovery('aio over a server up to 1.0.5', harness('old'));
