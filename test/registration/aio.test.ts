import { firstValueFrom, lastValueFrom } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode } from '../../src/core/node.js';
import { aio } from '../../src/discovery/aio.js';
import { aioRegistry, type AioRegistryOptions } from '../../src/registration/aio.js';
import { register, type RegisterOptions } from '../../src/registration/register.js';
import type { Registration, RegistrationEvent } from '../../src/registration/registration.js';
import { AioTables, clientKey, clientSecret, startAioServer, type AioServer } from '../support/aioServer.js';
import { until } from '../support/until.js';

let server: AioServer;
let tables: AioTables;
let events: RegistrationEvent[];
let seen: (Registration & { readonly at: number })[];
let stop: (() => void)[];

const node = { service: 'carts', namespace: 'shop', address: '10.0.0.7:50051', id: 'n-1', version: '1.4.2' };
const registry = (options: Partial<AioRegistryOptions> = {}) =>
  aioRegistry({ registryAddr: server.address, clientKey, clientSecret, ttlMs: 1_000, ...options });
/** Registers until the end of the case. */
function start(options: Partial<AioRegistryOptions> = {}, how: RegisterOptions = {}) {
  const backoff = { initialBackoffMs: 50, maxBackoffMs: 200 };
  const registration$ = register(node, registry(options), { backoff, onEvent: (event) => events.push(event), ...how });
  const subscription = registration$.subscribe({
    next: (each) => seen.push({ ...each, at: Date.now() }),
    error: (error: unknown) =>
      seen.push({ state: 'lost', node: createNode(node), reason: String(error), at: Date.now() }),
  });
  stop.push(() => subscription.unsubscribe());
  return subscription;
}
const states = () => seen.map(({ state }) => state);
const online = () => (tables.services[0] ? tables.online(tables.services[0].id, '') : []);
const keys = () => [...new Set(server.beats.map(({ key }) => key))];

beforeEach(async () => {
  events = [];
  seen = [];
  stop = [];
  tables = new AioTables();
  server = await startAioServer({ tables });
});
afterEach(async () => {
  stop.forEach((end) => end());
  await until('the client has hung up', () => server.connections === 0);
  await server.close();
});

