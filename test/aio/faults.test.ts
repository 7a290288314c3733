/** What goes wrong between a client and an AIO server, and what of it a user sees. */

import { firstValueFrom, type Observable } from 'rxjs';
import { once } from 'node:events';
import * as net from 'node:net';
import { inspect } from 'node:util';
import { createAioClient, type AioClient, type AioClientOptions, type AioEvent } from '../../src/aio/index.js';
import { FleetError } from '../../src/core/fleetError.js';
import { AioTables, clientKey, clientSecret, startAioServer, type AioServer } from '../support/aioServer.js';
import { until } from '../support/until.js';

let server: AioServer;
let tables: AioTables;
let events: AioEvent[];
let clients: AioClient[];

const open = (options: Partial<AioClientOptions> = {}): AioClient => {
  const onEvent = (event: AioEvent) => void events.push(event);
  const client = createAioClient({
    registryAddr: server.address,
    clientKey,
    clientSecret,
    pollMs: 40,
    onEvent,
    ...options,
  });
  clients.push(client);
  return client;
};
const failure = async (value$: Observable<unknown>): Promise<FleetError> => {
  const outcome: unknown = await firstValueFrom(value$).catch((thrown: unknown) => thrown);
  expect(outcome).toBeInstanceOf(FleetError);
  return outcome as FleetError;
};
/** As a log would show it, in every way that it could. */
const printed = (...things: unknown[]) =>
  things.map((thing) => `${inspect(thing, { depth: Infinity, showHidden: true })} ${JSON.stringify(thing)}`).join('\n');

