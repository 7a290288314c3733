/** The local network as a registry: what is announced of a node, and what becomes of one that nobody can hear. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  BehaviorSubject,
  filter,
  firstValueFrom,
  ReplaySubject,
  Subject,
  timeout,
  type Observable,
  type Subscription,
} from 'rxjs';
import { createNode, type NodeInit } from '../../src/core/node.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { mdns } from '../../src/discovery/mdns.js';
import { mdnsRegistry } from '../../src/registration/mdns.js';
import type { Advertisement } from '../../src/registration/mdns/advertisement.js';
import { announcedLease } from '../../src/registration/mdns/announcedLease.js';
import { nodeInstance } from '../../src/registration/mdns/nodeInstance.js';
import { register } from '../../src/registration/register.js';
import type { Registration } from '../../src/registration/registration.js';

const lives: Subscription[] = [];
afterEach(() => {
  for (const life of lives.splice(0)) life.unsubscribe();
});

async function freePort(): Promise<number> {
  const probe = createSocket('udp4').bind(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  return port;
}
const until = <T>(source$: Observable<T>, test: (value: T) => boolean): Promise<T> =>
  firstValueFrom(source$.pipe(filter(test), timeout(8_000)));
const hub: NodeInit = { service: 'lumen', id: 'hub-1', address: '0.0.0.0:50051' };

describe('mdnsRegistry', () => {
  it('announces a node with all that is known of it, found by our discovery', async () => {
    const port = await freePort();
    const network = { interfaces: ['127.0.0.1'], port };
    const set$ = new ReplaySubject<NodeSet>(1);
    const told$ = new ReplaySubject<Registration>();
    lives.push(mdns(network)({ service: 'lumen' }).subscribe(set$));
    const node: NodeInit = {
      ...hub,
      version: '1.2.0',
      weight: 3,
      zone: 'eu-1',
      tags: { gpu: '', rack: '7' },
      metadata: { runtime: 'onnx' },
    };
    const registry = mdnsRegistry({ ...network, probeIntervalMs: 30, announceIntervalMs: 50 });
    lives.push(register(node, registry).subscribe(told$));
    const set = await until(set$, ({ size }) => size === 1);
    expect(set.nodes[0]).toMatchObject({
      ...{ id: 'hub-1', version: '1.2.0', address: { host: '127.0.0.1', port: 50_051 } },
      ...{ weight: 3, zone: 'eu-1', tags: { gpu: '', rack: '7' } },
      metadata: { v: '1.2.0', weight: '3', zone: 'eu-1', tags: 'gpu,rack=7', runtime: 'onnx' },
    });
    const { key, deadline } = await until(told$, ({ state }) => state === 'registered');
    expect(key).toBe('hub-1');
    expect(Math.abs(deadline! - Date.now() - 120_000)).toBeLessThan(5_000);
  });

  it('a name that is taken becomes another, and the key of the registration with it', async () => {
    const port = await freePort();
    const registry = mdnsRegistry({ interfaces: ['127.0.0.1'], port, probeIntervalMs: 50, announceIntervalMs: 50 });
    const first$ = new ReplaySubject<Registration>();
    const second$ = new ReplaySubject<Registration>();
    lives.push(register(hub, registry).subscribe(first$));
    await until(first$, ({ state }) => state === 'registered');
    lives.push(register({ ...hub, address: '0.0.0.0:50052' }, registry).subscribe(second$));
    expect((await until(second$, ({ state }) => state === 'registered')).key).toBe('hub-1 (2)');
  });

  it('without an interface it is not registered, and says why', async () => {
    const registry = mdnsRegistry({ interfaces: ['192.0.2.77'], port: await freePort() });
    const told$ = new ReplaySubject<Registration>();
    lives.push(register(hub, registry).subscribe(told$));
    const { state, reason } = await until(told$, (each) => each.reason !== undefined);
    expect([state, reason]).toEqual([
      'registering',
      expect.stringMatching(/^mdns cannot announce: .*: bring an interface up/),
    ]);
  });

  it('refuses a host name, since what is announced are addresses', () => {
    const node = createNode({ service: 'lumen', address: 'hub.example:1' });
    expect(() => nodeInstance(node)).toThrow(
      'mdns announces IP addresses, and "hub.example" of node hub.example:1 is none',
    );
  });

  it('refuses senseless options when it is made, not at the first registration', () => {
    expect(() => mdnsRegistry({ probeIntervalMs: -1 })).toThrow('probeIntervalMs');
  });

  it('a lease whose last interface has gone is lost at its heartbeat, and its announcement ends', async () => {
    const state$ = new BehaviorSubject<Advertisement>({ state: 'announced', name: 'hub-1', host: 'h.local' });
    const lease = await firstValueFrom(announcedLease(createNode(hub), () => state$, 9_000));
    expect(await firstValueFrom(lease.renew())).toBe(9_000);
    state$.next({ state: 'waiting', name: 'hub-1', host: 'h.local', reason: 'eth0 went down' });
    const error: unknown = await firstValueFrom(lease.renew()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('eth0 went down') });
    expect(state$.observed).toBe(false);
    await expect(firstValueFrom(lease.update(createNode(hub)))).rejects.toThrow('is not announced any more');
  });

  it('a put that is left before it was announced ends the announcement', () => {
    const state$ = new Subject<Advertisement>();
    const putting = announcedLease(createNode(hub), () => state$, 1_000).subscribe();
    expect(state$.observed).toBe(true);
    putting.unsubscribe();
    expect(state$.observed).toBe(false);
  });
});
