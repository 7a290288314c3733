/** `xds()` beside gRPC's own xDS clients: told the same by one control plane, all reach the same backends in the same shares. */

import { startGreeter, type Greeter } from '../support/greeter.js';
import { ownXdsClient, realXdsClients, type Spread, type XdsClient } from '../support/xdsClients.js';
import { startXdsControlPlane, type XdsControlPlane } from '../support/xdsControlPlane.js';
import {
  badCluster,
  cluster,
  endpoints,
  listener,
  routes,
  routeTo,
  type EndpointInit,
  type LocalityInit,
} from '../support/xdsResources.js';

const real = await realXdsClients();
for (const reason of real.missing) console.warn(`one xDS client is not compared: ${reason}`);
if (real.missing.length > 0 && process.env.CI === 'true') throw new Error(real.missing.join('; '));

describe('three xDS clients and one control plane', () => {
  let plane: XdsControlPlane;
  let clients: XdsClient[] = [];
  const backends = new Map<string, Greeter>();

  const at = (name: string, more: Partial<EndpointInit> = {}): EndpointInit => ({
    port: backends.get(name)!.port,
    ...more,
  });
  const eds = (localities: readonly LocalityInit[], drops: Readonly<Record<string, number>> = {}) =>
    plane.put(['eds', 'shop-cluster', endpoints('shop-cluster', localities, drops)]);
  const names = (spread: Spread) => Object.keys(spread).sort().join(' ');

  /** All clients reach these and no others; `failed` is a name too. */
  const reach = async (...expected: string[]): Promise<void> => {
    const wanted = expected.sort().join(' ');
    await Promise.all(
      clients.map(async (client) => {
        const end = Date.now() + 20_000;
        for (;;) {
          const spread = await client.spread(40);
          if (names(spread) === wanted) return;
          if (Date.now() > end) throw new Error(`${client.name} reaches ${names(spread)}, not ${wanted}`);
        }
      }),
    );
  };
  const shares = async (
    calls: number,
    share: (spread: Spread) => number,
  ): Promise<readonly (readonly [string, number])[]> =>
    Promise.all(clients.map(async (client) => [client.name, share(await client.spread(calls)) / calls] as const));

  beforeAll(async () => {
    for (const name of ['a', 'b', 'c', 'd']) backends.set(name, await startGreeter({ name }));
    plane = await startXdsControlPlane();
    const bootstrap = {
      xds_servers: [{ server_uri: plane.address, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] }],
      node: { id: 'client', locality: {} },
    };
    plane.put(
      ['lds', 'shop', listener('shop', 'shop-routes')],
      ['rds', 'shop-routes', routes('shop-routes', [routeTo({ 'shop-cluster': 1 })])],
      ['cds', 'shop-cluster', cluster('shop-cluster')],
    );
    eds([{ endpoints: [at('a')] }]);
    clients = [
      ownXdsClient(bootstrap, true),
      ownXdsClient(bootstrap, false),
      ...real.start.map((start) => start(bootstrap)),
    ];
  });
  afterAll(async () => {
    for (const client of clients) client.stop();
    await plane.close();
    for (const backend of backends.values()) await backend.close();
  });

  it('the first load leads all of them to the one backend', () => reach('a'), 30_000);

  it('scaling up and down is followed by all', async () => {
    eds([{ endpoints: [at('a'), at('b'), at('c')] }]);
    await reach('a', 'b', 'c');
    eds([{ endpoints: [at('c')] }]);
    await reach('c');
  }, 60_000);

  it('unhealthy and draining endpoints are left by all, degraded ones too', async () => {
    const rest = [at('b', { health: 'UNHEALTHY' }), at('c', { health: 'DRAINING' }), at('d', { health: 'DEGRADED' })];
    eds([{ endpoints: [at('a', { health: 'HEALTHY' }), ...rest] }]);
    await reach('a');
  }, 30_000);

  it('a locality without a weight is used by none', async () => {
    eds([{ endpoints: [at('a')] }, { zone: 'z2', weight: null, endpoints: [at('b')] }]);
    await reach('a');
  }, 30_000);

  it('the second priority takes over when the endpoints of the first are unhealthy, and gives back', async () => {
    const told = (health: 'HEALTHY' | 'UNHEALTHY') =>
      eds([{ endpoints: [at('a', { health })] }, { zone: 'z2', priority: 1, endpoints: [at('b')] }]);
    told('HEALTHY');
    await reach('a');
    told('UNHEALTHY');
    await reach('b');
    told('HEALTHY');
    await reach('a');
  }, 60_000);

  it('calls go by the weights of localities, however many endpoints each has', async () => {
    eds([
      { weight: 3, endpoints: [at('a')] },
      { zone: 'z2', weight: 1, endpoints: [at('b'), at('c'), at('d')] },
    ]);
    await reach('a', 'b', 'c', 'd');
    for (const [name, share] of await shares(400, (spread) => spread.a ?? 0)) {
      expect(share, `${name} gives backend a its 75 %`).toBeGreaterThan(0.65);
      expect(share, `${name} gives backend a its 75 %`).toBeLessThan(0.85);
    }
  }, 60_000);

  it('calls go by the weights of clusters', async () => {
    plane.put(
      ['cds', 'other', cluster('other')],
      ['eds', 'other', endpoints('other', [{ endpoints: [at('d')] }])],
      ['eds', 'shop-cluster', endpoints('shop-cluster', [{ endpoints: [at('a'), at('b')] }])],
      ['rds', 'shop-routes', routes('shop-routes', [routeTo({ 'shop-cluster': 80, other: 20 })])],
    );
    await reach('a', 'b', 'd');
    for (const [name, share] of await shares(400, (spread) => spread.d ?? 0)) {
      expect(share, `${name} gives backend d its 20 %`).toBeGreaterThan(0.11);
      expect(share, `${name} gives backend d its 20 %`).toBeLessThan(0.3);
    }
    plane.put(
      ['rds', 'shop-routes', routes('shop-routes', [routeTo({ 'shop-cluster': 1 })])],
      ['cds', 'other', undefined],
      ['eds', 'other', undefined],
    );
    await reach('a', 'b');
  }, 60_000);

  it('the share that is to be dropped is dropped by all', async () => {
    eds([{ endpoints: [at('a')] }], { overload: 40 });
    await reach('a', 'failed');
    for (const [name, share] of await shares(400, (spread) => spread.failed ?? 0)) {
      expect(share, `${name} drops its 40 %`).toBeGreaterThan(0.28);
      expect(share, `${name} drops its 40 %`).toBeLessThan(0.52);
    }
    eds([{ endpoints: [at('a')] }]);
    await reach('a');
  }, 60_000);

  it('a bad resource is refused by all, and changes nothing for any', async () => {
    eds([{ endpoints: [at('a'), at('b')] }]);
    await reach('a', 'b');
    plane.requests.length = 0;
    plane.put(['cds', 'shop-cluster', badCluster('shop-cluster')]);
    eds([{ endpoints: [at('b'), at('c')] }]);
    await reach('b', 'c');
    const nacks = plane.requests.filter(({ kind, type }) => kind === 'nack' && type === 'cds');
    expect(new Set(nacks.map(({ stream }) => stream)).size, 'each client refuses it').toBe(clients.length);
    for (const { error } of nacks) expect(error).not.toBe('');
    plane.put(['cds', 'shop-cluster', cluster('shop-cluster')]);
    await reach('b', 'c');
  }, 60_000);

  it('endpoints with a gap between priorities are refused by all', async () => {
    eds([{ endpoints: [at('a')] }]);
    await reach('a');
    plane.requests.length = 0;
    eds([{ endpoints: [at('b')] }, { zone: 'z2', priority: 2, endpoints: [at('c')] }]);
    await reach('a');
    const nacks = plane.requests.filter(({ kind, type }) => kind === 'nack' && type === 'eds');
    expect(new Set(nacks.map(({ stream }) => stream)).size, 'each client refuses it').toBe(clients.length);
  }, 30_000);

  it('a broken stream is opened again by all, with what changed meanwhile', async () => {
    eds([{ endpoints: [at('a'), at('b')] }]);
    await reach('a', 'b');
    plane.kill();
    await reach('a', 'b');
    eds([{ endpoints: [at('c'), at('d')] }]);
    await plane.restart();
    await reach('c', 'd');
    await plane.breakStreams();
    eds([{ endpoints: [at('a')] }]);
    await reach('a');
  }, 90_000);

  // The last case: when the listener came back, neither of gRPC's clients served again within 3.5 s; why was not
  // looked into. Ours does (xds.test.ts).
  it('a deleted listener ends the service for all', async () => {
    plane.put(['lds', 'shop', undefined]);
    await reach('failed');
  }, 60_000);
});