/** Passes bytes on until it is told to freeze: then the connections that there are pass none any more, and stay open. */
async function startProxy(to: number) {
  const sockets = new Set<net.Socket>();
  const pairs = new Set<() => void>();
  let accepted = 0;
  const listener = net.createServer((near) => {
    accepted++;
    const far = net.connect(to, '127.0.0.1');
    for (const socket of [near, far]) sockets.add(socket.on('error', () => undefined));
    near.pipe(far);
    far.pipe(near);
    pairs.add(() => {
      near.unpipe(far).pause();
      far.unpipe(near).pause();
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as net.AddressInfo).port,
    get accepted() {
      return accepted;
    },
    freeze() {
      for (const freeze of pairs) freeze();
      pairs.clear();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
}

beforeEach(async () => {
  events = [];
  clients = [];
  tables = new AioTables();
  server = await startAioServer({ tables });
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await server.close();
});

describe('secrets', () => {
  it('are in no error and no event, not even when the server repeats them', async () => {
    const aio = open();
    const { secret: token } = await firstValueFrom(aio.auth.credential$);
    const fail = { ListServices: 'INTERNAL', RegisterInstance: 'INTERNAL', EnsureService: 'INTERNAL' } as const;
    server.faults({ leaky: true, fail });
    const errors = [await failure(aio.registry.listServices()), await failure(aio.discovery.pick('shop', 'orders'))];
    const self = { project: 'shop', service: 'carts', address: '10.0.0.7:1' };
    const registration = aio.registerSelf(self).subscribe();
    const followed = aio.discovery.nodes({ service: 'orders', namespace: 'shop' }).subscribe();
    await until('both have failed', () => new Set(events.map(({ type }) => type)).size >= 3);
    registration.unsubscribe();
    followed.unsubscribe();
    const wrong = open({ clientSecret: 'wr0ng-secret' });
    errors.push(await failure(wrong.auth.credential$), await failure(wrong.registry.listServices()));
    expect(errors.map(({ code }) => code)).toEqual(['INTERNAL', 'INTERNAL', 'UNAUTHENTICATED', 'UNAUTHENTICATED']);
    const text = printed(...errors, ...events, ...errors.map(({ stack }) => stack), aio, wrong);
    for (const secret of [clientSecret, 'wr0ng-secret', token]) expect(text).not.toContain(secret);
  });

  it('are not shown by a credential that is printed', async () => {
    const credential = await firstValueFrom(open().auth.credential$);
    expect(`${inspect(credential)} ${JSON.stringify(credential)}`).not.toContain(credential.secret);
  });
});

describe('an error', () => {
  it('names the server, the method and what to do', async () => {
    const aio = open({ callTimeoutMs: 300 });
    await firstValueFrom(aio.registry.listServices());
    const at = `aio at ${server.address}: ListServices: `;
    server.faults({ hang: ['ListServices'] });
    const slow = await failure(aio.registry.listServices());
    expect(slow).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(slow.message).toMatch(new RegExp(`^${at}.*; raise callTimeoutMs, or look why the server is slow$`));
    server.kill();
    const gone = await failure(aio.registry.listServices());
    expect(gone).toMatchObject({ code: 'UNAVAILABLE' });
    expect(gone.message).toMatch(
      new RegExp(`^${at}.*; check registryAddr, and that the server runs and is reachable$`),
    );
  });

  it('of a disabled client says so, and what was registered before goes on for the life of the token', async () => {
    const aio = open();
    await firstValueFrom(aio.registry.listServices());
    server.clients[0]!.disabled = true;
    await firstValueFrom(aio.registry.listServices());
    server.jwtSecret = 'another';
    const error = await failure(aio.registry.listServices());
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(error.message).toContain('check clientKey and clientSecret, and that the client is enabled');
  });
});

describe('a connection that is dead without saying so', () => {
  it('is made anew for discovery', async () => {
    await using proxy = await startProxy(server.port);
    const aio = open({ registryAddr: `127.0.0.1:${proxy.port}`, callTimeoutMs: 200, pollMs: 50 });
    tables.ensureService({ project: 'shop', name: 'carts' });
    const stale: boolean[] = [];
    const nodes$ = aio.discovery.nodes({ service: 'carts', namespace: 'shop' });
    const followed = nodes$.subscribe((set) => stale.push(set.stale !== undefined));
    await until('it is listed', () => stale.length === 1);
    proxy.freeze();
    await until('it was stale, and is fresh', () => stale.join() === 'false,true,false');
    expect(proxy.accepted).toBe(2);
    followed.unsubscribe();
  });

  it('is made anew for calls, though a stream seems to live on it', async () => {
    await using proxy = await startProxy(server.port);
    const aio = open({ registryAddr: `127.0.0.1:${proxy.port}`, callTimeoutMs: 200 });
    const self = { project: 'shop', service: 'carts', address: '10.0.0.7:1' };
    const states: string[] = [];
    aio.registerSelf(self, { ttlMs: 600_000 }).subscribe(({ state }) => states.push(state));
    await until('it is in', () => states.includes('registered'));
    proxy.freeze();
    expect(await failure(aio.registry.listServices())).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(await failure(aio.registry.listServices())).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(await firstValueFrom(aio.registry.listServices())).toHaveLength(1);
    expect(proxy.accepted).toBe(2);
    await aio.close();
  });

  it('is made anew for heartbeats, before anything is lost', async () => {
    await using proxy = await startProxy(server.port);
    const aio = open({ registryAddr: `127.0.0.1:${proxy.port}` });
    const states: string[] = [];
    const self = { project: 'shop', service: 'carts', address: '10.0.0.7:1' };
    aio.registerSelf(self, { ttlMs: 3_000 }).subscribe(({ state }) => states.push(state));
    await until('it is in', () => states.includes('registered'));
    proxy.freeze();
    await until('it beats again', () => server.beats.length >= 2);
    expect(states).not.toContain('lost');
    expect(proxy.accepted).toBe(2);
    await aio.close();
  });
});

describe('several servers', () => {
  it('take over from one that hangs, and are preferred from then on', async () => {
    await using second = await startAioServer({ tables });
    const aio = open({ registryAddr: [server.address, second.address], callTimeoutMs: 300 });
    await firstValueFrom(aio.registry.listServices());
    server.faults({ hang: ['ListServices', 'HeartbeatStream'] });
    expect(await firstValueFrom(aio.registry.listServices())).toEqual([]);
    const start = Date.now();
    await firstValueFrom(aio.registry.listServices());
    expect(Date.now() - start).toBeLessThan(200);
    expect(server.calls.ListServices).toBe(2);
  });

  it('take over the heartbeats of one that dies, before anything is lost', async () => {
    await using second = await startAioServer({ tables });
    const aio = open({ registryAddr: `${server.address},${second.address}` });
    const states: string[] = [];
    const self = { project: 'shop', service: 'carts', address: '10.0.0.7:1' };
    aio.registerSelf(self, { ttlMs: 2_000 }).subscribe(({ state }) => states.push(state));
    await until('it is in', () => states.includes('registered'));
    const { key } = server.beats[0]!;
    server.kill();
    await until('it beats at the other', () => second.beats.length >= 3);
    expect(new Set(second.beats.map((beat) => beat.key))).toEqual(new Set([key]));
    expect(states).not.toContain('lost');
    await aio.close();
    expect(tables.online(tables.services[0]!.id, '')).toEqual([]);
  });
});

describe('many at once', () => {
  it('are not failed by the first of them, who gave up while all waited for the token', async () => {
    server.faults({ delayMs: 100 });
    const aio = open();
    const first = aio.registry.listServices().subscribe();
    const others = [1, 2, 3].map(() => firstValueFrom(aio.registry.listServices()));
    setTimeout(() => first.unsubscribe(), 20);
    await Promise.all(others);
    expect(server.calls).toEqual({ AuthenticateClient: 1, ListServices: 3 });
  });

  it('registrations beat in time over one stream', async () => {
    const count = process.env.RXFLEET_LONG ? 1_000 : 200;
    const ttlMs = 6_000;
    const late: number[] = [];
    const lost: string[] = [];
    const aio = open();
    const onEvent = (event: AioEvent) => void (event.type === 'late' && late.push(1));
    const subscriptions = Array.from({ length: count }, (_, i) =>
      aio
        .registerSelf({ project: 'shop', service: 'carts', address: `10.0.${i >> 8}.${i & 255}:1` }, { ttlMs, onEvent })
        .subscribe(({ state, reason }) => state === 'lost' && lost.push(reason!)),
    );
    await until('each has beaten four times', () => server.beats.length >= 4 * count, 30_000);
    expect({ late: late.length, lost }).toEqual({ late: 0, lost: [] });
    expect(server.streams.opened).toBe(1);
    expect(tables.online(tables.services[0]!.id, '')).toHaveLength(count);
    subscriptions.forEach((each) => each.unsubscribe());
    await aio.close();
    expect(tables.online(tables.services[0]!.id, '')).toEqual([]);
  }, 60_000);
});
