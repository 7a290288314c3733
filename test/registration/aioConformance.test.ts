import { aioRegistry, type AioRegistryOptions } from '../../src/registration/aio.js';
import { testRegistration } from '../../src/testing/testRegistration.js';
import { AioTables, clientKey, clientSecret, startAioServer, type AioServer } from '../support/aioServer.js';
import { until } from '../support/until.js';

const project = 'tests';
const ttlMs = 1_000;
let tables: AioTables;
let server: AioServer;

const registry = (options: Partial<AioRegistryOptions> = {}) =>
  aioRegistry({ registryAddr: server.address, clientKey, clientSecret, project, ttlMs, ...options });

/** Reads the tables of the server itself, by the names of the contract. */
const rows = () =>
  tables.services.flatMap(({ id }) =>
    tables.online(id, '').map(({ key, metaJson, grpcPort }) => {
      const meta = JSON.parse(metaJson) as { readonly 'rxfleet.id': string; readonly weight?: number };
      return { key, id: meta['rxfleet.id'], port: grpcPort, weight: meta.weight ?? 1 };
    }),
  );

testRegistration('aio', {
  ttlMs,
  sweepMs: 1_000,
  secrets: [clientSecret, 'wr0ng-secret', 'eyJ'],
  async start() {
    tables = new AioTables();
    server = await startAioServer({ tables });
  },
  async stop() {
    await until('every client has hung up', () => server.connections === 0);
    await server.close();
  },
  registry,
  listed: rows,
  forget: (id) => rows().forEach((row) => row.id === id && tables.forget(row.key)),
  cut: () => server.kill(),
  async restore() {
    server = await startAioServer({ port: server.port, tables });
  },
  unreachable: () => ({ registry: registry({ registryAddr: '127.0.0.1:1' }), endpoint: '127.0.0.1:1' }),
  refused: () => registry({ clientSecret: 'wr0ng-secret' }),
});
