import { firstValueFrom, filter, timeout, toArray, type Observable, type Subscription } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { broker, type BrokerOptions } from '../../src/discovery/broker.js';
import type { DiscoveryEvent } from '../../src/discovery/discovery.js';
import { testDiscovery, type DiscoveryHarness, type TestNode } from '../../src/testing/testDiscovery.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { createTestCertificates } from '../../src/testing/testCertificates.js';
import { BrokerServer, type BrokerServerOptions } from '../support/brokerServer.js';
import { until } from '../support/until.js';

const quick = { initialBackoffMs: 20, maxBackoffMs: 100 };
const entry = (id: string, port: number, more: object = {}) => ({
  node_id: `local-${id}`,
  address: `127.0.0.1:${port}`,
  txt: { v: '1.4.0', runtime: 'onnx', secret: 'dropped' },
  ...more,
});

function harness(server: BrokerServerOptions, options: BrokerOptions = {}): DiscoveryHarness {
  let source: BrokerServer;
  const put = ({ name, port }: TestNode) => source.put(name, entry(name, port));
  const socket = server.speaks !== 'http';
  return {
    start: () => (source = new BrokerServer(server)).start(),
    stop: () => source.kill(),
    discovery: () => broker({ url: source.url, backoff: quick, pollMs: 50, ...options }),
    add: put,
    update: put,
    remove: (name) => source.remove(name),
    // A rejected message; an entry that is wrong rejects a whole snapshot, which the cases below look at.
    ...(socket ? { addBad: () => source.say({ type: 'surprise' }), opened: () => source.connections } : {}),
    cut: () => source.kill(),
    restore: () => source.start(),
  };
}

testDiscovery('a broker that sends snapshots', harness({}));
testDiscovery('a broker that sends changes', harness({ speaks: 'changes' }));
testDiscovery('a broker that is polled', harness({ speaks: 'http', list: 'data' }));

