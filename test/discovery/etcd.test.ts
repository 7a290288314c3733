/** Discovery in a real etcd through what goes wrong with one: crashes, cut wires, compaction, other contents, foreign values. */

import { etcd, type EtcdLayout, type EtcdOptions } from '../../src/discovery/etcd.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { etcdOrReason, startEtcd, type EtcdServer } from '../support/etcd.js';
import { followed, type Followed } from '../support/followed.js';
import { spyTransport } from '../support/spyTransport.js';
import { startTcpProxy, type TcpProxy } from '../support/tcpProxy.js';
import { until } from '../support/until.js';

const program = await etcdOrReason();
const service = 'thumbnails';
const keyOf = (id: string) => `rxfleet/services/${service}/default/${id}`;
const valueOf = (id: string, more: object = {}) => JSON.stringify({ id, addresses: ['10.0.0.1:50051'], ...more });

describe.skipIf(typeof program === 'string')('etcd', () => {
  if (typeof program === 'string') return;
  let server: EtcdServer;
  let wire: TcpProxy;
  let world: Followed | undefined;

  const spy = () => spyTransport(grpcTransport({ connectDeadlineMs: 2_000 }));
  const follow = (options: EtcdOptions = {}) =>
    (world = followed(
      etcd({
        ...{ endpoints: [wire.endpoint], requestTimeoutMs: 2_000, backoff: { maxBackoffMs: 300 } },
        ...options,
      }),
      { service },
    ));
  const put = (id: string, more?: object) => server.put(keyOf(id), valueOf(id, more));
  const skipped = ({ events }: Followed) =>
    events.filter(({ type }) => type === 'skipped').map(({ message }) => message);

  beforeAll(async () => {
    server = await startEtcd(program, {
      flags: ['--experimental-watch-progress-notify-interval', '200ms', '--max-request-bytes', '20000'],
    });
    wire = await startTcpProxy(server.port);
  });
  afterAll(async () => {
    await wire.close();
    await server.stop();
  });
  beforeEach(async () => {
    for (const { key } of await server.list('rxfleet/')) await server.remove(key);
  });
  afterEach(() => {
    world?.stop();
    wire.restore();
    wire.resume();
  });

  it('takes its watch up where it ended when the wire broke, without listing again', async () => {
    await put('a');
    const transport = spy();
    const { is, isStale, last, sets } = follow({ transport });
    await is('a');
    wire.cut();
    await isStale(true);
    await put('b');
    await put('c');
    await server.remove(keyOf('c'));
    transport.sent.length = 0;
    wire.restore();
    await is('a', 'b');
    expect(world!.last.get('a')).toBe(sets[0]!.get('a'));
    expect(last).toBeDefined();
    const ranges = transport.sent.filter(({ method }) => method === 'Range');
    expect(ranges.every(({ message }) => message.rangeEnd.length === 0)).toBe(true);
    expect(ranges.length).toBeGreaterThan(0);
  });

  it('is fresh again only when it has heard what it missed', async () => {
    await put('a');
    const { is, isStale, sets } = follow();
    await is('a');
    wire.cut();
    await isStale(true);
    for (let i = 0; i < 20; i++) await put(`n${i}`);
    const before = sets.length;
    wire.restore();
    await isStale(false);
    expect(sets.slice(before).map(({ size }) => size)).toEqual([21]);
  });

  it('emits the difference when what it missed is compacted, and keeps what did not change', async () => {
    await put('a');
    await put('b');
    const transport = spy();
    const { is, isStale, sets } = follow({ transport });
    await is('a', 'b');
    wire.cut();
    await isStale(true);
    await server.remove(keyOf('b'));
    await put('c');
    await server.compact();
    wire.restore();
    await is('a', 'c');
    expect(world!.last.get('a')).toBe(sets[0]!.get('a'));
    const [stale, back] = sets.slice(-2);
    expect(stale!.nodes.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(back!.changesSince(stale!)).toMatchObject({ added: [{ id: 'c' }], removed: [{ id: 'b' }], updated: [] });
    const watches = transport.sent.filter(({ message }) => message.requestUnion?.case === 'createRequest');
    expect(watches).toHaveLength(2);
  });

  it('resumes after a compaction that came after the last progress notification, since nothing of ours was in it', async () => {
    await put('a');
    const transport = spy();
    const { is, isStale } = follow({ transport });
    await is('a');
    for (let i = 0; i < 5; i++) await server.put(`other/${i}`, 'x');
    const compacted = await server.compact();
    await until('a progress notification has come', () =>
      transport.received.some(
        ({ method, message }) =>
          method === 'Watch' && message.events.length === 0 && message.header.revision >= compacted && !message.created,
      ),
    );
    wire.cut();
    await isStale(true);
    await put('b');
    transport.sent.length = 0;
    wire.restore();
    await is('a', 'b');
    const listed = transport.sent.filter(({ method, message }) => method === 'Range' && message.rangeEnd.length > 0);
    expect(listed).toEqual([]);
  });

  it('sees a transaction whole, also when it comes in fragments', async () => {
    const transport = spy();
    const { is, isStale, sets } = follow({ transport });
    await is();
    const ids = Array.from({ length: 80 }, (_, i) => `n${String(i).padStart(2, '0')}`);
    const all = (version: string) => Object.fromEntries(ids.map((id) => [keyOf(id), valueOf(id, { version })]));
    await server.change(all('0'));
    await is(...ids);
    wire.cut();
    await isStale(true);
    for (let i = 1; i <= 45; i++) await server.change(all(`${i}-${'x'.repeat(90)}`));
    wire.restore();
    await isStale(false);
    await server.change({ [keyOf('z')]: valueOf('z') }, ids.map(keyOf));
    await is('z');
    expect(sets.filter(({ stale }) => !stale).map(({ size }) => size)).toEqual([0, 80, 80, 1]);
    expect(new Set(sets.map(({ nodes }) => new Set(nodes.map(({ version }) => version)).size))).toEqual(
      new Set([0, 1]),
    );
    expect(transport.received.some(({ message }) => message.fragment)).toBe(true);
  });

  it('is empty when the service really is, and only then', async () => {
    await put('a');
    const { is, sets } = follow();
    await is('a');
    await server.remove(keyOf('a'));
    await is();
    expect(sets.map(({ size, stale }) => [size, stale])).toEqual([
      [1, undefined],
      [0, undefined],
    ]);
  });

  it('keeps its nodes through a crash, marked stale, and goes on when the server is back', async () => {
    await put('a');
    const { is, isStale, events } = follow();
    await is('a');
    await server.kill();
    await isStale(true);
    expect(world!.ids).toEqual(['a']);
    expect(world!.last.stale!.reason).toMatch(/etcd is cut off: etcd at 127\.0\.0\.1:\d+: /);
    await server.start();
    await put('b');
    await is('a', 'b');
    expect(events.map(({ type }) => type)).toEqual(['disconnected', 'connected']);
  });

  it('starts while the server is down, and says what is missing', async () => {
    wire.cut();
    const { is, events } = follow();
    await until('it said so', () => events.length > 0);
    expect(events[0]!.message).toMatch(/^etcd at 127\.0\.0\.1:\d+: .*check that it runs/);
    await put('a');
    wire.restore();
    await is('a');
  });

  it.each([
    ['with less history than before', 0],
    ['with as much history as before', 200],
  ])('notices that the store is another one, %s', async (_, others) => {
    await put('ghost');
    await put('a');
    const { is, isStale } = follow();
    await is('a', 'ghost');
    await server.kill();
    await isStale(true);
    wire.cut();
    server.wipe();
    await server.start();
    for (let i = 0; i < others; i++) await server.put(`other/${i % 7}`, String(i));
    await put('a', { version: '2' });
    await put('new');
    wire.restore();
    await is('a', 'new');
    expect(world!.last.get('a')!.version).toBe('2');
  });

  it('leaves a connection on which nothing arrives any more, and marks its nodes as stale meanwhile', async () => {
    await put('a');
    const { is, isStale } = follow({
      transport: grpcTransport({ connectDeadlineMs: 1_000, keepaliveMs: 500, keepaliveTimeoutMs: 500 }),
      requestTimeoutMs: 500,
    });
    await is('a');
    wire.pause();
    await isStale(true);
    await put('b');
    wire.resume();
    await is('a', 'b');
  });

  it('passes over foreign values, tells each once, and takes them in when they become nodes', async () => {
    await server.put(keyOf('bad'), 'not JSON');
    await server.put(`${keyOf('x')}/deeper`, '{"id":7}');
    await put('a');
    const { is, sets } = follow();
    await is('a');
    expect(skipped(world!)).toHaveLength(2);
    expect(skipped(world!).join()).toContain(keyOf('bad'));
    await server.put(keyOf('bad'), 'still not JSON');
    await put('b');
    await is('a', 'b');
    expect(skipped(world!)).toHaveLength(3);
    await put('bad');
    await is('a', 'b', 'bad');
    await server.put(keyOf('a'), '{}');
    await is('b', 'bad');
    expect(sets.every(({ stale }) => !stale)).toBe(true);
  });

  it('lets the newer of two keys with one id count, and says so', async () => {
    await put('a');
    const { is } = follow();
    await is('a');
    await server.put('rxfleet/services/thumbnails/other/a', valueOf('a', { version: '2' }));
    await until('the newer counts', () => world!.last.get('a')!.version === '2');
    expect(skipped(world!)).toEqual([expect.stringContaining('several keys give the node id "a"')]);
    await server.remove('rxfleet/services/thumbnails/other/a');
    await until('the older is back', () => world!.last.get('a')!.version === undefined);
    expect(world!.ids).toEqual(['a']);
  });

  it('takes no notice of heartbeats that put the same value again', async () => {
    await put('a');
    const { is, sets } = follow();
    await is('a');
    for (let i = 0; i < 5; i++) await put('a');
    await put('b');
    await is('a', 'b');
    expect(sets).toHaveLength(2);
  });

  it('keeps to a namespace, by the query before the options', async () => {
    await server.put('flare/services/thumbnails/f', flare('f', null));
    await server.put('prod/services/thumbnails/p', flare('p', 'prod'));
    await server.put('default/services/thumbnails/d', flare('d', 'default'));
    const all = follow({ layout: 'flare' });
    await all.is('d', 'f');
    all.stop();
    await follow({ layout: 'flare', namespace: 'prod' }).is('p');
    world!.stop();
    const asked = followed(etcd({ endpoints: [wire.endpoint], layout: 'flare', namespace: 'prod' }), {
      ...{ service, namespace: 'default' },
    });
    await asked.is('d');
    await server.put('default/services/thumbnails/e', flare('e', 'default'));
    await asked.is('d', 'e');
    asked.stop();
    for (const prefix of ['flare/', 'prod/', 'default/'])
      for (const { key } of await server.list(prefix)) await server.remove(key);
  });

  it('watches several prefixes as one, and resumes all of them', async () => {
    await server.put('flare/services/thumbnails/f', flare('f', null));
    const { is, isStale } = follow({ layout: 'flare' });
    await is('f');
    wire.cut();
    await isStale(true);
    await server.put('default/services/thumbnails/d', flare('d', 'default'));
    wire.restore();
    await is('d', 'f');
    await server.remove('flare/services/thumbnails/f');
    await is('d');
    await server.remove('default/services/thumbnails/d');
    await is();
  });

  it('reads a layout of your own, two functions under a prefix', async () => {
    const layout: EtcdLayout = {
      decode: ({ key, value }) => ({ id: key.slice(key.lastIndexOf('/') + 1), address: value }),
      encode: (node) => ({ key: `${node.service}/${node.id}`, value: `${node.address.host}:${node.address.port}` }),
    };
    await server.put('/ours/thumbnails/a', '10.0.0.9:80');
    await follow({ layout, prefix: '/ours/' }).is('a');
    expect(world!.last.get('a')).toMatchObject({ service, sources: ['etcd'], address: { host: '10.0.0.9', port: 80 } });
    await server.remove('/ours/thumbnails/a');
  });

  it('lists ten thousand instances page by page, at one revision, while they change', async () => {
    const count = 10_000;
    const idOf = (i: number) => `n${String(i).padStart(5, '0')}`;
    for (let i = 0; i < count; i += 100) {
      const puts = Array.from({ length: 100 }, (_, k) => [keyOf(idOf(i + k)), valueOf(idOf(i + k))]);
      await server.change(Object.fromEntries(puts));
    }
    const transport = spy();
    const started = performance.now();
    const { sets } = follow({ transport });
    const early = server.remove(keyOf(idOf(9_999)));
    await until('the first set is there', () => sets.length > 0, 20_000);
    const listedMs = performance.now() - started;
    await early;
    await until('the removal is seen', () => world!.last.size === count - 1);
    const pages = transport.sent.filter(({ method }) => method === 'Range').map(({ message }) => message.revision);
    expect(pages.length).toBeGreaterThanOrEqual(10);
    expect(pages[0]).toBe(0n);
    expect(new Set(pages.slice(1)).size).toBe(1);
    expect(pages[1]).toBeGreaterThan(0n);
    const changed = performance.now();
    await put(idOf(5), { version: '2' });
    await until('the change is seen', () => world!.last.get(idOf(5))?.version === '2');
    console.log(
      `etcd: 10,000 instances listed in ${Math.round(listedMs)} ms, one change seen in ${Math.round(performance.now() - changed)} ms`,
    );
    for (let i = 0; i < count; i += 100) {
      await server.change(
        {},
        Array.from({ length: 100 }, (_, k) => keyOf(idOf(i + k))),
      );
    }
    await until('all are gone', () => world!.last.size === 0);
  });

  it('refuses senseless options by name', () => {
    expect(() => etcd({ endpoints: ['nonsense'] })).toThrow(/"nonsense" is no address/);
    expect(() => etcd({ endpoints: ['https://a:1', 'http://b:1'] })).toThrow(/endpoints/);
    expect(() => etcd({ password: 'secret' })).toThrow(/user/);
    expect(() => etcd({ pageSize: 0 })).toThrow(/pageSize/);
    expect(() => etcd({ requestTimeoutMs: -1 })).toThrow(/requestTimeoutMs/);
    expect(() => etcd({ layout: {} as never })).toThrow(/layout/);
    expect(() => etcd({ transport: grpcTransport(), tls: {} })).toThrow(/tls/);
  });
});

function flare(id: string, namespace: string | null): string {
  return JSON.stringify({
    ...{ service_type: service, instance_id: id, address: '10.0.0.1:80', namespace, version: null, tags: {} },
    ...{ metadata: { region: null, zone: null, environment: null, custom: {} }, healthy: true, weight: 100 },
  });
}
