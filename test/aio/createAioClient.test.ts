/** Everything that seed 001 promises its users, against a server that speaks the contract. */

import { filter, firstValueFrom, lastValueFrom, map, Subject, take, toArray } from 'rxjs';
import { createAioClient, type AioClient, type AioClientOptions } from '../../src/aio/index.js';
import { createClient } from '../../src/client/client.js';
import { FleetError } from '../../src/core/fleetError.js';
import { Greeter as GreeterService } from '../../src/gen/demo/greeter_pb.js';
import type { Registration } from '../../src/registration/registration.js';
import { AioTables, clientKey, clientSecret, startAioServer, type AioServer } from '../support/aioServer.js';
import { startGreeter } from '../support/greeter.js';
import { until } from '../support/until.js';

let server: AioServer;
let tables: AioTables;
let aio: AioClient;

const open = (options: Partial<AioClientOptions> = {}) =>
  createAioClient({ registryAddr: server.address, clientKey, clientSecret, pollMs: 60, ...options });

/** Instances of shop/orders, online for ten minutes. */
function orders(...keys: string[]): bigint {
  const { id: serviceId } = tables.ensureService({ project: 'shop', name: 'orders' }).row;
  keys.forEach((key, index) => {
    const port = 50_100 + index;
    tables.register({ serviceId, key, env: 'dev', host: '127.0.0.1', endpoint: `127.0.0.1:${port}`, ttlSeconds: 600 });
  });
  return serviceId;
}

beforeEach(async () => {
  tables = new AioTables();
  server = await startAioServer({ tables });
  aio = open();
});
afterEach(async () => {
  await aio.close();
  await server.close();
});

