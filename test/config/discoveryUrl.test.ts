/** URLs end to end: a name server, a control plane, a broker and AIO, each asked by the URL alone. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom, share, timeout } from 'rxjs';
import { createFleetFromConfig, discoveryFromUrl, registryFromUrl } from '../../src/config/index.js';
import type { NodeSet } from '../../src/index.js';
import { register } from '../../src/registration/index.js';
import { clientKey, clientSecret, startAioServer } from '../support/aioServer.js';
import { BrokerServer } from '../support/brokerServer.js';
import { namedOrReason, startNamed } from '../support/named.js';
import { startXdsControlPlane } from '../support/xdsControlPlane.js';
import { cluster, endpoints, inlineListener } from '../support/xdsResources.js';
import { seeds } from './seeds.js';

/** The addresses that a URL leads to, once there are any. */
async function addressesAt(url: string): Promise<string[]> {
  const { service = '', discovery } = discoveryFromUrl(url);
  return addressesOf(await firstValueFrom(discovery({ service }).pipe(filter(filled), timeout(10_000))));
}

const filled = ({ size }: NodeSet) => size > 0;
const addressesOf = ({ nodes }: NodeSet) => nodes.map(({ address }) => `${address.host}:${address.port}`).sort();

describe('a URL', () => {
  it('of a name server lists what its SRV records name', async (context) => {
    const programs = await namedOrReason();
    if (typeof programs === 'string') return context.skip(programs);
    const named = await startNamed(programs);
    try {
      await named.update(
        'add _orders._tcp.fleet.test. 1 SRV 0 1 5001 a.fleet.test.',
        'add a.fleet.test. 1 A 127.0.0.1',
      );
      expect(await addressesAt(`dns://127.0.0.1:${named.port}/orders?domain=fleet.test`)).toEqual(['127.0.0.1:5001']);
    } finally {
      await named.close();
    }
  }, 60_000);

  it('of a control plane lists the endpoints of the service; so does the example of the seed', async () => {
    const plane = await startXdsControlPlane();
    const folder = mkdtempSync(join(tmpdir(), 'rxfleet-mesh-'));
    try {
      plane.put(
        ['lds', 'session', inlineListener('session', { c: 1 })],
        ['cds', 'c', cluster('c')],
        ['eds', 'c', endpoints('c', [{ endpoints: [{ id: 'a', port: 5_002 }] }])],
      );
      expect(await addressesAt(`xds://${plane.address}/session`)).toEqual(['127.0.0.1:5002']);
      const file = join(folder, 'mesh.toml');
      writeFileSync(file, seeds.mesh.replace('localhost:8080', plane.address));
      await using fleet = createFleetFromConfig(file);
      expect(addressesOf(await firstValueFrom(fleet.nodes$.pipe(filter(filled), timeout(10_000))))).toEqual([
        '127.0.0.1:5002',
      ]);
    } finally {
      rmSync(folder, { recursive: true });
      await plane.close();
    }
  });

  it('of AIO registers a node, and finds it', async () => {
    await using server = await startAioServer();
    const url = `aio://${clientKey}:${clientSecret}@${server.address}/shop/orders?env=prod`;
    const { service, registry } = registryFromUrl(url);
    expect([service, registry.name]).toEqual(['orders', 'aio']);
    const registration$ = register({ service: 'orders', address: '127.0.0.1:5003' }, registry).pipe(share());
    const registration = registration$.subscribe();
    try {
      await firstValueFrom(registration$.pipe(filter(({ state }) => state === 'registered')));
      expect(await addressesAt(url)).toEqual(['127.0.0.1:5003']);
    } finally {
      registration.unsubscribe();
    }
  });

  it('of a broker lists its nodes', async () => {
    const server = new BrokerServer();
    await server.start();
    try {
      server.put('hub-1', { node_id: 'local-hub-1', address: '127.0.0.1:5004', txt: { v: '1.4.0' } });
      expect(await addressesAt(server.url.replace('http:', 'broker:'))).toEqual(['127.0.0.1:5004']);
    } finally {
      await server.kill();
    }
  });
});
