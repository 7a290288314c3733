/** flare's quick build, with real servers and a registry in memory. */

import { filter, firstValueFrom, timeout, type Observable } from 'rxjs';
import { createClient } from '../../src/client/client.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { memoryRegistry } from '../../src/registration/memoryRegistry.js';
import { quickBuild, registerAndDiscover, type RegisteredFleet } from '../../src/registration/registerAndDiscover.js';
import type { Registry } from '../../src/registration/registry.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter, type Greeter as Server } from '../support/greeter.js';

const servers: Server[] = [];
const built: RegisteredFleet[] = [];
afterEach(async () => {
  for (const { fleet } of built.splice(0)) await fleet.close({ drainMs: 0 });
  for (const server of servers.splice(0)) await server.close(0);
});

const until = <T>(source$: Observable<T>, test: (value: T) => boolean): Promise<T> =>
  firstValueFrom(source$.pipe(filter(test), timeout(10_000)));
const ready = (size: number) => (set: NodeSet) =>
  set.size === size && set.nodes.every(({ availability }) => availability === 'ready');

describe('registerAndDiscover', () => {
  it('has the defaults that flare documents', () => {
    expect(quickBuild).toEqual({
      ...{ heartbeatMs: 30_000, ttlMs: 90_000, refreshMs: 30_000 },
      health: { intervalMs: 10_000, timeoutMs: 5_000, failuresOut: 3, successesIn: 2 },
    });
  });

  it('two services find each other, calls with one key go to one of them, and who leaves is gone', async () => {
    const registry = memoryRegistry({ ttlMs: quickBuild.ttlMs });
    for (const name of ['a', 'b']) {
      const server = await startGreeter({ name });
      servers.push(server);
      built.push(
        registerAndDiscover({
          ...{ service: 'demo.Greeter', id: name, address: server.address, namespace: 'production', version: '1.0.0' },
          ...{ discovery: registry.discovery, registry: () => registry, transport: grpcTransport() },
        }),
      );
    }
    const lives = built.map(({ registration$ }) => registration$.subscribe());
    const [first] = built as [RegisteredFleet];
    // The quick start of flare cannot find its own node when that has a namespace; this one finds both.
    const set = await until(first.fleet.nodes$, ready(2));
    expect(set.nodes.map(({ id, namespace, version }) => [id, namespace, version])).toEqual([
      ['a', 'production', '1.0.0'],
      ['b', 'production', '1.0.0'],
    ]);
    const greeter = createClient(first.fleet, Greeter);
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => firstValueFrom(greeter.sayHello({ name: 'Ada' }, { key: 'user-7' }))),
    );
    expect(new Set(replies.map(({ node }) => node)).size).toBe(1);

    lives[1]!.unsubscribe();
    await until(first.fleet.nodes$, (now) => now.size === 1);
    lives[0]!.unsubscribe();
    await until(first.fleet.nodes$, (now) => now.size === 0);
  });

  it('registers once, however many watch, and makes the registry for a life of 90 s', async () => {
    let puts = 0;
    let life = 0;
    const memory = memoryRegistry({ ttlMs: quickBuild.ttlMs });
    const counting: Registry = {
      name: 'memory',
      put: (node) => {
        puts++;
        return memory.put(node);
      },
    };
    const made = registerAndDiscover({
      ...{ service: 'demo.Greeter', address: '127.0.0.1:1', discovery: memory.discovery, transport: grpcTransport() },
      registry: ({ ttlMs }) => {
        life = ttlMs;
        return counting;
      },
    });
    built.push(made);
    expect(puts).toBe(0);
    const one = made.registration$.subscribe();
    const { deadline } = await until(made.registration$, ({ state }) => state === 'registered');
    expect(Math.abs(deadline! - Date.now() - 90_000)).toBeLessThan(1_000);
    expect([puts, life]).toEqual([1, 90_000]);
    one.unsubscribe();
  });

  it('refuses a wait that makes no sense', () => {
    const memory = memoryRegistry();
    const build = () =>
      registerAndDiscover({
        ...{ service: 'demo', address: '127.0.0.1:1', discovery: memory.discovery, registry: memory, refreshMs: 0 },
        transport: grpcTransport(),
      });
    expect(build).toThrow('refreshMs must be above 0, not 0');
  });
});
