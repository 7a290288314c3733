import { firstValueFrom, skipWhile } from 'rxjs';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { aio, type AioOptions } from '../../src/discovery/aio.js';
import type { DiscoveryEvent, DiscoveryQuery } from '../../src/discovery/discovery.js';
import { AioTables, clientKey, clientSecret, startAioServer, type AioServer } from '../support/aioServer.js';
import { until } from '../support/until.js';

let server: AioServer;
let tables: AioTables;
let serviceId: bigint;
let events: DiscoveryEvent[];

const query: DiscoveryQuery = { service: 'orders', namespace: 'shop', onEvent: (event) => events.push(event) };
const found = (options: Partial<AioOptions> = {}) =>
  aio({ registryAddr: server.address, clientKey, clientSecret, pollMs: 40, ...options });
const put = (key: string, rest: Parameters<AioTables['register']>[0] = {}) =>
  tables.register({ serviceId, key, env: 'dev', host: 'h', endpoint: 'h:1', ttlSeconds: 600, ...rest });
const ids = ({ nodes }: NodeSet) => nodes.map(({ id }) => id).join(' ');

beforeEach(async () => {
  events = [];
  tables = new AioTables();
  serviceId = tables.ensureService({ project: 'shop', name: 'orders' }).row.id;
  server = await startAioServer({ tables });
});
afterEach(() => server.close());

