/** The contract of a discovery, held by mDNS on loopback: our own announcements, and python-zeroconf's. */

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { BehaviorSubject, filter, firstValueFrom, ReplaySubject, timeout, toArray, type Subscription } from 'rxjs';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { mdns } from '../../src/discovery/mdns.js';
import { encodePacket } from '../../src/discovery/mdns/encode.js';
import { packetOf } from '../../src/discovery/mdns/packet.js';
import { advertise, type ServiceInstance } from '../../src/registration/mdns.js';
import { testDiscovery, type DiscoveryHarness, type TestNode } from '../../src/testing/testDiscovery.js';
import { startZeroconf, zeroconfOrReason, type Zeroconf } from '../support/avahi.js';
import { started } from '../support/netns.js';

const interfaces = ['127.0.0.1'];

/** What both harnesses share: a service of their own, so that tests that run at the same time do not meet. */
function harness(service: string, port: number) {
  return {
    query: { service },
    discovery: () => mdns({ interfaces, port }),
    opened: () => process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length,
    addBad: () =>
      new Promise<void>((done) => {
        const type = `_${service}._tcp.local`;
        const bad = { type: 'PTR', name: type, target: 'elsewhere.local', ttl: 120, flush: false } as const;
        const socket = createSocket('udp4').bind(0, '127.0.0.1', () => {
          socket.setMulticastInterface('127.0.0.1');
          socket.send(encodePacket(packetOf('response', { answers: [bad] }))[0]!, port, '224.0.0.251', () => {
            socket.close();
            done();
          });
        });
      }),
  } satisfies Partial<DiscoveryHarness>;
}

describe('mdns, announced by advertise()', () => {
  const port = 20_000 + (process.pid % 12_000);
  const live = new Map<string, { instance$: BehaviorSubject<ServiceInstance>; life: Subscription }>();
  const instanceOf = ({ name, port }: TestNode): ServiceInstance => ({
    ...{ service: 'rxfleet-test', name, port, addresses: ['127.0.0.1'] },
  });
  const end = (name: string): void => {
    live.get(name)?.life.unsubscribe();
    live.delete(name);
  };
  testDiscovery('mdns', {
    ...harness('rxfleet-test', port),
    history: false,
    start: () => undefined,
    stop: () => [...live.keys()].forEach(end),
    async add(node) {
      const instance$ = new BehaviorSubject(instanceOf(node));
      const state$ = new BehaviorSubject('');
      const options = { interfaces, port, probeIntervalMs: 20, announceIntervalMs: 50 };
      const life = advertise(instance$, options).subscribe(({ state }) => state$.next(state));
      live.set(node.name, { instance$, life });
      await firstValueFrom(
        state$.pipe(
          filter((state) => state === 'announced'),
          timeout(5_000),
        ),
      );
    },
    update: (node) => live.get(node.name)!.instance$.next(instanceOf(node)),
    remove: end,
  });
});

const peers = await zeroconfOrReason();

describe.skipIf(typeof peers === 'string')('mdns, announced by python-zeroconf', () => {
  if (typeof peers === 'string') return;
  const service = `rxt-${process.pid % 100_000}`;
  let zeroconf: Zeroconf;
  const live = new Set<string>();
  const tell = ({ name, port }: TestNode): Promise<void> => {
    live.add(name);
    return zeroconf.tell({
      name,
      server: `${name}-${service}.local.`,
      addresses: ['127.0.0.1'],
      port,
      txt: { v: '1' },
    });
  };
  const withdraw = async (name: string): Promise<void> => {
    live.delete(name);
    await zeroconf.withdraw(name);
  };
  beforeAll(() => {
    const onThisHost = (command: string, args: readonly string[], env: NodeJS.ProcessEnv) =>
      started(spawn(command, args, { env, stdio: 'pipe' }));
    zeroconf = startZeroconf(onThisHost, peers, '127.0.0.1', service);
  });
  afterAll(() => zeroconf.process.kill());
  testDiscovery('mdns', {
    ...harness(service, 5_353),
    history: false,
    start: () => undefined,
    stop: async () => {
      for (const name of [...live]) await withdraw(name);
    },
    ...{ add: tell, update: tell, remove: withdraw },
  });

  it('does not send calls back to the port that a server has left, when it answers late with what it said before', async () => {
    const set$ = new ReplaySubject<NodeSet>();
    const id = 'mover';
    const at = (set: NodeSet) => set.get(id)?.addresses.map(({ port }) => port) ?? [];
    const moved = (port: number) =>
      firstValueFrom(
        set$.pipe(
          filter((set) => at(set).join() === String(port)),
          timeout(10_000),
        ),
      );
    await tell({ name: id, port: 6_000 });
    const life = mdns({ interfaces })({ service }).subscribe(set$);
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.setMulticastInterface('127.0.0.1');
    const question = { type: 'PTR', name: `_${service}._tcp.local` } as const;
    const query = encodePacket(packetOf('query', { questions: [question] }))[0]!;
    const ports = [6_001, 6_002, 6_003];
    await moved(6_000);
    for (const port of ports) {
      // The answer is prepared when the question comes, and said 20 to 120 ms later.
      await new Promise<void>((sent) => socket.send(query, 5_353, '224.0.0.251', () => sent()));
      await tell({ name: id, port });
      await moved(port);
    }
    life.unsubscribe();
    socket.close();
    set$.complete();
    const sets = await firstValueFrom(set$.pipe(toArray()));
    const firsts = sets.flatMap((set) => at(set).slice(0, 1)).filter((port, i, all) => port !== all[i - 1]);
    expect(firsts).toEqual([6_000, ...ports]);
    await withdraw(id);
  });
});