describe('broker', () => {
  let server: BrokerServer;
  const watched: Subscription[] = [];
  const events: DiscoveryEvent[] = [];
  const sets: NodeSet[] = [];

  const begin = async (options: BrokerServerOptions = {}) => {
    server = new BrokerServer(options);
    await server.start();
  };
  const ask = (options: BrokerOptions = {}) =>
    broker({ url: server.url, backoff: quick, ...options })({
      service: 'lumen',
      onEvent: (event) => events.push(event),
    });
  const watch = (options: BrokerOptions = {}) => {
    watched.push(ask(options).subscribe((set) => sets.push(set)));
  };
  const ids = () =>
    sets
      .at(-1)
      ?.nodes.map(({ id }) => id)
      .join(' ');

  afterEach(async () => {
    for (const each of watched.splice(0)) each.unsubscribe();
    await server.kill();
    events.length = sets.length = 0;
  });

  it('tells what the broker knows of a node, and nothing that is not its to tell', async () => {
    await begin();
    server.put('hub-1', entry('hub-1', 50_051));
    const set = await firstValueFrom(ask());
    expect(set.nodes[0]).toMatchObject({
      id: 'hub-1',
      service: 'lumen',
      address: { host: '127.0.0.1', port: 50_051 },
      version: '1.4.0',
      metadata: { v: '1.4.0', runtime: 'onnx' },
      sources: ['broker'],
      availability: 'discovered',
    });
  });

  it('leaves the prefix of another deployment, so that two of one name stay two', async () => {
    await begin();
    server.put('a', entry('a', 1));
    server.put('b', entry('a', 2, { node_id: 'edge-a' }));
    const set = await firstValueFrom(ask());
    expect(set.nodes.map(({ id }) => id)).toEqual(['a', 'edge-a']);
    const other = await firstValueFrom(ask({ deployment: 'edge' }));
    expect(other.nodes.map(({ id }) => id)).toEqual(['local-a', 'a']);
  });

  it('reads the three forms of the list, and older nodes with a port of their own', async () => {
    for (const list of ['array', 'object', 'data'] as const) {
      await begin({ speaks: 'http', list });
      server.put('a', entry('a', 1));
      server.put('b', { node_id: 'local-b', address: '10.0.0.7', port: 2, addresses: ['fe80::1'] });
      const set = await firstValueFrom(ask());
      expect(set.nodes.map(({ addresses }) => addresses)).toEqual([
        [{ host: '127.0.0.1', port: 1 }],
        [
          { host: '10.0.0.7', port: 2 },
          { host: 'fe80::1', port: 2 },
        ],
      ]);
      await server.kill();
    }
  });

  it('asks by HTTP when an old broker that lists nobody says nothing', async () => {
    await begin({ speaks: 'silent' });
    const set = await firstValueFrom(ask().pipe(timeout(8_000)));
    expect(set.size).toBe(0);
    expect(set.stale).toBeUndefined();
    expect(server.requests).toBe(1);
  });

  const bad: Record<string, unknown> = {
    'another type': { type: 'gossip', nodes: [] },
    'no type': { nodes: [] },
    'no JSON': '{"type":"snapshot"',
    'a list of no nodes': { type: 'snapshot', nodes: ['127.0.0.1:1'] },
    'nodes that are no list': { type: 'snapshot', nodes: { a: 1 } },
    'no id': { type: 'snapshot', nodes: [entry('a', 1), entry('b', 2, { node_id: '' })] },
    'no address': { type: 'snapshot', nodes: [entry('a', 1, { address: undefined })] },
    'a bad address': { type: 'snapshot', nodes: [entry('a', 1, { address: '127.0.0.1:70000' })] },
    'one id twice': { type: 'snapshot', nodes: [entry('a', 1), entry('a', 2)] },
    'one id twice once the prefix is gone': {
      type: 'snapshot',
      nodes: [entry('a', 1), entry('b', 2, { node_id: 'a' })],
    },
  };
  it.each(Object.entries(bad))('a snapshot with %s is rejected whole, and the nodes stay', async (_, message) => {
    await begin();
    server.put('x', entry('x', 9));
    watch();
    await until('the first set', () => sets.length === 1);
    server.say(message);
    await until('the set is stale', () => sets.at(-1)?.stale !== undefined);
    expect(ids()).toBe('x');
    expect(sets.at(-1)!.stale!.reason).toMatch(/rejected/);
    expect(events.map(({ type }) => type)).toEqual(['skipped']);
    expect(events[0]!.message).toContain(server.url);
    server.put('y', entry('y', 8));
    await until('a good one heals it', () => ids() === 'x y' && sets.at(-1)!.stale === undefined);
    expect(server.handshakes, 'the connection was kept').toBe(1);
  });

  it('notices a connection that died without a word, keeps the nodes as stale, and finds what changed', async () => {
    await begin();
    server.put('a', entry('a', 1));
    watch({ pingMs: 100, pingTimeoutMs: 100 });
    await until('the first set', () => sets.length === 1);
    await until('pings are answered', () => server.handshakes === 1, 1_000);
    server.halfOpen();
    server.entries.set('b', entry('b', 2));
    await until('it is noticed', () => sets.some(({ stale }) => stale !== undefined), 3_000);
    expect(sets.find(({ stale }) => stale)!.stale!.reason).toMatch(/ping/);
    await until('it is back', () => ids() === 'a b' && !sets.at(-1)!.stale);
  });

  it('does not cut a healthy broker off again and again because it knows no pings', async () => {
    await begin({ pongs: false });
    server.put('a', entry('a', 1));
    watch({ pingMs: 30, pingTimeoutMs: 30 });
    await until('it was given three chances', () => server.handshakes === 4);
    await new Promise((done) => setTimeout(done, 300));
    expect(server.handshakes).toBe(4);
    expect(sets.at(-1)!.stale).toBeUndefined();
  });

  it('notices it also when the connection was dead from the beginning, again and again', async () => {
    await begin();
    server.put('a', entry('a', 1));
    watch({ pingMs: 100, pingTimeoutMs: 100 });
    for (let i = 1; i <= 2; i++) {
      await until('it is connected', () => server.handshakes === i && sets.at(-1)?.stale === undefined);
      server.halfOpen();
    }
    await until('it is alive', () => server.handshakes === 3 && sets.at(-1)!.stale === undefined);
    await new Promise((done) => setTimeout(done, 300));
    server.halfOpen();
    await until('it is noticed once more', () => server.handshakes === 4);
  });

  it('finds a broker that starts later', async () => {
    await begin();
    await server.kill();
    watch();
    await until('it was tried', () => events.some(({ type }) => type === 'disconnected'));
    expect(sets).toEqual([]);
    await server.start();
    server.put('a', entry('a', 1));
    await until('it is found', () => ids() === 'a');
  });

  it('loses nothing over many deaths of the broker', async () => {
    await begin();
    watch();
    for (let life = 0; life < 20; life++) {
      await until('connected', () => server.connections > 0 && sets.at(-1)?.stale === undefined && sets.length > 0);
      await server.kill();
      server.entries.set(`n${life}`, entry(`n${life}`, 1_000 + life));
      if (life % 3 === 2) server.entries.delete(`n${life - 1}`);
      await server.start();
      await until('as listed', () => ids() === [...server.entries.keys()].join(' ') && !sets.at(-1)!.stale);
    }
    const first = sets.findIndex(({ size }) => size > 0);
    expect(sets.slice(first).every(({ size }) => size > 0)).toBe(true);
  });

  it('errors when the broker refuses the credentials, and shows none of them', async () => {
    await begin({ authorization: 'Bearer right' });
    const url = server.url.replace('//', '//ada:hunter2@');
    const attempts = [ask({ headers: { authorization: 'Bearer wr0ng' } }), ask({ url }), ask({ url, mode: 'poll' })];
    for (const attempt$ of attempts) {
      const error = await firstValueFrom(attempt$.pipe(toArray())).catch((thrown: FleetError) => thrown);
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
      expect((error as FleetError).message).toContain(server.url);
      const shown = JSON.stringify([error, (error as FleetError).stack, String((error as FleetError).cause), events]);
      expect(shown).not.toMatch(/hunter2|wr0ng/);
    }
    expect((await firstValueFrom(ask({ headers: { authorization: 'Bearer right' } }))).size).toBe(0);
  });

  it('sends the user and password of the URL as they are meant', async () => {
    await begin({ authorization: `Basic ${Buffer.from('ada:p@ss').toString('base64')}` });
    const set$: Observable<NodeSet> = ask({ url: server.url.replace('//', '//ada:p%40ss@') });
    expect((await firstValueFrom(set$.pipe(filter(({ stale }) => !stale)))).size).toBe(0);
  });

  it('asks no more once nobody listens', async () => {
    await begin({ speaks: 'http' });
    watch({ pollMs: 20 });
    await until('it polls', () => server.requests >= 3);
    watched.pop()!.unsubscribe();
    await until('the last connection is closed', () => server.connections === 0);
    const asked = server.requests + server.handshakes;
    await new Promise((done) => setTimeout(done, 100));
    expect(server.requests + server.handshakes).toBe(asked);
  });

  it('rejects a polled list as a whole, too', async () => {
    await begin({ speaks: 'http' });
    server.put('a', entry('a', 1));
    watch({ pollMs: 20 });
    await until('the first set', () => sets.length === 1);
    server.put('b', entry('b', 2, { address: 'nowhere' }));
    await until('the set is stale', () => sets.at(-1)?.stale !== undefined);
    expect(ids()).toBe('a');
    server.put('b', entry('b', 2));
    await until('a good one heals it', () => ids() === 'a b' && sets.at(-1)!.stale === undefined);
  });

  it.each(['snapshots', 'changes'] as const)(
    'ends at the same as the broker after hundreds of changes, deaths and cuts at random (%s)',
    async (speaks) => {
      const seed = Number(process.env.RXFLEET_SEED ?? Math.floor(Math.random() * 2 ** 31));
      const random = seededRandom(seed);
      const changes = process.env.RXFLEET_LONG ? 20_000 : 500;
      await begin({ speaks });
      server.put('n0', entry('n0', 1));
      watch({ pingMs: 40, pingTimeoutMs: 40, timeoutMs: 100, backoff: { initialBackoffMs: 5, maxBackoffMs: 20 } });
      await until('the first set', () => sets.length > 0);
      const same = () => {
        const last = sets.at(-1)!;
        const listed = (nodes: readonly { id: string; port: number }[]) =>
          nodes.map(({ id, port }) => `${id}:${port}`).sort();
        const wanted = [...server.entries].map(([id, { address }]) => ({
          id,
          port: Number(/\d+$/.exec(address as string)),
        }));
        const found = last.nodes.map(({ id, address }) => ({ id, port: address.port }));
        return last.stale === undefined && listed(found).join() === listed(wanted).join();
      };
      const waits: number[] = [];
      for (let i = 0; i < changes; i++) {
        const id = `n${1 + Math.floor(random() * 40)}`;
        if (random() < 0.4) server.remove(id);
        else server.put(id, entry(id, 1 + Math.floor(random() * 60_000)));
        const chance = random();
        if (chance < 0.02) {
          await server.kill();
          await server.start();
        } else if (chance < 0.03) {
          server.halfOpen();
        } else if (chance < 0.05) {
          server.say({ type: 'surprise' });
          // A rejected message leaves the set in doubt until the next good one.
          server.put(id, entry(id, 1 + Math.floor(random() * 60_000)));
        } else if (chance < 0.3) {
          const begun = performance.now();
          await until(`change ${i} is seen, seed ${seed}`, same);
          waits.push(performance.now() - begun);
        }
      }
      server.put('last', entry('last', 1));
      await until(`all is as listed, seed ${seed}`, same);
      expect(
        sets.every(({ size }) => size > 0),
        `seed ${seed}`,
      ).toBe(true);
      waits.sort((a, b) => a - b);
      const [median, worst] = [waits[waits.length >> 1]!, waits.at(-1)!].map((ms) => ms.toFixed(1));
      console.log(`broker (${speaks}): change to set, cuts included: median ${median} ms, worst ${worst} ms`);
    },
    process.env.RXFLEET_LONG ? 600_000 : 20_000,
  );

  it.each(['watch', 'poll'] as const)('speaks TLS, and trusts only whom it is told to (%s)', async (mode) => {
    const { authority, node, stranger } = createTestCertificates();
    await begin({ tls: node });
    server.put('a', entry('a', 1));
    const set = await firstValueFrom(ask({ mode, tls: { ca: authority.cert } }));
    expect(set.nodes.map(({ id }) => id)).toEqual(['a']);
    watch({ mode, tls: { ca: stranger.cert } });
    await until('it is refused', () => events.some(({ type }) => type === 'disconnected'));
    expect(events[0]!.message).toMatch(/certificate/);
    expect(sets).toEqual([]);
  });

  it('carries a thousand nodes', async () => {
    await begin();
    for (let i = 0; i < 1_000; i++) server.entries.set(`n${i}`, entry(`n${i}`, 1_000 + i));
    watch();
    await until('all are there', () => sets.at(-1)?.size === 1_000);
    server.remove('n500');
    await until('one is gone', () => sets.at(-1)?.size === 999);
    expect(
      sets
        .at(-1)!
        .changesSince(sets.at(-2)!)
        .removed.map(({ id }) => id),
    ).toEqual(['n500']);
  });
});