describe('aio', () => {
  it('lists the instances of one project and environment, ordered though the server gives them in no order', async () => {
    for (const key of ['c', 'a', 'b']) put(key);
    put('prod', { env: 'prod' });
    const other = tables.ensureService({ project: 'other', name: 'orders' }).row.id;
    put('elsewhere', { serviceId: other });
    expect(ids(await firstValueFrom(found()(query)))).toBe('a b c');
    expect(ids(await firstValueFrom(found({ env: 'prod' })(query)))).toBe('prod');
    const everywhere = await firstValueFrom(found()({ service: 'orders' }));
    expect(ids(everywhere).split(' ').sort()).toEqual(['a', 'b', 'c', 'elsewhere']);
    expect(everywhere.get('elsewhere')!.namespace).toBe('other');
    expect(ids(await firstValueFrom(found({ project: 'other' })({ service: 'orders' })))).toBe('elsewhere');
  });

  it('tells a missing service from one without instances by an event, once; both are empty', async () => {
    put('a');
    const sets: NodeSet[] = [];
    const subscription = found()({ ...query, service: 'gone' }).subscribe((set) => sets.push(set));
    await until('it was asked for three times', () => (server.calls.ListServices ?? 0) >= 3);
    subscription.unsubscribe();
    expect(sets.map(({ size, stale }) => ({ size, stale }))).toEqual([{ size: 0, stale: undefined }]);
    expect(events.map(({ type, message }) => `${type} ${message}`)).toEqual([
      `skipped aio at ${server.address}: project "shop" has no service "gone"; check the names, or have the service ensured`,
    ]);
  });

  it('counts the later of two registrations of one node', async () => {
    let now = Date.now();
    const own = new AioTables(() => now);
    serviceId = own.ensureService({ project: 'shop', name: 'orders' }).row.id;
    await using other = await startAioServer({ tables: own });
    const metaJson = '{"rxfleet.id":"n-1"}';
    const base = { serviceId, env: 'dev', host: 'h', ttlSeconds: 600, metaJson };
    own.register({ ...base, key: 'z-old', endpoint: 'h:1' });
    now += 5_000;
    own.register({ ...base, key: 'a-new', endpoint: 'h:2' });
    const set = await firstValueFrom(found({ registryAddr: other.address })(query));
    expect(set.nodes.map(({ id, address }) => `${id} ${address.port}`)).toEqual(['n-1 2']);
  });

  it('goes on to the next server, and names all of them when none answers', async () => {
    put('a');
    await using second = await startAioServer({ tables });
    const both = ` ${server.address} ,, ${second.address} `;
    const sets: NodeSet[] = [];
    const subscription = found({ registryAddr: both })(query).subscribe((set) => sets.push(set));
    await until('the first was asked', () => sets.length === 1);
    expect(second.calls).toEqual({});
    server.kill();
    put('b');
    await until('the second one told', () => ids(sets.at(-1)!) === 'a b');
    expect(sets.filter(({ stale }) => stale)).toEqual([]);
    second.kill();
    await until('it is stale', () => sets.at(-1)!.stale !== undefined);
    expect(ids(sets.at(-1)!)).toBe('a b');
    expect(sets.at(-1)!.stale!.reason).toMatch(/^aio is cut off: aio at 127\.0\.0\.1:\d+: ListServices: /);
    subscription.unsubscribe();
  });

  it('starts while the server is down, and finds what the next server has', async () => {
    const { port } = server;
    server.kill();
    const set = firstValueFrom(found()(query));
    await until('it noticed', () => events.some(({ type }) => type === 'disconnected'));
    put('a');
    server = await startAioServer({ port, tables });
    expect(ids(await set)).toBe('a');
    expect(events.map(({ type }) => type)).toEqual(['disconnected', 'connected']);
  });

  it('takes over what a server that comes back has instead', async () => {
    put('a');
    const sets: NodeSet[] = [];
    const subscription = found()(query).subscribe((set) => sets.push(set));
    await until('a is there', () => sets.length === 1);
    server.kill();
    await until('it is stale', () => sets.at(-1)!.stale !== undefined);
    const other = new AioTables(Date.now, 100n);
    serviceId = other.ensureService({ project: 'shop', name: 'orders' }).row.id;
    other.register({ serviceId, key: 'b', env: 'dev', host: 'h', endpoint: 'h:2', ttlSeconds: 600 });
    const { port } = server;
    server = await startAioServer({ port, tables: other, jwtSecret: 'of another server' });
    await until('b is there', () => ids(sets.at(-1)!) === 'b');
    expect(sets.map((set) => ids(set) + (set.stale ? ' stale' : ''))).toEqual(['a', 'a stale', 'b']);
    subscription.unsubscribe();
  });

  it('keeps its set when the server answers with failures, and marks it stale', async () => {
    put('a');
    const sets: NodeSet[] = [];
    const subscription = found()(query).subscribe((set) => sets.push(set));
    await until('a is there', () => sets.length === 1);
    server.faults({ fail: { ListServices: 'INTERNAL' } });
    await until('it is stale', () => sets.length === 2);
    server.faults({});
    await until('it is fresh', () => sets.length === 3);
    expect(sets.map((set) => ids(set) + (set.stale ? ' stale' : ''))).toEqual(['a', 'a stale', 'a']);
    subscription.unsubscribe();
  });

  it('is empty when the last instance has run out, and not before', async () => {
    tables.register({ serviceId, key: 'a', env: 'dev', host: 'h', endpoint: 'h:1', ttlSeconds: 1 });
    const start = Date.now();
    const set = await firstValueFrom(found()(query).pipe(skipWhile(({ size }) => size === 1)));
    expect(set.stale).toBeUndefined();
    expect(Date.now() - start).toBeGreaterThan(900);
  });

  it('ends when the key or the secret is refused, and shows neither the secret nor a token', async () => {
    const error: unknown = await firstValueFrom(found({ clientSecret: 'wr0ng-secret' })(query)).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
    const { message } = error as Error;
    expect(message).toContain(`aio at ${server.address}: AuthenticateClient: `);
    expect(message).toContain('check clientKey and clientSecret');
    expect(JSON.stringify([error, events, message, (error as Error).stack])).not.toContain('wr0ng-secret');
    expect(server.calls).toEqual({ AuthenticateClient: 1 });
  });

  it('outlasts a server that refuses its tokens again and again, while key and secret are good', async () => {
    put('a');
    const sets: NodeSet[] = [];
    const subscription = found()(query).subscribe((set) => sets.push(set));
    await until('a is there', () => sets.length === 1);
    server.faults({ fail: { ListServices: 'UNAUTHENTICATED' } });
    await until('it has tried again and again', () => server.calls.ListServices! >= 6);
    expect(server.calls.AuthenticateClient).toBeLessThan(5);
    server.faults({});
    await until('it is fresh', () => sets.length === 3);
    expect(sets.map((set) => ids(set) + (set.stale ? ' stale' : ''))).toEqual(['a', 'a stale', 'a']);
    subscription.unsubscribe();
  });

  it('asks once for two services of a project, at about the time it should', async () => {
    put('a');
    const discovery = found({ pollMs: 100, pollJitter: 0 });
    const watched = [query, { ...query, service: 'carts' }].map((each) => discovery(each).subscribe());
    const start = Date.now();
    await until('it was asked five times', () => server.calls.ListServices === 5);
    const elapsed = Date.now() - start;
    expect(elapsed).toBeGreaterThan(350);
    expect(server.connections).toBe(1);
    watched.forEach((each) => each.unsubscribe());
    await until('nothing is open', () => server.connections === 0);
  });

  it('survives an instance that is no node, says so once, and again when it comes back', async () => {
    put('a');
    put('bad', { host: 'nowhere', endpoint: 'nonsense' });
    put('odd', { metaJson: '[]' });
    const sets: NodeSet[] = [];
    const subscription = found()(query).subscribe((set) => sets.push(set));
    await until('it was asked three times', () => (server.calls.ListServices ?? 0) >= 3);
    expect(ids(sets[0]!)).toBe('a odd');
    expect(events.map(({ message }) => message.replace(/^.*instance /, ''))).toEqual([
      expect.stringMatching(/^"bad" of shop\/orders is no node: it gives no address/),
      '"odd" of shop/orders: meta_json is no JSON object; it is passed over',
    ]);
    tables.forget('bad');
    put('c');
    await until('the list without it was read', () => sets.at(-1)!.size === 3);
    put('bad', { host: 'nowhere', endpoint: 'nonsense' });
    await until('it was told again', () => events.filter(({ message }) => message.includes('"bad"')).length === 2);
    subscription.unsubscribe();
  });

  it('reads a thousand instances', async () => {
    for (let i = 0; i < 1_000; i++) put(`k${String(i).padStart(4, '0')}`, { endpoint: `10.0.${i >> 8}.${i & 255}:1` });
    const set = await firstValueFrom(found()(query));
    expect(set.size).toBe(1_000);
    expect(set.nodes[0]!.id).toBe('k0000');
  });
});
