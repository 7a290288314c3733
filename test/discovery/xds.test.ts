/** `xds()` through what happens to a control plane: bad resources, silence, broken streams, deletions, half-told changes. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dropCategory, xds, type XdsDrop, type XdsOptions } from '../../src/discovery/xds.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { followed, type Followed } from '../support/followed.js';
import { until } from '../support/until.js';
import { startXdsControlPlane, type XdsControlPlane } from '../support/xdsControlPlane.js';
import {
  aggregate,
  badCluster,
  cluster,
  dnsCluster,
  endpoints,
  garbage,
  inlineListener,
  listener,
  routes,
  routeTo,
} from '../support/xdsResources.js';

const eds = (name: string, ...ids: string[]) =>
  ['eds', name, endpoints(name, [{ endpoints: ids.map((id) => ({ id, port: portOf(id) })) }])] as const;
const portOf = (id: string) => 1_000 + id.charCodeAt(0) * 100 + Number(id.slice(1) || 0);
const skipped = ({ events }: Followed) => events.filter(({ type }) => type === 'skipped').map(({ message }) => message);

let plane: XdsControlPlane;
let older: XdsControlPlane;
let world: Followed | undefined;

const follow = (options: XdsOptions = {}, service = 'shop') =>
  (world = followed(
    xds({ ...(options.bootstrap ? {} : { server: plane.address }), backoff: { maxBackoffMs: 200 }, ...options }),
    { service },
  ));
const bootstrap = (...features: string[]) => ({
  xds_servers: [{ server_uri: plane.address, channel_creds: [{ type: 'insecure' }], server_features: features }],
  node: { id: 'me', cluster: 'mine', locality: { zone: 'z9' }, metadata: { team: 'red' } },
});
const shop = () =>
  plane.put(
    ['lds', 'shop', listener('shop', 'r')],
    ['rds', 'r', routes('r', [routeTo({ c: 1 })])],
    ['cds', 'c', cluster('c')],
    eds('c', 'a'),
  );

beforeAll(async () => {
  plane = await startXdsControlPlane();
  older = await startXdsControlPlane({ incremental: false });
});
afterAll(async () => {
  await plane.close();
  await older.close();
});
afterEach(async () => {
  world?.stop();
  await until('the client has left', () => plane.connections === 0);
  plane.clear();
});

describe.each([
  ['increments', true],
  ['the state of the world', false],
] as const)('xds over %s', (form, incremental) => {
  it('says who it is once a stream, and accepts each answer by its nonce and version', async () => {
    shop();
    const { is } = follow({ bootstrap: bootstrap(), incremental });
    await is('a');
    await until('all is accepted', () => plane.requests.filter(({ kind }) => kind === 'ack').length === 4);
    expect(plane.requests.filter(({ node }) => node !== undefined).map(({ node }) => node)).toEqual(['me']);
    expect(plane.requests.every(({ kind }) => kind === 'ack' || kind === 'ask')).toBe(true);
  });

  it('refuses a bad resource with reasons, keeps what it knew of it, and takes the good one of the same answer', async () => {
    plane.put(
      ['lds', 'shop', inlineListener('shop', { c: 1, d: 1 })],
      ['cds', 'c', cluster('c')],
      ['cds', 'd', cluster('d', 'd1')],
      ...[eds('c', 'a'), eds('d1', 'b'), eds('d2', 'x')],
    );
    const followed = follow({ incremental });
    await followed.is('a', 'b');
    await until('all is accepted', () => plane.requests.at(-1)?.kind === 'ack');
    const before = plane.requests.filter(({ type, kind }) => type === 'cds' && kind === 'ack').at(-1)!;
    plane.put(['cds', 'c', badCluster('c')], ['cds', 'd', cluster('d', 'd2')]);
    await followed.is('a', 'x');
    const nack = plane.requests.find(({ kind }) => kind === 'nack')!;
    expect(nack).toMatchObject({ type: 'cds', version: before.version });
    expect(nack.error).toMatch(/cluster "c": its type ORIGINAL_DST is not EDS/);
    expect(skipped(followed).join()).toMatch(
      /the control plane at .* refused cluster "c".*what was known before is kept/,
    );
  });

  it('is not emptied by bytes that nobody can read', async () => {
    shop();
    const followed = follow({ incremental });
    await followed.is('a');
    plane.put(['cds', 'c', garbage()]);
    await until('it is refused', () => plane.requests.some(({ kind }) => kind === 'nack'));
    plane.put(eds('c', 'a', 'b'));
    await followed.is('a', 'b');
    expect(followed.sets.every(({ size }) => size > 0)).toBe(true);
  });

  it('asks for everything again after a broken stream, with the versions that it has, and is never stale for it', async () => {
    shop();
    const followed = follow({ incremental });
    await followed.is('a');
    const { opened } = plane;
    plane.requests.length = 0;
    await plane.breakStreams();
    plane.put(eds('c', 'a', 'b'));
    await followed.is('a', 'b');
    const first = plane.requests.filter(({ stream }) => stream === opened + 1).slice(0, 4);
    expect(first.map(({ type, names }) => [type, ...names])).toEqual([
      ['lds', 'shop'],
      ['rds', 'r'],
      ['cds', 'c'],
      ['eds', 'c'],
    ]);
    for (const { version, versions, names } of first) {
      if (incremental) expect(Object.keys(versions)).toEqual(names);
      else expect(Number(version)).toBeGreaterThan(0);
    }
    expect(followed.sets.some(({ stale }) => stale)).toBe(false);
    expect(followed.events).toEqual([]);
  });

  it('counts a control plane that has nothing to add as heard, after the time in which it would have', async () => {
    shop();
    const followed = follow({ incremental, resourceTimeoutMs: 300 });
    await followed.is('a');
    plane.kill();
    await followed.isStale(true);
    for (const type of ['lds', 'rds', 'cds', 'eds'] as const) plane.mute.add(type);
    await plane.restart();
    await followed.isStale(false);
    expect(followed.ids).toEqual(['a']);
  });

  it('tells no change by halves: the old set stands until all of the new one is known', async () => {
    shop();
    const followed = follow({ incremental });
    await followed.is('a');
    plane.mute.add('eds');
    plane.put(['cds', 'd', cluster('d')], eds('d', 'b'), ['rds', 'r', routes('r', [routeTo({ d: 1 })])]);
    await until('the new endpoints are asked for', () =>
      plane.requests.some(({ type, names }) => type === 'eds' && names.includes('d')),
    );
    await sleep(100);
    expect(followed.ids).toEqual(['a']);
    plane.mute.clear();
    plane.put(eds('d', 'b'));
    await followed.is('b');
    expect(followed.sets.map(({ nodes }) => nodes.map(({ id }) => id))).toEqual([['a'], ['b']]);
  });

  it('a deleted listener or cluster empties the set for real, and it comes back', async () => {
    shop();
    const followed = follow({ incremental });
    await followed.is('a');
    plane.put(['lds', 'shop', undefined]);
    await followed.is();
    shop();
    await followed.is('a');
    plane.put(['cds', 'c', undefined]);
    await followed.is();
    expect(skipped(followed)).toEqual([
      expect.stringContaining('listener "shop" was deleted'),
      expect.stringContaining('cluster "c" was deleted'),
    ]);
  });

  it('keeps what was deleted where the bootstrap says so', async () => {
    shop();
    const followed = follow({ bootstrap: bootstrap('ignore_resource_deletion'), incremental });
    await followed.is('a');
    plane.put(['cds', 'c', undefined]);
    await until('it is told', () => skipped(followed).length > 0);
    expect(skipped(followed)[0]).toContain('cluster "c" was deleted, and is kept');
    plane.put(eds('c', 'a', 'b'));
    await followed.is('a', 'b');
  });

  it(`follows 300 changes at random through broken streams and a dead server, to the last one`, async () => {
    shop();
    const followed = follow({ incremental });
    await followed.is('a');
    const seed = Number(process.env.RXFLEET_SEED ?? 20_261);
    const random = seededRandom(seed);
    const there = new Set(['a0']);
    const lags: number[] = [];
    const changes = process.env.RXFLEET_LONG ? 5_000 : 300;
    for (let i = 0; i < changes; i++) {
      const id = `a${Math.floor(random() * 40)}`;
      if (there.has(id) && there.size > 1) there.delete(id);
      else there.add(id);
      plane.put(eds('c', ...there));
      const at = performance.now();
      const dice = random();
      if (dice < 0.03) await plane.breakStreams();
      if (dice > 0.99) {
        plane.kill();
        await plane.restart();
      }
      if (dice > 0.5 && dice < 0.8) {
        await until(`change ${i} of seed ${seed} is there`, () => followed.ids.join() === [...there].sort().join());
        lags.push(performance.now() - at);
      }
    }
    await followed.is(...there);
    lags.sort((a, b) => a - b);
    const [median, worst] = [lags[lags.length >> 1]!, lags.at(-1)!];
    console.log(
      `xds, ${form}: from change to set, median ${median.toFixed(1)} ms, worst ${worst.toFixed(0)} ms, ${plane.opened} streams`,
    );
  }, 60_000);
});

describe('xds', () => {
  it('asks for the state of the world where a control plane has no increments', async () => {
    older.put(['cds', 'c', cluster('c')], eds('c', 'a'));
    const { is } = follow({ server: older.address }, 'cluster:c');
    await is('a');
    expect(older.requests.every(({ form }) => form === 'world')).toBe(true);
  });

  it('says what to do when increments are insisted on and not to be had', async () => {
    const followed = follow({ server: older.address, incremental: true }, 'cluster:c');
    await until('it fails', () => followed.error !== undefined);
    expect(followed.error).toMatchObject({ code: 'INVALID_OPTION' });
    expect(followed.error!.message).toContain(`the control plane at ${older.address} has no incremental xDS`);
  });

  it('a resource of which nothing comes does not exist, once its time is over', async () => {
    const followed = follow({ incremental: false, resourceTimeoutMs: 300 });
    await followed.is();
    expect(skipped(followed)[0]).toContain('listener "shop" does not exist: nothing came of it within 300 ms');
    shop();
    await followed.is('a');
  });

  it('that time does not run while no control plane can be reached', async () => {
    plane.kill();
    const followed = follow({ incremental: false, resourceTimeoutMs: 200 });
    await sleep(700);
    expect(followed.sets).toEqual([]);
    shop();
    await plane.restart();
    await followed.is('a');
    expect(skipped(followed)).toEqual([]);
  });

  it('silence is trouble, not absence, where the bootstrap says so', async () => {
    const features = bootstrap('resource_timer_is_transient_error');
    const followed = follow({ bootstrap: features, incremental: false, resourceTimeoutMs: 200 });
    await until('it is told', () => skipped(followed).length > 0);
    expect(followed.sets).toEqual([]);
    shop();
    await followed.is('a');
  });

  it('locality, priority, weights, health and labels are the facts of a node', async () => {
    plane.put(
      ['cds', 'c', cluster('c')],
      [
        'eds',
        'c',
        endpoints('c', [
          {
            ...{ region: 'eu', zone: 'eu-1', subZone: 'rack-7', weight: 6 },
            endpoints: [
              { port: 1, weight: 2, health: 'HEALTHY', hostname: 'alpha', metadata: { version: '1.2.3', gpu: true } },
              { port: 2, weight: 1 },
              { port: 3, weight: 9, health: 'DRAINING' },
              { port: 4, health: 'TIMEOUT' },
            ],
          },
          { region: 'us', zone: 'us-1', weight: 2, endpoints: [{ host: '::1', port: 5 }] },
          { zone: 'far', priority: 1, endpoints: [{ port: 6, weight: 5 }] },
        ]),
      ],
    );
    const followed = follow({ allPriorities: true }, 'cluster:c');
    await until('there is a set', () => followed.sets.length > 0);
    const of = (id: string) => followed.last.get(id)!;
    expect(of('127.0.0.1:1')).toMatchObject({
      ...{ name: 'alpha', region: 'eu', zone: 'eu-1', version: '1.2.3', health: 'serving', weight: 4 },
      metadata: { cluster: 'c', priority: '0', locality: 'eu/eu-1/rack-7', lbPolicy: 'ROUND_ROBIN', gpu: 'true' },
    });
    expect(of('127.0.0.1:2')).toMatchObject({ weight: 2, health: 'unknown' });
    expect(of('127.0.0.1:3')).toMatchObject({ availability: 'draining' });
    expect(of('127.0.0.1:4')).toMatchObject({ health: 'notServing', healthReason: 'the control plane says TIMEOUT' });
    expect(of('[::1]:5')).toMatchObject({ weight: 2, zone: 'us-1', address: { host: '::1', port: 5 } });
    expect(of('127.0.0.1:6')).toMatchObject({ weight: 5, metadata: { priority: '1' } });
  });

  it('lists the nodes of every route and cluster by weight, and says what it does not route by', async () => {
    plane.put(
      ['lds', 'shop', listener('shop', 'r')],
      [
        'rds',
        'r',
        routes('r', {
          'other.example': [routeTo({ unused: 1 })],
          '*': [
            routeTo({ beta: 1 }, { pathSpecifier: { case: 'prefix', value: '/' }, headers: [{ name: 'x-beta' }] }),
            routeTo({ c: 75, pair: 25 }),
            routeTo({ unreachable: 1 }),
          ],
        }),
      ],
      ...(['beta', 'c', 'p1'] as const).map((name) => ['cds', name, cluster(name)] as const),
      ['cds', 'pair', aggregate('pair', ['p1', 'p2'])],
      ['cds', 'p2', dnsCluster('p2', 'fallback.example', 443)],
      ...[eds('beta', 'b'), eds('c', 'a'), eds('p1', 'p')],
    );
    const followed = follow({ allPriorities: true });
    await followed.is('a', 'b', 'p', 'fallback.example:443');
    const facts = followed.last.nodes.map(({ id, weight, metadata: { cluster, priority } }) => [
      id,
      weight,
      cluster,
      priority,
    ]);
    expect(facts).toEqual([
      ['b', 1, 'beta', '0'],
      ['a', 0.75, 'c', '0'],
      ['p', 0.25, 'pair', '0'],
      ['fallback.example:443', 0.25, 'pair', '1'],
    ]);
    expect(skipped(followed).join()).toMatch(/route 1 is for calls with the header x-beta only/);
  });

  it('tells what to drop, at first and when it changes', async () => {
    const told: (readonly XdsDrop[])[] = [];
    const put = (percent: number) =>
      plane.put(['eds', 'c', endpoints('c', [{ endpoints: [{ port: 1 }] }], percent ? { overload: percent } : {})]);
    plane.put(['cds', 'c', cluster('c')]);
    put(40);
    follow({ onDrops: (drops) => told.push(drops) }, 'cluster:c');
    await until('it is told', () => told.length === 1);
    put(0);
    await until('it is told', () => told.length === 2);
    expect(told).toEqual([[{ cluster: 'c', category: 'overload', fraction: 0.4 }], []]);
    expect(dropCategory(told[0]!, () => 0.39)).toBe('overload');
    expect(dropCategory(told[0]!, () => 0.4)).toBeUndefined();
  });

  it('says in an event what it was asked to drop when nobody takes it', async () => {
    plane.put(
      ['cds', 'c', cluster('c')],
      ['eds', 'c', endpoints('c', [{ endpoints: [{ port: 1 }] }], { overload: 5 })],
    );
    const followed = follow({}, 'cluster:c');
    await until('it is told', () => skipped(followed).length > 0);
    expect(skipped(followed)[0]).toContain('asks to drop 5 % (overload) of the calls: give the option onDrops');
  });

  it('asks the next control plane of the bootstrap when one cannot be reached', async () => {
    shop();
    const dead = await startXdsControlPlane();
    dead.kill();
    const creds = { channel_creds: [{ type: 'google_default' }, { type: 'insecure' }] };
    const servers = [dead.address, plane.address].map((server_uri) => ({ server_uri, ...creds }));
    const { is } = follow({ bootstrap: { ...bootstrap(), xds_servers: servers } });
    await is('a');
  });

  it('ends with the remedy when the control plane does not let it in', async () => {
    plane.refuse = 'PERMISSION_DENIED';
    const followed = follow();
    await until('it fails', () => followed.error !== undefined);
    expect(followed.error).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(followed.error!.message).toMatch(/the control plane at .*: check the credentials and the node id/);
  });

  it('a service that the discovery server refuses for a while is found when it stops to', async () => {
    shop();
    plane.refuse = 'UNAVAILABLE';
    const followed = follow();
    await until('it is told', () => followed.events.some(({ type }) => type === 'disconnected'));
    plane.refuse = undefined;
    await followed.is('a');
  });
});

describe('the bootstrap', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rxfleet-xds-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(() => vi.unstubAllEnvs());

  it('is read from the file that GRPC_XDS_BOOTSTRAP names, else from the text in GRPC_XDS_BOOTSTRAP_CONFIG', async () => {
    shop();
    const file = join(folder, 'bootstrap.json');
    writeFileSync(file, JSON.stringify(bootstrap()));
    vi.stubEnv('GRPC_XDS_BOOTSTRAP', file);
    world = followed(xds(), { service: 'xds:///shop' });
    await world.is('a');
    world.stop();
    vi.stubEnv('GRPC_XDS_BOOTSTRAP', '');
    vi.stubEnv('GRPC_XDS_BOOTSTRAP_CONFIG', JSON.stringify(bootstrap()));
    world = followed(xds(), { service: 'xds:///shop' });
    await world.is('a');
  });

  it('that is missing or not readable is an error that says where it was looked for', async () => {
    vi.stubEnv('GRPC_XDS_BOOTSTRAP', '');
    vi.stubEnv('GRPC_XDS_BOOTSTRAP_CONFIG', '');
    const broken = join(folder, 'broken.json');
    writeFileSync(broken, '{ "secret": "hunter2"');
    const cases: [XdsOptions, RegExp][] = [
      [{}, /no bootstrap.*GRPC_XDS_BOOTSTRAP/],
      [{ bootstrap: join(folder, 'none.json') }, /none\.json cannot be read/],
      [{ bootstrap: broken }, /broken\.json is not JSON/],
    ];
    for (const [options, message] of cases) {
      const failed = followed(xds(options), { service: 'shop' });
      await until('it fails', () => failed.error !== undefined);
      expect(failed.error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });
      expect(failed.error!.message).not.toContain('hunter2');
    }
  });

  it.each([
    [{ bootstrap: {} }, /xds_servers must be a list/],
    [
      { bootstrap: { xds_servers: [{ server_uri: 'nowhere', channel_creds: [{ type: 'insecure' }] }] } },
      /xds_servers\[0\]\.server_uri/,
    ],
    [
      { bootstrap: { xds_servers: [{ server_uri: 'a:1', channel_creds: [{ type: 'alts' }] }] } },
      /channel_creds must have one/,
    ],
    [{ server: 'a:1', resourceTimeoutMs: 0 }, /resourceTimeoutMs/],
    [{ server: 'a:1', incremental: 'yes' as 'auto' }, /incremental/],
    [{ server: 'unix:/run/xds' }, /server must be host:port/],
    [{ tls: {} }, /tls must be given together with server/],
  ] satisfies [XdsOptions, RegExp][])('%j is refused by name', (options, message) => {
    expect(() => xds(options)).toThrow(message);
  });

  it('names the listener by the template of its authority, in the new style escaped', async () => {
    const name = 'xdstp://team/envoy.config.listener.v3.Listener/a%20shop';
    plane.put(['lds', name, inlineListener(name, { c: 1 })], ['cds', 'c', cluster('c')], eds('c', 'a'));
    const { is } = follow({ bootstrap: { ...bootstrap(), authorities: { team: {} } } }, 'xds://team/a shop');
    await is('a');
  });
});
