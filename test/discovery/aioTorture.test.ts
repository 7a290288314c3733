/** The discovery at a server that changes all the time, dies, hangs, refuses and comes back: nothing missed, no ghosts. */

import { seededRandom } from '../../src/testing/seededRandom.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { aio } from '../../src/discovery/aio.js';
import { AioTables, clientKey, clientSecret, startAioServer, type AioServer } from '../support/aioServer.js';
import { until } from '../support/until.js';

it('equals the registry after every storm of changes and faults', async () => {
  const changes = process.env.RXFLEET_LONG ? 5_000 : 500;
  const seed = Number(process.env.RXFLEET_SEED ?? Math.floor(Math.random() * 1e9));
  const random = seededRandom(seed);
  const tables = new AioTables();
  const serviceId = tables.ensureService({ project: 'shop', name: 'orders' }).row.id;
  let server: AioServer = await startAioServer({ tables });
  const { port } = server;
  let latest: NodeSet | undefined;
  const seen = new Map<string, number>();
  const delays: number[] = [];
  const subscription = aio({ registryAddr: server.address, clientKey, clientSecret, pollMs: 20 })({
    service: 'orders',
    namespace: 'shop',
  }).subscribe((set) => {
    latest = set;
    for (const { id, address } of set.nodes) {
      const changedAt = seen.get(`${id} ${address.port}`);
      if (changedAt === undefined) continue;
      delays.push(Date.now() - changedAt);
      seen.delete(`${id} ${address.port}`);
    }
  });
  const actual = () =>
    latest?.nodes
      .map(({ id, address }) => `${id} ${address.port}`)
      .sort()
      .join();
  const expected = () =>
    tables
      .online(serviceId, 'dev')
      .map(({ key, endpoint }) => `${key} ${endpoint.split(':')[1]}`)
      .sort()
      .join();

  let up = true;
  let failing = false;
  for (let i = 1; i <= changes; i++) {
    const key = `k${Math.floor(random() * 40)}`;
    if (random() < 0.4) tables.forget(key);
    else {
      const at = 1 + Math.floor(random() * 60_000);
      tables.register({ serviceId, key, env: 'dev', host: 'h', endpoint: `h:${at}`, ttlSeconds: 600 });
      if (up && !failing && !latest?.stale) seen.set(`${key} ${at}`, Date.now());
    }
    const chance = random();
    if (chance < 0.02 && up) {
      server.kill();
      seen.clear();
      up = false;
    } else if (chance < 0.1 && !up) {
      server = await startAioServer({ port, tables, jwtSecret: `secret ${i}`, layout: random() < 0.5 ? 'old' : 'new' });
      up = true;
    } else if (chance < 0.03) {
      server.faults({ fail: { ListServices: 'INTERNAL' } });
      seen.clear();
      failing = true;
    } else if (chance < 0.1) {
      server.faults({});
      failing = false;
    }
    if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    if (i % 100 > 0) continue;
    if (!up) server = await startAioServer({ port, tables });
    up = true;
    failing = false;
    server.faults({});
    await until(`seed ${seed}: after ${i} changes ${actual()} is ${expected()}`, () => actual() === expected());
    await until(`seed ${seed}: it is fresh`, () => latest!.stale === undefined);
  }
  subscription.unsubscribe();
  await until('the client has hung up', () => server.connections === 0);
  await server.close();
  delays.sort((a, b) => a - b);
  const [median, worst] = [delays[delays.length >> 1], delays.at(-1)];
  console.log(
    `aio: ${changes} changes, seed ${seed}: from change to set, while connected, ${median} ms in the median, ${worst} ms at worst`,
  );
}, 120_000);