describe('authentication', () => {
  it('gets a token by key and secret, when one is needed and not before', async () => {
    expect(server.calls).toEqual({});
    const { scheme, secret, expiresAt } = await firstValueFrom(aio.auth.credential$);
    expect(scheme).toBe('Bearer');
    expect(secret.split('.')).toHaveLength(3);
    expect(expiresAt - Date.now()).toBeGreaterThan(23 * 3_600_000);
    expect(server.calls).toEqual({ AuthenticateClient: 1 });
  });

  it('asks for one token, however many calls start at once', async () => {
    orders('a');
    const lists = Array.from({ length: 20 }, () => firstValueFrom(aio.registry.listServices('shop')));
    await Promise.all(lists);
    expect(server.calls).toMatchObject({ AuthenticateClient: 1, ListServices: 20 });
  });

  it('renews a token before its end, by the token itself', async () => {
    server.tokenLifeMs = 4_000;
    const [first, second] = await lastValueFrom(aio.auth.credential$.pipe(take(2), toArray()));
    expect(second!.secret).not.toBe(first!.secret);
    expect(Date.now()).toBeLessThan(first!.expiresAt);
    expect(server.calls).toEqual({ AuthenticateClient: 1, RenewToken: 1 });
  });

  it('authenticates anew when a renewal is refused', async () => {
    server.tokenLifeMs = 4_000;
    server.faults({ fail: { RenewToken: 'PERMISSION_DENIED' } });
    await lastValueFrom(aio.auth.credential$.pipe(take(2)));
    expect(server.calls).toEqual({ AuthenticateClient: 2, RenewToken: 1 });
  });

  it('replaces a token that the server refuses, and repeats the call once', async () => {
    orders('a');
    await firstValueFrom(aio.registry.listServices('shop'));
    server.jwtSecret = 'another';
    expect(await firstValueFrom(aio.registry.listServices('shop'))).toHaveLength(1);
    expect(server.calls).toEqual({ AuthenticateClient: 2, ListServices: 3 });
  });

  it('never asks in a loop when every token is refused', async () => {
    server.faults({ fail: { ListServices: 'UNAUTHENTICATED' } });
    const error = await firstValueFrom(aio.registry.listServices()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(server.calls).toEqual({ AuthenticateClient: 2, ListServices: 2 });
  });

  it('shows no token with disableAuth', async () => {
    const open = createAioClient({ registryAddr: server.address, disableAuth: true });
    await expect(firstValueFrom(open.registry.listServices())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(server.calls).toEqual({ ListServices: 1 });
    await open.close();
  });
});

describe('the registry', () => {
  it('lists the services of a project with their instances, everything parsed', async () => {
    const serviceId = orders();
    tables.register({
      ...{ serviceId, key: 'a', env: 'dev', host: '10.0.0.7', httpPort: 8_080, grpcPort: 50_051, ttlSeconds: 90 },
      metaJson: '{"version":"1.4.2","tags":["gpu"]}',
      endpointsJson: '[{"host":"10.0.0.7","network":"internal","priority":1}]',
    });
    tables.ensureService({ project: 'other', name: 'hidden' });
    const [service, ...others] = await firstValueFrom(aio.registry.listServices('shop'));
    expect(others).toEqual([]);
    expect(service).toMatchObject({ id: String(serviceId), project: 'shop', name: 'orders' });
    expect(service!.instances).toMatchObject([
      {
        ...{ key: 'a', env: 'dev', host: '10.0.0.7', httpPort: 8_080, grpcPort: 50_051, ttlMs: 90_000, flaws: [] },
        meta: { version: '1.4.2', tags: ['gpu'] },
        endpoints: [{ host: '10.0.0.7', network: 'internal', priority: 1 }],
      },
    ]);
    expect(Math.abs(service!.instances[0]!.lastHeartbeatAt - Date.now())).toBeLessThan(5_000);
  });

  it('lists instances of the environment of the client, of another, or of all', async () => {
    const serviceId = orders('dev-1');
    tables.register({ serviceId, key: 'prod-1', env: 'prod', host: 'h', endpoint: 'h:1', ttlSeconds: 60 });
    const keys = (env?: string) =>
      firstValueFrom(
        aio.registry.listServices('shop', env).pipe(map(([service]) => service!.instances.map(({ key }) => key))),
      );
    expect(await keys()).toEqual(['dev-1']);
    expect(await keys('prod')).toEqual(['prod-1']);
    expect(await keys('')).toEqual(['dev-1', 'prod-1']);
  });

  it('creates a service once, and gives the one that exists', async () => {
    const init = { project: 'shop', name: 'carts', owner: 'me', spec: { port: 1 } };
    const first = await firstValueFrom(aio.registry.ensureService(init));
    expect(first).toMatchObject({ created: true, service: { name: 'carts', owner: 'me', spec: { port: 1 } } });
    const again = await firstValueFrom(aio.registry.ensureService({ ...init, owner: 'you' }));
    expect(again).toMatchObject({ created: false, service: { id: first.service.id, owner: 'me' } });
  });

  it('gets the service that another client created in the same moment', async () => {
    server.faults({ collideOnce: true });
    const { service } = await firstValueFrom(aio.registry.ensureService({ project: 'shop', name: 'carts' }));
    expect(service.id).toBe(String(tables.services[0]!.id));
  });

  it('registers an instance, finds it by the id of its service, and takes it out', async () => {
    const { service } = await firstValueFrom(aio.registry.ensureService({ project: 'shop', name: 'carts' }));
    const init = {
      serviceId: service.id,
      host: '10.0.0.7',
      endpoint: '10.0.0.7:1',
      meta: { zone: 'eu' },
      ttlMs: 1_500,
    };
    const { key, expiresAt } = await firstValueFrom(aio.registry.registerInstance(init));
    expect(Math.abs(expiresAt - Date.now() - 2_000)).toBeLessThan(1_500);
    const found = await firstValueFrom(aio.registry.getServiceById(service.id));
    expect(found.instances).toMatchObject([{ key, ttlMs: 2_000, meta: { zone: 'eu' } }]);
    await firstValueFrom(aio.registry.deregisterInstance(service.id, key));
    expect(tables.online(BigInt(service.id), '')).toEqual([]);
  });

  it('says that a service is not there', async () => {
    await expect(firstValueFrom(aio.registry.getServiceById(99))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(firstValueFrom(aio.registry.getServiceById('x'))).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});

describe('discovery', () => {
  it('resolves a service to its instances, and does not ask again for a while', async () => {
    orders('b', 'a', 'c');
    const slow = open({ pollMs: 30_000 });
    const keys = () =>
      firstValueFrom(slow.discovery.resolve('shop', 'orders').pipe(map((found) => found.map(({ key }) => key))));
    expect(await keys()).toEqual(['a', 'b', 'c']);
    expect(await keys()).toEqual(['a', 'b', 'c']);
    expect(server.calls.ListServices).toBe(1);
    await slow.close();
  });

  it('picks in turn, and the turn survives a new list', async () => {
    orders('a', 'b', 'c');
    const picked: string[] = [];
    for (let i = 0; i < 6; i++) {
      picked.push((await firstValueFrom(aio.discovery.pick('shop', 'orders'))).instance.key);
      if (i === 1) await new Promise((resolve) => setTimeout(resolve, 80));
    }
    expect(picked.join('')).toBe('abcabc');
    expect(server.calls.ListServices).toBeGreaterThan(1);
  });

  it('passes over an instance that cannot be reached', async () => {
    orders('a', 'b');
    const first = await firstValueFrom(aio.discovery.pick('shop', 'orders'));
    expect(first.instance.key).toBe('a');
    expect(first.address).toEqual({ host: '127.0.0.1', port: 50_100 });
    first.report(new Error('connect ECONNREFUSED'));
    const picked: string[] = [];
    for (let i = 0; i < 4; i++) picked.push((await firstValueFrom(aio.discovery.pick('shop', 'orders'))).instance.key);
    expect(picked).toEqual(['b', 'b', 'b', 'b']);
  });

  it('keeps environments apart', async () => {
    const serviceId = orders('dev-1');
    tables.register({ serviceId, key: 'prod-1', env: 'prod', host: 'h', endpoint: 'h:1', ttlSeconds: 60 });
    const keyIn = async (env: string) => (await firstValueFrom(aio.discovery.pick('shop', 'orders', env))).instance.key;
    expect([await keyIn('dev'), await keyIn('prod'), await keyIn('dev')]).toEqual(['dev-1', 'prod-1', 'dev-1']);
  });

  it('says what is missing: the service, or its instances', async () => {
    orders();
    await expect(firstValueFrom(aio.discovery.pick('shop', 'orders'))).rejects.toMatchObject({ code: 'NO_NODES' });
    const error: unknown = await firstValueFrom(aio.discovery.pick('shop', 'none')).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'NOT_FOUND' });
    expect((error as FleetError).message).toContain(`aio at ${server.address}: project "shop" has no service "none"`);
  });

  it('serves the last answer while the server is away', async () => {
    orders('a');
    await firstValueFrom(aio.discovery.resolve('shop', 'orders'));
    server.kill();
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect((await firstValueFrom(aio.discovery.pick('shop', 'orders'))).instance.key).toBe('a');
    await expect(firstValueFrom(aio.discovery.resolve('other', 'x'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('a fleet', () => {
  it('finds its nodes, calls them with our token, and follows what changes', async () => {
    await using one = await startGreeter({ name: 'one' });
    await using two = await startGreeter({ name: 'two' });
    const serviceId = tables.ensureService({ project: 'shop', name: 'greeter' }).row.id;
    const add = (key: string, port: number) =>
      tables.register({ serviceId, key, env: 'dev', host: '127.0.0.1', endpoint: `127.0.0.1:${port}`, ttlSeconds: 60 });
    add('one', one.port);
    const fleet = aio.fleet({ project: 'shop', service: 'greeter' });
    const greeter = createClient(fleet, GreeterService);
    const hello = () => firstValueFrom(greeter.sayHello({ name: 'Ada' }, { deadlineMs: 5_000 }));
    expect(await hello()).toMatchObject({ message: 'Hello, Ada', node: 'one' });
    expect(one.lastHeader('authorization')).toMatch(/^Bearer .+\..+\..+$/);
    add('two', two.port);
    await firstValueFrom(
      fleet.nodes$.pipe(filter(({ nodes }) => nodes.filter((n) => n.availability === 'ready').length === 2)),
    );
    const names = [await hello(), await hello()].map(({ node }) => node);
    expect(names.sort()).toEqual(['one', 'two']);
    tables.forget('one');
    await firstValueFrom(fleet.nodes$.pipe(filter(({ size }) => size === 1)));
    expect(await hello()).toMatchObject({ node: 'two' });
  });

  it('shares one request between the services of a project', async () => {
    orders('a');
    tables.ensureService({ project: 'shop', name: 'carts' });
    const fleets = ['orders', 'carts', 'orders'].map((service) => aio.fleet({ project: 'shop', service }));
    await Promise.all(fleets.map(({ nodes$ }) => firstValueFrom(nodes$.pipe(filter(({ stale }) => !stale)))));
    expect(server.calls.ListServices).toBe(1);
    await until('the list was asked for again', () => server.calls.ListServices === 3);
    expect(server.connections).toBe(1);
  });
});

describe('registering oneself', () => {
  const self = { project: 'shop', service: 'carts', address: '10.0.0.7:50051', version: '1.4.2', tags: { gpu: '' } };

  it('creates the service, registers, beats on one stream, and is gone when unsubscribed', async () => {
    const seen: Registration[] = [];
    const registration = aio.registerSelf(self, { ttlMs: 1_000 }).subscribe((each) => seen.push(each));
    await until('three beats were sent', () => server.beats.length >= 4);
    expect(server.streams).toEqual({ open: 1, opened: 1 });
    expect(seen.map(({ state }) => state).slice(0, 3)).toEqual(['registering', 'registered', 'registered']);
    const [instance] = await firstValueFrom(aio.discovery.resolve('shop', 'carts'));
    expect(instance).toMatchObject({
      host: '10.0.0.7',
      grpcPort: 50_051,
      meta: { version: '1.4.2', tags: { gpu: '' } },
    });
    registration.unsubscribe();
    await until('it was taken out', () => tables.online(BigInt(instance!.serviceId), '').length === 0);
    await until('the stream was closed', () => server.streams.open === 0);
  });

  it('beats for many over one stream', async () => {
    const subscriptions = Array.from({ length: 10 }, (_, i) =>
      aio.registerSelf({ ...self, address: `10.0.0.${i + 1}:50051` }, { ttlMs: 1_000 }).subscribe(),
    );
    await until('each has beaten three times', () => server.beats.length >= 40);
    expect(new Set(server.beats.map(({ key }) => key)).size).toBe(10);
    expect(server.streams.opened).toBe(1);
    subscriptions.forEach((each) => each.unsubscribe());
    await until('all are out', () => tables.online(tables.services[0]!.id, '').length === 0);
  });

  it('takes everything out on close, also what was unsubscribed a moment before', async () => {
    const one = aio.registerSelf(self).subscribe();
    let completed = false;
    aio.registerSelf({ ...self, address: '10.0.0.8:50051' }).subscribe({ complete: () => (completed = true) });
    await until('both are in', () => tables.online(tables.services[0]?.id ?? 0n, '').length === 2);
    one.unsubscribe();
    await aio.close();
    expect(completed).toBe(true);
    expect(tables.online(tables.services[0]!.id, '')).toEqual([]);
    await until('every connection is closed', () => server.connections === 0);
  });

  it('changes what is registered in its place', async () => {
    const self$ = new Subject<typeof self & { weight?: number }>();
    aio.registerSelf(self$).subscribe();
    self$.next(self);
    await until('it is in', () => server.beats.length === 1);
    self$.next({ ...self, weight: 5 });
    await until('it was changed', () => server.calls.RegisterInstance === 2);
    const found = await firstValueFrom(aio.registry.listServices('shop'));
    expect(found[0]!.instances).toMatchObject([{ meta: { weight: 5 } }]);
  });
});

describe('a client', () => {
  it('refuses senseless options by name, and does not show the secret', () => {
    const refused = (options: Partial<AioClientOptions>) => () => open(options);
    expect(refused({ registryAddr: ' , ' })).toThrow('registryAddr must be host:port');
    expect(refused({ registryAddr: 'nonsense' })).toThrow('registryAddr: "nonsense" is no address');
    expect(refused({ clientSecret: '' })).toThrow('clientSecret must be given');
    expect(refused({ env: '' })).toThrow('env must be');
    expect(refused({ pollMs: 0 })).toThrow('pollMs must be above 0');
    expect(refused({ callTimeoutMs: -1 })).toThrow('callTimeoutMs must be above 0');
    expect(refused({ cooling: { failures: 0 } })).toThrow('cooling.failures must be');
  });

  it('takes no more work once it is closed', async () => {
    await aio.close();
    await expect(firstValueFrom(aio.registry.listServices())).rejects.toMatchObject({ code: 'CLOSED' });
    expect(() => aio.fleet({ project: 'shop', service: 'orders' })).toThrow('closed');
    const self = { project: 'shop', service: 'carts', address: '10.0.0.7:1' };
    await expect(firstValueFrom(aio.registerSelf(self))).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