describe('the URL of a broker', () => {
  it.each([
    ['127.0.0.1:5866', 'ws://127.0.0.1:5866/v1/nodes/watch', 'http://127.0.0.1:5866/v1/nodes'],
    ['http://hub', 'ws://hub/v1/nodes/watch', 'http://hub/v1/nodes'],
    ['https://hub/', 'wss://hub/v1/nodes/watch', 'https://hub/v1/nodes'],
    ['wss://hub:1/lumen/', 'wss://hub:1/lumen/v1/nodes/watch', 'https://hub:1/lumen/v1/nodes'],
    ['ws://[::1]:5866/v1/nodes/watch', 'ws://[::1]:5866/v1/nodes/watch', 'http://[::1]:5866/v1/nodes'],
    ['hub', 'ws://hub/v1/nodes/watch', 'http://hub/v1/nodes'],
  ])('%s is understood', async (url, watch, nodes) => {
    const { brokerUrls } = await import('../../src/discovery/broker/brokerUrls.js');
    expect(brokerUrls(url)).toMatchObject({ watch, nodes });
  });

  it.each(['', 'ftp://hub', 'http://', 'http://:s3cret@', 'hub:99999'])('%j is refused, and not repeated', (url) => {
    expect(() => broker({ url })).toThrow(FleetError);
    expect(() => broker({ url })).not.toThrow(/s3cret/);
  });

  it.each([{ pollMs: 0 }, { timeoutMs: -1 }, { pingMs: 0 }, { pingTimeoutMs: Number.NaN }])(
    '%j is refused',
    (options) => {
      expect(() => broker(options)).toThrow(new RegExp(Object.keys(options)[0]!));
    },
  );
});
