/** Registrations in a real etcd: put, kept, lost, changed and withdrawn, and what they say when something is wrong. */

import { firstValueFrom, forkJoin, lastValueFrom, mergeMap, range, toArray } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, updateNode, type NodeInit } from '../../src/core/node.js';
import { etcdRegistry, type EtcdRegistryOptions } from '../../src/registration/etcd.js';
import { register } from '../../src/registration/register.js';
import type { Lease } from '../../src/registration/registry.js';
import { etcdOrReason, startEtcd, type EtcdServer } from '../support/etcd.js';
import { startTcpProxy, type TcpProxy } from '../support/tcpProxy.js';
import { until } from '../support/until.js';

const program = await etcdOrReason();

const nodeOf = (init: NodeInit = {}) =>
  createNode({ id: 'node-1', service: 'thumbnails', address: '10.0.0.7:50051', version: '1.4.2', ...init });
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable('it did not fail'),
    (error: unknown) => error as FleetError,
  );
const done = (work: ReturnType<Lease['withdraw']>) => lastValueFrom(work, { defaultValue: undefined });

describe.skipIf(typeof program === 'string')('etcdRegistry', () => {
  if (typeof program === 'string') return;
  let server: EtcdServer;
  let wire: TcpProxy;
  const registry = (options: EtcdRegistryOptions = {}) =>
    etcdRegistry({ endpoints: [wire.endpoint], ttlMs: 2_000, requestTimeoutMs: 2_000, ...options });

  beforeAll(async () => {
    server = await startEtcd(program);
    wire = await startTcpProxy(server.port);
  });
  afterAll(async () => {
    await wire.close();
    await server.stop();
  });
  afterEach(async () => {
    wire.restore();
    wire.resume();
    for (const { key } of await server.list('rxfleet/')) await server.remove(key);
  });

  it('puts a key that ends with its lease, so that a node that dies without a word is gone a TTL later', async () => {
    const lease = await firstValueFrom(registry({ ttlMs: 1_000 }).put(nodeOf()));
    expect(lease).toMatchObject({ key: 'rxfleet/services/thumbnails/default/node-1', ttlMs: 1_000 });
    const [entry] = await server.list('rxfleet/');
    expect(entry!.lease).not.toBe('0');
    expect(JSON.parse(entry!.value)).toMatchObject({ id: 'node-1', addresses: ['10.0.0.7:50051'], version: '1.4.2' });
    const started = Date.now();
    let left = 1;
    while (left > 0 && Date.now() - started < 8_000) left = (await server.list('rxfleet/')).length;
    expect(left).toBe(0);
  });

  it('keeps it alive with heartbeats, and says how long it lives after each', async () => {
    const lease = await firstValueFrom(registry().put(nodeOf()));
    for (let i = 0; i < 4; i++) {
      await new Promise((wait) => setTimeout(wait, 700));
      expect(await firstValueFrom(lease.renew())).toBe(2_000);
    }
    expect(await server.list('rxfleet/')).toHaveLength(1);
    await done(lease.withdraw());
  });

  it('says that a lease which etcd has ended is lost, and not that all is well', async () => {
    const lease = await firstValueFrom(registry().put(nodeOf()));
    const [entry] = await server.list('rxfleet/');
    await server.ask('lease/revoke', { ID: entry!.lease });
    const error = await failure(firstValueFrom(lease.renew()));
    expect(error.code).toBe('NOT_FOUND');
    expect(error.message).toContain(wire.endpoint);
    expect(error.message).toContain('thumbnails/default/node-1');
    expect((await failure(done(lease.update(nodeOf())))).code).toBe('NOT_FOUND');
    await done(lease.withdraw());
  });

  it('says that a key which somebody has deleted or written anew is lost, though its lease lives on', async () => {
    const deleted = await firstValueFrom(registry().put(nodeOf()));
    await firstValueFrom(deleted.renew());
    await server.remove(deleted.key);
    expect((await failure(firstValueFrom(deleted.renew()))).message).toMatch(/is lost: its key was deleted/);
    const old = await firstValueFrom(registry().put(nodeOf()));
    const young = await firstValueFrom(registry().put(nodeOf()));
    expect((await failure(firstValueFrom(old.renew()))).code).toBe('NOT_FOUND');
    expect(await firstValueFrom(young.renew())).toBe(2_000);
    for (const lease of [deleted, old, young]) await done(lease.withdraw());
  });

  it('is not taken for lost by a heartbeat while it moves to another key', async () => {
    const lease = await firstValueFrom(registry({ layout: 'grpcGo', prefix: 'rxfleet/' }).put(nodeOf()));
    for (let port = 1; port <= 20; port++) {
      const moved = done(lease.update(updateNode(nodeOf(), { address: { host: '10.0.0.8', port } })));
      expect(await firstValueFrom(lease.renew())).toBe(2_000);
      await moved;
    }
    await done(lease.withdraw());
  });

  it('gives each of two heartbeats under way its own answer, also when the first is left', async () => {
    const lease = await firstValueFrom(registry().put(nodeOf()));
    await firstValueFrom(lease.renew());
    wire.pause();
    const answers: string[] = [];
    const first = lease.renew().subscribe(() => answers.push('first'));
    const second = firstValueFrom(lease.renew());
    first.unsubscribe();
    wire.resume();
    expect(await second).toBe(2_000);
    expect(answers).toEqual([]);
    expect(await firstValueFrom(lease.renew())).toBe(2_000);
    await done(lease.withdraw());
  });

  it('changes what it says of itself in place, under the same lease', async () => {
    const lease = await firstValueFrom(registry().put(nodeOf()));
    const [before] = await server.list('rxfleet/');
    await done(lease.update(nodeOf({ weight: 5, availability: 'draining' })));
    const [after] = await server.list('rxfleet/');
    expect(after!.lease).toBe(before!.lease);
    expect(JSON.parse(after!.value)).toMatchObject({ weight: 5, state: 'draining' });
    await done(lease.withdraw());
    expect(await server.list('rxfleet/')).toEqual([]);
  });

  it('moves the key when the node does, leaving none behind', async () => {
    const lease = await firstValueFrom(registry({ layout: 'grpcGo', prefix: 'rxfleet/' }).put(nodeOf()));
    await done(lease.update(updateNode(nodeOf(), { address: { host: '10.0.0.8', port: 50_051 } })));
    expect((await server.list('rxfleet/')).map(({ key }) => key)).toEqual(['rxfleet/thumbnails/10.0.0.8:50051']);
    expect(lease.key).toBe('rxfleet/thumbnails/10.0.0.8:50051');
    await done(lease.withdraw());
    expect(await server.list('rxfleet/')).toEqual([]);
  });

  it('is withdrawn at once, by key and by lease, and withdrawing twice is no error', async () => {
    const lease = await firstValueFrom(registry().put(nodeOf()));
    await done(lease.withdraw());
    expect(await server.list('rxfleet/')).toEqual([]);
    expect((await server.ask('lease/leases', {})).leases ?? []).toEqual([]);
    await done(lease.withdraw());
  });

  it('takes its key away even when somebody has written it without the lease', async () => {
    const lease = await firstValueFrom(registry().put(nodeOf()));
    const [entry] = await server.list('rxfleet/');
    await server.put(entry!.key, entry!.value);
    await done(lease.withdraw());
    expect(await server.list('rxfleet/')).toEqual([]);
  });

  it('leaves a key to the process that has taken it over, and says so to its own owner', async () => {
    const [old, young] = [registry(), registry()];
    const first = await firstValueFrom(old.put(nodeOf()));
    const second = await firstValueFrom(young.put(nodeOf({ weight: 2 })));
    expect((await failure(done(first.update(nodeOf({ weight: 9 }))))).code).toBe('NOT_FOUND');
    await done(first.withdraw());
    const [entry] = await server.list('rxfleet/');
    expect(JSON.parse(entry!.value).weight).toBe(2);
    await done(second.withdraw());
  });

  it('leaves no lease behind when its owner goes while it is put in', async () => {
    for (const waitMs of [0, 1, 2, 3, 4, 6, 8, 12]) {
      let lease: Lease | undefined;
      const put = registry()
        .put(nodeOf({ id: `node-${waitMs}` }))
        .subscribe((granted) => (lease = granted));
      await new Promise((wait) => setTimeout(wait, waitMs));
      put.unsubscribe();
      if (lease) await done(lease.withdraw());
    }
    await until('the connections are closed', () => wire.open === 0);
    expect(await server.list('rxfleet/')).toEqual([]);
    for (const { ID: id } of (await server.ask('lease/leases', {})).leases ?? []) {
      // Granted after its owner had left: it holds nothing and ends by itself.
      expect((await server.ask('lease/timetolive', { ID: id, keys: true })).keys ?? []).toEqual([]);
    }
  });

  it('shares one connection and one stream of heartbeats among a thousand, and closes it after the last', async () => {
    const opened = wire.accepted;
    const shared = registry({ ttlMs: 20_000 });
    const leases = await lastValueFrom(
      range(0, 1_000).pipe(
        mergeMap((i) => shared.put(nodeOf({ id: `node-${i}` })), 64),
        toArray(),
      ),
    );
    const lives = await lastValueFrom(forkJoin(leases.map((lease) => lease.renew())));
    expect(lives).toHaveLength(1_000);
    expect(new Set(lives)).toEqual(new Set([20_000]));
    expect(wire.accepted - opened).toBe(1);
    expect(await server.list('rxfleet/')).toHaveLength(1_000);
    await lastValueFrom(range(0, 1_000).pipe(mergeMap((i) => leases[i]!.withdraw(), 64)), { defaultValue: undefined });
    expect(await server.list('rxfleet/')).toEqual([]);
    await until('the connection is closed', () => wire.open === 0);
  });

  it('goes on with its heartbeats over a new connection when the old one breaks', async () => {
    const lease = await firstValueFrom(registry().put(nodeOf()));
    await firstValueFrom(lease.renew());
    wire.cut();
    const error = await failure(firstValueFrom(lease.renew()));
    expect(error.code).toBe('UNAVAILABLE');
    expect(error.message).toContain(`etcd at ${wire.endpoint}`);
    wire.restore();
    expect(await firstValueFrom(lease.renew())).toBe(2_000);
    await done(lease.withdraw());
  });

  it('takes a heartbeat that is not answered for failed, and leaves the dead connection', async () => {
    const lease = await firstValueFrom(registry({ requestTimeoutMs: 300, ttlMs: 5_000 }).put(nodeOf()));
    await firstValueFrom(lease.renew());
    wire.pause();
    expect((await failure(firstValueFrom(lease.renew()))).code).toBe('UNAVAILABLE');
    wire.resume();
    expect(await firstValueFrom(lease.renew())).toBe(5_000);
    await done(lease.withdraw());
  });

  it('is driven by register(): registered, lost while cut off no later than its TTL, registered again, withdrawn', async () => {
    const states: { state: string; at: number; deadline?: number | undefined }[] = [];
    const life = register({ id: 'node-1', service: 'thumbnails', address: '10.0.0.7:50051' }, registry(), {
      backoff: { maxBackoffMs: 300 },
      answerTimeoutMs: 500,
    }).subscribe((registration) => {
      states.push({
        state: registration.state,
        at: Date.now(),
        deadline: (registration as { deadline?: number }).deadline,
      });
    });
    const seen = (state: string) => states.filter((each) => each.state === state).length;
    await until('it is registered', () => seen('registered') > 0);
    wire.cut();
    const cutAt = Date.now();
    await until('it is lost', () => seen('lost') > 0);
    expect(states.find(({ state }) => state === 'lost')!.at - cutAt).toBeLessThan(2_300);
    const before = seen('registered');
    wire.restore();
    await until('it is registered again', () => seen('registered') > before);
    expect(await server.list('rxfleet/')).toHaveLength(1);
    life.unsubscribe();
    const end = Date.now() + 5_000;
    while ((await server.list('rxfleet/')).length > 0 && Date.now() < end);
    expect(await server.list('rxfleet/')).toEqual([]);
  });

  it('says where it could not put, and what to do', async () => {
    wire.cut();
    const error = await failure(firstValueFrom(registry().put(nodeOf())));
    expect(error.code).toBe('UNAVAILABLE');
    expect(error.message).toMatch(/^etcd at 127\.0\.0\.1:\d+: .*check that it runs, is reachable, and has a leader$/);
  });

  it('refuses what its layout cannot hold, before anything is sent', async () => {
    const opened = wire.accepted;
    for (const [layout, node] of [
      ['flare', nodeOf({ address: 'db-1:5432' })],
      ['flare', nodeOf({ weight: 0.5 })],
      ['fyer', nodeOf({ id: 'a/b' })],
      ['fyer', createNode({ id: 'a', service: 's', address: '10.0.0.7:1' })],
    ] as const) {
      expect((await failure(firstValueFrom(registry({ layout }).put(node)))).code).toBe('INVALID_OPTION');
    }
    expect(wire.accepted).toBe(opened);
  });

  it('refuses senseless options by name', () => {
    expect(() => etcdRegistry({ ttlMs: 0 })).toThrow(/ttlMs/);
    expect(() => etcdRegistry({ endpoints: [] })).toThrow(/endpoints/);
    expect(() => etcdRegistry({ user: 'root' })).toThrow(/password/);
    expect(() => etcdRegistry({ layout: 'nope' as never })).toThrow(/layout must be one of rxfleet, flare/);
  });
});