describe('aioRegistry', () => {
  it('registers, creates the service, and is read back as the same node', async () => {
    start({ owner: 'me', spec: { a: 1 } });
    await until('it is in', () => online().length === 1);
    expect(tables.services).toMatchObject([{ project: 'shop', name: 'carts', owner: 'me', specJson: '{"a":1}' }]);
    const discovery = aio({ registryAddr: server.address, clientKey, clientSecret });
    const set = await firstValueFrom(discovery({ service: 'carts', namespace: 'shop' }));
    expect(set.nodes).toMatchObject([{ ...node, address: { host: '10.0.0.7', port: 50_051 } }]);
  });

  it('beats at once, then well within its life, on one stream', async () => {
    start();
    await until('it has beaten four times', () => server.beats.length >= 5);
    const [first] = seen.filter(({ state }) => state === 'registered');
    const times = server.beats.map(({ at }) => at);
    expect(times[0]! - first!.at).toBeLessThan(100);
    const gaps = times.slice(1).map((at, i) => at - times[i]!);
    for (const gap of gaps) expect(gap).toBeLessThan(500);
    expect(server.streams).toEqual({ open: 1, opened: 1 });
    expect(states()).not.toContain('lost');
  });

  it('registers under another key when the server has forgotten it, since the old key is dead for ever', async () => {
    start();
    await until('it is in', () => states().includes('registered'));
    const { key, serviceId } = online()[0]!;
    tables.deregister(serviceId, key);
    await until('it is in again', () => online().length === 1);
    await until('it is kept alive', () => server.beats.filter((beat) => beat.key !== key).length >= 3);
    expect(online()[0]!.key).not.toBe(key);
    const told = states();
    expect(told.slice(told.indexOf('lost'), told.indexOf('lost') + 3)).toEqual(['lost', 'registering', 'registered']);
    expect(seen.find(({ state }) => state === 'lost')!.reason).toContain(`instance "${key}"`);
  });

  it('would vanish with the old key: the trap that the server of the tests has', () => {
    const { id: serviceId } = tables.ensureService({ project: 'p', name: 's' }).row;
    const init = { serviceId, key: 'k', env: 'dev', host: 'h', endpoint: 'h:1', ttlSeconds: 60 };
    tables.register(init);
    tables.deregister(serviceId, 'k');
    expect(tables.register(init).key).toBe('k');
    expect(tables.online(serviceId, '')).toHaveLength(1);
    expect(tables.heartbeat(serviceId, 'k')).toBe(0n);
  });

  it('says lost no later than its life, when the server is cut off, and registers again when it is back', async () => {
    start();
    await until('it is in', () => states().includes('registered'));
    const { port } = server;
    server.kill();
    await until('it is lost', () => states().includes('lost'));
    const lost = seen.find(({ state }) => state === 'lost')!;
    const lastGood = seen.filter(({ state }) => state === 'registered').at(-1)!;
    expect(lost.at).toBeGreaterThan(lastGood.deadline! - 20);
    expect(lost.at).toBeLessThan(lastGood.deadline! + 100);
    server = await startAioServer({ port, tables });
    const before = seen.length;
    await until('it is in again', () => states().slice(before).includes('registered'));
    await until('it is kept alive by another key', () => server.beats.length >= 3);
    expect(events.some(({ type, message }) => type === 'failed' && message.includes(`aio at ${server.address}`))).toBe(
      true,
    );
  });

  it('keeps its registration when the server is away for less than its life', async () => {
    start({ ttlMs: 4_000 });
    await until('it is in', () => states().includes('registered'));
    const { key } = online()[0]!;
    const { port } = server;
    server.kill();
    server = await startAioServer({ port, tables });
    await until('it beats there', () => server.beats.length >= 1);
    expect(keys()).toEqual([key]);
    expect(states()).not.toContain('lost');
  });

  it('ensures its service anew at a server that has other contents', async () => {
    start();
    await until('it is in', () => states().includes('registered'));
    const { port } = server;
    server.kill();
    tables = new AioTables(Date.now, 100n);
    server = await startAioServer({ port, tables, jwtSecret: 'another' });
    await until('it is in there', () => online().length === 1);
    expect(tables.services).toMatchObject([{ project: 'shop', name: 'carts' }]);
  });

  it('starts while the server is down', async () => {
    const { port } = server;
    server.kill();
    start();
    await until('it has tried', () => events.some(({ type }) => type === 'failed'));
    server = await startAioServer({ port, tables });
    await until('it is in', () => states().includes('registered'));
    expect(states().filter((state) => state === 'lost')).toEqual([]);
  });

  it('goes on with another token when the old one is refused', async () => {
    server.tokenLifeMs = 2_000;
    start();
    await until('it is in', () => states().includes('registered'));
    const { port } = server;
    server.kill();
    server = await startAioServer({ port, tables, jwtSecret: 'another' });
    await until('it beats with the new one', () => server.beats.length >= 2);
    expect(server.calls).toMatchObject({ AuthenticateClient: 1 });
  });

  it('does not keep believing in a stream that is silent', async () => {
    start();
    await until('it is in', () => states().includes('registered'));
    server.faults({ hang: ['HeartbeatStream'] });
    await until('it is lost', () => states().includes('lost'));
    const lastGood = seen.filter(({ state }) => state === 'registered').at(-1)!;
    expect(seen.find(({ state }) => state === 'lost')!.at).toBeLessThan(lastGood.deadline! + 100);
    server.faults({});
    const before = seen.length;
    await until(
      'it is in again',
      () =>
        states()
          .slice(before)
          .filter((state) => state === 'registered').length >= 2,
    );
  });

  it('is not put off by a server whose clock is wrong by an hour', async () => {
    for (const skew of [-3_600_000, 3_600_000]) {
      const skewed = new AioTables(() => Date.now() + skew);
      await using other = await startAioServer({ tables: skewed, tokenLifeMs: 60_000 });
      const subscription = start({ registryAddr: other.address });
      await until('it has beaten three times', () => other.beats.length >= 4);
      expect(skewed.online(skewed.services[0]!.id, '')).toHaveLength(1);
      expect(other.calls).toMatchObject({ AuthenticateClient: 1, RegisterInstance: 1 });
      subscription.unsubscribe();
      await until('it is out', () => skewed.online(skewed.services[0]!.id, '').length === 0);
    }
    expect(states()).not.toContain('lost');
  });

  it('is put in only when the server keeps it', async () => {
    server.faults({ zeroBeats: true });
    start();
    await until('it has tried twice', () => (server.calls.RegisterInstance ?? 0) >= 2);
    expect(states()).not.toContain('registered');
    expect(events[0]!.message).toContain('does not keep it alive');
    server.faults({});
    await until('it is in', () => states().includes('registered'));
    expect(online()).toHaveLength(1);
  });

  it('comes back after an admin has put it offline', async () => {
    start();
    await until('it is in', () => online().length === 1);
    tables.forceOffline(online()[0]!.key);
    expect(online()).toEqual([]);
    await until('it is back', () => online().length === 1);
    expect(keys()).toHaveLength(1);
  });

  it('is taken out again and again until the server has done so', async () => {
    server.faults({ refuseDeregister: true });
    const subscription = start({ ttlMs: 60_000 });
    await until('it is in', () => states().includes('registered'));
    subscription.unsubscribe();
    await until('it was tried twice', () => (server.calls.DeregisterInstance ?? 0) >= 2);
    server.faults({});
    await until('it is out', () => events.some(({ type }) => type === 'withdrawn'));
    expect(online()).toEqual([]);
  });

  it('ends when key or secret are refused at first, naming server and remedy, and shows no secret', async () => {
    const wrong = register(node, registry({ clientSecret: 'wr0ng-secret' }), {
      onEvent: (event) => events.push(event),
    });
    const error: unknown = await lastValueFrom(wrong).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect((error as FleetError).message).toContain(`aio at ${server.address}: AuthenticateClient`);
    expect(JSON.stringify([error, events, String((error as Error).stack)])).not.toContain('wr0ng-secret');
  });

  it('can leave the creation of services to others', async () => {
    start({ ensureService: false });
    await until('it was told', () => events.length > 0);
    expect(events[0]!.message).toContain(
      'project "shop" has no service "carts"; create it, or let ensureService do so',
    );
    tables.ensureService({ project: 'shop', name: 'carts' });
    await until('it is in', () => states().includes('registered'));
    expect(server.calls.EnsureService).toBeUndefined();
  });

  it('needs a project', () => {
    expect(() => registry({ ttlMs: 0 })).toThrow('ttlMs must be above 0');
    expect(() => registry({ httpPort: 70_000 })).toThrow('httpPort must be a port');
    return expect(lastValueFrom(register({ ...node, namespace: undefined }, registry()))).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      detail: 'project must be given, or the namespace of node n-1, not ""',
    });
  });
});
