/** Answers that Consul should never give, and some that it does: `consul()` against a server that misbehaves. */

import { filter, firstValueFrom, ReplaySubject, timeout, type Subscription } from 'rxjs';
import type { FleetError } from '../../src/core/fleetError.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { consul, type ConsulOptions } from '../../src/discovery/consul.js';
import type { DiscoveryEvent } from '../../src/discovery/discovery.js';
import { createTestCertificates } from '../../src/testing/testCertificates.js';
import { until } from '../support/until.js';
import { entry, fakeConsul, type FakeAnswer, type FakeConsul } from './consulFake.js';

const fast = { pace: { steadyMs: 20, firstMs: 1 } };

describe('consul() and a server that misbehaves', () => {
  let server: FakeConsul | undefined;
  let subscription: Subscription | undefined;
  afterEach(async () => {
    subscription?.unsubscribe();
    await server?.close();
    server = undefined;
  });

  const watch = (options: ConsulOptions = fast, query: { namespace?: string } = {}) => {
    const sets: NodeSet[] = [];
    const events: DiscoveryEvent[] = [];
    const set$ = new ReplaySubject<NodeSet>();
    const discovery = consul({ address: server!.address, ...options });
    subscription = discovery({ service: 'web', ...query, onEvent: (event) => events.push(event) }).subscribe(set$);
    set$.subscribe({ next: (set) => sets.push(set), error: () => undefined });
    const next = (test: (set: NodeSet) => boolean = () => true) =>
      firstValueFrom(set$.pipe(filter(test), timeout(5_000)));
    const failure = (): Promise<FleetError> => new Promise((resolve) => set$.subscribe({ error: resolve }));
    return { sets, events, next, failure };
  };
  const ids = (set: NodeSet) => set.nodes.map(({ id }) => id).sort();

  it('follows an index that jumps back, is zero, negative, no number, missing or too big, and keeps its nodes', async () => {
    const indexes = ['100', '50', '60', '0', '-7', 'abc', undefined, '18446744073709551615', '3', '4'];
    server = await fakeConsul((_, count) => {
      const at = count - 1;
      if (at >= indexes.length) return undefined;
      const index = indexes[at];
      return { ...(index === undefined ? {} : { index }), body: [entry('w1')] };
    });
    const world = watch();
    await until('all were asked', () => server!.indexes().length === indexes.length + 1);
    const asked = ['', '100', '', '60', '1', '1', '1', '1', '18446744073709551615', '', '4'];
    expect(server.indexes()).toEqual(asked);
    expect(world.sets.map(ids)).toEqual([['w1']]);
  });

  it('is not drawn into a loop by a server that answers at once for ever', async () => {
    server = await fakeConsul((_, count) => ({ index: String(count), body: [entry('w1')] }));
    const world = watch({ pace: { steadyMs: 200, firstMs: 20 } });
    await world.next();
    const end = Date.now() + 1_000;
    await until('a second has passed', () => Date.now() > end);
    // Three at once, then after 20, 40, 80, 160, 200, 200, 200 … ms.
    expect(server.requests.length).toBeLessThanOrEqual(11);
    expect(world.sets).toHaveLength(1);
  });

  it('is not asked faster by failing in turns with good answers', async () => {
    server = await fakeConsul((_, count) => (count % 2 ? { index: '5', body: [entry('w1')] } : { status: 500 }));
    watch({ pace: { steadyMs: 500, firstMs: 50 } });
    const end = Date.now() + 1_500;
    await until('a while has passed', () => Date.now() > end);
    expect(server.requests.length).toBeLessThanOrEqual(16);
  });

  it.each<[string, FakeAnswer]>([
    ['an error of the server', { status: 500, body: 'No cluster leader' }],
    ['text that is no JSON', { index: '6', body: '<html>proxy error</html>' }],
    ['an object in the place of the list', { index: '6', body: { Node: 1 } }],
    ['a status that means too many', { status: 429, body: 'slow down' }],
    ['nothing known, and no leader', { index: '6', headers: { 'x-consul-knownleader': 'false' }, body: [] }],
  ])('keeps its nodes, marked stale, over %s', async (_, bad) => {
    let broken = true;
    server = await fakeConsul((_request, count) => {
      if (count === 1) return { index: '5', body: [entry('w1')] };
      return broken ? bad : count > 40 ? undefined : { index: '7', body: [entry('w1'), entry('w2')] };
    });
    const world = watch();
    const stale = await world.next((set) => set.stale !== undefined);
    expect(ids(stale)).toEqual(['w1']);
    expect(stale.stale!.reason).toContain(server.address);
    broken = false;
    const fresh = await world.next((set) => !set.stale && set.size === 2);
    expect(fresh.get('w1')).toBe(stale.get('w1'));
    expect(world.events.map(({ type }) => type)).toEqual(['disconnected', 'connected']);
  });

  it('passes over entries that are none, names them once, and lists the others', async () => {
    const bad = [null, 7, {}, { Node: {}, Service: {} }, entry('p', { Port: 'x' }), entry('q', { Port: 0 })];
    const worse = [entry('m', { Meta: { k: 5 } }), entry('t', { Tags: 'a' }), entry('h', { Port: 70_000 })];
    server = await fakeConsul((_, count) =>
      count < 4 ? { index: String(count), body: [...bad, entry('w1'), ...worse] } : undefined,
    );
    const world = watch();
    expect(ids(await world.next())).toEqual(['w1']);
    await until('it was asked again', () => server!.requests.length === 4);
    expect(world.events.map(({ type }) => type)).toEqual(Array(9).fill('skipped'));
    expect(world.events.map(({ message }) => message).join('\n')).toMatch(/Service\.Port is no number/);
  });

  it('takes the address of the host where the service has none, host names, and IPv6 with and without brackets', async () => {
    const list = [
      entry('none', { Address: '' }),
      entry('name', { Address: 'node-1.example' }),
      entry('six', { Address: '2001:db8::1' }),
      entry('brackets', { Address: '[2001:db8::2]' }),
    ];
    server = await fakeConsul((_, count) => (count === 1 ? { index: '1', body: list } : undefined));
    const set = await watch().next();
    const hosts = Object.fromEntries(set.nodes.map(({ id, address }) => [id, address.host]));
    expect(hosts).toEqual({ none: '10.0.0.9', name: 'node-1.example', six: '2001:db8::1', brackets: '2001:db8::2' });
  });

  it('tells instances of several agents apart that have one ID, the oldest keeping it, in whatever order they come', async () => {
    const on = (agent: string, address: string, age: number) =>
      entry(
        'web',
        { Address: address, CreateIndex: age },
        { Node: { Node: agent, Address: address, Datacenter: 'dc1' } },
      );
    const list = [on('a2', '10.0.0.2', 20), on('a1', '10.0.0.1', 10), on('a3', '10.0.0.1', 30)];
    server = await fakeConsul((_, count) => {
      if (count > 3) return undefined;
      return { index: String(count), body: count % 2 ? list : list.toReversed() };
    });
    const world = watch();
    const set = await world.next();
    expect(set.nodes.map(({ id, address }) => [id, address.host])).toEqual([
      ['web', '10.0.0.1'],
      ['web@a2', '10.0.0.2'],
    ]);
    await until('it was asked again', () => server!.requests.length === 4);
    expect(world.sets).toHaveLength(1);
  });

  it('lists only what names the namespace that was asked for', async () => {
    const list = [
      entry('prod', { Meta: { namespace: 'prod' } }),
      entry('dev', { Meta: { namespace: 'dev' } }),
      entry('x'),
    ];
    server = await fakeConsul((_, count) => (count === 1 ? { index: '1', body: list } : undefined));
    expect(ids(await watch(fast, { namespace: 'prod' }).next())).toEqual(['prod']);
  });

  it('asks for what the options say', async () => {
    server = await fakeConsul((_, count) => (count === 1 ? { index: '9', body: [entry('w1')] } : undefined));
    const token = () => 'secret-7';
    watch({ datacenter: 'dc2', namespace: 'team', mode: 'stale', passingOnly: false, waitMs: 2_000, token });
    await until('it blocks', () => server!.requests.length === 2);
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/v1/health/service/web?dc=dc2&ns=team&stale=',
      '/v1/health/service/web?dc=dc2&ns=team&stale=&index=9&wait=2000ms',
    ]);
    expect(server.requests[1]!.headers['x-consul-token']).toBe('secret-7');
  });

  it('marks the set as stale while the servers have no leader, and lists on', async () => {
    const headers = { 'x-consul-knownleader': 'false', 'x-consul-lastcontact': '5000' };
    server = await fakeConsul((_, count) => {
      if (count > 3) return undefined;
      return {
        index: String(count),
        headers: count < 3 ? headers : {},
        body: [entry('w1'), ...(count > 1 ? [entry('w2')] : [])],
      };
    });
    const world = watch({ ...fast, mode: 'stale' });
    await world.next((set) => !set.stale);
    expect(world.sets.map((set) => [ids(set).join(' '), set.stale?.reason])).toEqual([
      ['w1', 'consul knows no leader of its servers'],
      ['w1 w2', 'consul knows no leader of its servers'],
      ['w1 w2', undefined],
    ]);
    expect(Date.now() - world.sets[0]!.stale!.since).toBeGreaterThanOrEqual(5_000);
  });

  it('is an error, not an empty fleet, when newer Consuls say that they hid the answer', async () => {
    server = await fakeConsul(() => ({ index: '5', headers: { 'x-consul-results-filtered-by-acls': 'true' } }));
    expect(await watch().failure()).toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  it('takes an empty list as it is where nobody can be asked for rights', async () => {
    server = await fakeConsul(({ url }) => {
      if (url!.startsWith('/v1/internal')) return { status: 401, body: 'ACL support disabled' };
      return url!.includes('index') ? undefined : { index: '5', body: [] };
    });
    expect((await watch().next()).size).toBe(0);
  });

  it('never shows the token, not even when the server repeats it, and follows no redirect with it', async () => {
    const token = 'very-secret-token';
    server = await fakeConsul(() => ({ status: 403, body: `token ${token} is bad` }));
    const refused = await watch({ token }).failure();
    expect(refused.code).toBe('PERMISSION_DENIED');
    await server.close();
    const elsewhere = await fakeConsul(() => ({ index: '1', body: [] }));
    try {
      server = await fakeConsul(() => ({ status: 302, headers: { location: `${elsewhere.address}/` } }));
      const world = watch({ token });
      await until('it has failed', () => world.events.length > 0);
      const shown = [refused.message, String(refused.stack), JSON.stringify([refused, world.events])];
      expect(shown.filter((text) => text.includes(token))).toEqual([]);
      expect(world.events[0]!.message).toContain('302');
      expect(elsewhere.requests).toEqual([]);
    } finally {
      await elsewhere.close();
    }
  });

  it('is an error when Consul refuses the query, since asking again would not help', async () => {
    const body = 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature';
    server = await fakeConsul(() => ({ status: 400, body }));
    const error = await watch({ namespace: 'x' }).failure();
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain('Enterprise');
  });

  it('aborts the query that is held back when nobody listens any more', async () => {
    server = await fakeConsul((_, count) => (count === 1 ? { index: '9', body: [entry('w1')] } : undefined));
    watch();
    await until('it blocks', () => server!.requests.length === 2);
    subscription!.unsubscribe();
    await until('the server saw it end', () => server!.aborted === 1);
  });

  it('follows one change among 10,000 instances without making the others new', async () => {
    const many = (port: number) =>
      Array.from({ length: 10_000 }, (_, i) => entry(`w${i}`, { Port: i === 5_000 ? port : 80 }));
    server = await fakeConsul((_, count) => (count < 3 ? { index: String(count), body: many(79 + count) } : undefined));
    const world = watch();
    const after = await world.next((set) => set.get('w5000')?.address.port === 81);
    expect(world.sets.map(({ size }) => size)).toEqual([10_000, 10_000]);
    const { added, removed, updated } = after.changesSince(world.sets[0]!);
    expect([added.length, removed.length, updated.map(({ id }) => id)]).toEqual([0, 0, ['w5000']]);
  });

  it.each([
    ['over node:https, with certificates of both sides', true, 60_000],
    ['over node:http, for waits that fetch would not bear', false, 600_000],
  ])('works %s, and aborts there too', async (_, secure, waitMs) => {
    const { authority, node, client } = createTestCertificates();
    const tls = { cert: node.cert, key: node.key, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
    const script = (_request: unknown, count: number) =>
      count === 1 ? { index: '9', body: [entry('w1')] } : undefined;
    server = await fakeConsul(script, secure ? tls : undefined);
    const ours = { tls: { ca: authority.cert, cert: client.cert, key: client.key } };
    const world = watch({ ...fast, waitMs, ...(secure ? ours : {}) });
    expect(ids(await world.next())).toEqual(['w1']);
    await until('it blocks', () => server!.requests.length === 2);
    subscription!.unsubscribe();
    await until('the server saw it end', () => server!.aborted === 1);
    if (secure) {
      const stranger = watch({ ...fast, address: server.address, tls: {} });
      await until('it was refused', () => stranger.events.length > 0);
      expect(stranger.events[0]).toMatchObject({ type: 'disconnected' });
    }
  });

  it.each([
    [{ address: 'localhost:8500' }, 'address'],
    [{ address: 'http://user:pass@127.0.0.1' }, 'address'],
    [{ waitMs: 700_000 }, 'waitMs'],
    [{ mode: 'fast' as never }, 'mode'],
    [{ layout: 'fyer' as never }, 'layout'],
    [{ pace: { burst: 0 } }, 'pace.burst'],
    [{ tls: {} }, 'tls'],
    [{ requestTimeoutMs: 0 }, 'requestTimeoutMs'],
  ])('refuses senseless options at once: %o', (options, field) => {
    expect(() => consul(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(() => consul(options)).toThrow(field);
    expect(() => consul(options)).not.toThrow('user:pass');
  });
});
