/** `dns()` and a real name server: its contract, and what it reads. */

import { filter, firstValueFrom, ReplaySubject, Subject, timeout, type Subscription } from 'rxjs';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { dns, type DnsOptions } from '../../src/discovery/dns.js';
import type { DiscoveryEvent, DiscoveryQuery } from '../../src/discovery/discovery.js';
import { testDiscovery, type DiscoveryHarness } from '../../src/testing/testDiscovery.js';
import { namedOrReason, relayTo, startNamed, type DnsRelay, type NameServer } from '../support/named.js';
import { until } from '../support/until.js';

const programs = await namedOrReason();

describe.skipIf(typeof programs === 'string')('dns() and a real name server', () => {
  if (typeof programs === 'string') return;
  let server: NameServer;
  let relay: DnsRelay;
  const subscriptions: Subscription[] = [];
  beforeAll(async () => {
    server = await startNamed(programs);
    relay = await relayTo(server.port);
  });
  afterAll(async () => {
    await relay?.close();
    await server?.close();
  });

  const own = '_rxfleet-test._tcp.fleet.test.';
  const ports = new Map<string, number>();
  /** Answers that live a second are looked at again sooner, so that the suite is quick. */
  const quick: DnsOptions = { domain: 'fleet.test', minTtlMs: 20, maxTtlMs: 100, timeoutMs: 300, rounds: 1 };
  const put = async (name: string, port: number): Promise<void> => {
    const old = ports.get(name);
    ports.set(name, port);
    await server.update(
      ...(old === undefined ? [] : [`delete ${own} SRV 0 1 ${old} ${name}.fleet.test.`]),
      `add ${own} 1 SRV 0 1 ${port} ${name}.fleet.test.`,
      `add ${name}.fleet.test. 1 A 127.0.0.1`,
    );
  };
  const harness: DiscoveryHarness = {
    start: () => undefined,
    async stop() {
      await server.update(`delete ${own} SRV`);
      ports.clear();
    },
    discovery: () => dns({ ...quick, resolvers: [relay.address] }),
    id: (name) => `${name}.fleet.test`,
    add: ({ name, port }) => put(name, port),
    update: ({ name, port }) => put(name, port),
    async remove(name) {
      await server.update(`delete ${own} SRV 0 1 ${ports.get(name)} ${name}.fleet.test.`);
      ports.delete(name);
    },
    addBad: () => server.update(`add ${own} 1 SRV 0 1 99 nowhere.fleet.test.`),
    cut: () => relay.cut(),
    restore: () => relay.restore(),
  };
  testDiscovery('dns', harness);

  describe('what it reads', () => {
    afterEach(async () => {
      subscriptions.splice(0).forEach((subscription) => subscription.unsubscribe());
      relay.silence(false);
    });
    const watch = (service: string, options: DnsOptions = {}, query: Partial<DiscoveryQuery> = {}) => {
      const sets: NodeSet[] = [];
      const events: DiscoveryEvent[] = [];
      const set$ = new ReplaySubject<NodeSet>(1);
      const onEvent = (event: DiscoveryEvent) => void events.push(event);
      const discovery = dns({ ...quick, resolvers: [relay.address], ...options });
      subscriptions.push(discovery({ service, onEvent, ...query }).subscribe(set$));
      set$.subscribe({ next: (set) => sets.push(set), error: () => undefined });
      const next = (test: (set: NodeSet) => boolean) => firstValueFrom(set$.pipe(filter(test), timeout(10_000)));
      return { sets, events, next };
    };

    it('reads priority, weight, every address and the TXT records of a target', async () => {
      await server.update(
        'add _orders._tcp.fleet.test. 1 SRV 10 60 443 big.fleet.test.',
        'add _orders._tcp.fleet.test. 1 SRV 10 20 443 small.fleet.test.',
        'add _orders._tcp.fleet.test. 1 SRV 20 0 443 spare.fleet.test.',
        ...['big', 'small', 'spare'].map((name, i) => `add ${name}.fleet.test. 1 A 10.0.0.${i + 1}`),
        'add big.fleet.test. 1 A 10.0.1.1',
        'add big.fleet.test. 1 AAAA 2001:db8::1',
        'add big.fleet.test. 1 TXT "version=1.4.2" "zone=z1" "tier=gold" "gpu"',
      );
      const set = await watch('orders').next(({ size }) => size === 3);
      expect(set.get('big.fleet.test')).toMatchObject({
        ...{ name: 'big.fleet.test', service: 'orders', weight: 60, version: '1.4.2', zone: 'z1', sources: ['dns'] },
        ...{ tags: { tier: 'gold', gpu: '' }, metadata: { tier: 'gold', priority: '10' } },
        addresses: ['10.0.0.1', '10.0.1.1', '2001:db8::1'].map((host) => ({ host, port: 443 })),
      });
      expect(set.get('small.fleet.test')!.weight).toBe(20);
      const spare = set.get('spare.fleet.test')!;
      expect(spare.metadata.priority).toBe('20');
      expect(spare.weight).toBeCloseTo(0.08);
    });

    it('tells several nodes on one host apart, and keeps their ids while others come and go', async () => {
      const srv = (port: number) => `_many._tcp.fleet.test. 1 SRV 0 1 ${port} host.fleet.test.`;
      await server.update(`add ${srv(1)}`, 'add host.fleet.test. 1 A 127.0.0.1');
      const world = watch('many');
      const first = await world.next(({ size }) => size === 1);
      await server.update(`add ${srv(2)}`);
      const both = await world.next(({ size }) => size === 2);
      expect(both.nodes.map(({ id, address }) => [id, address.port])).toEqual([
        ['host.fleet.test', 1],
        ['host.fleet.test:2', 2],
      ]);
      expect(both.get('host.fleet.test')).toBe(first.get('host.fleet.test'));
      await server.update(`delete ${srv(1)}`);
      expect((await world.next(({ size }) => size === 1)).nodes[0]!.id).toBe('host.fleet.test:2');
    });

    it('lists the addresses of a name, each as a node with the port given', async () => {
      await server.update(
        ...['add web.fleet.test. 1 A 10.0.0.2', 'add web.fleet.test. 1 A 10.0.0.1', 'add web.fleet.test. 1 AAAA ::1'],
        'add web.fleet.test. 1 TXT "version=2.0.0"',
        'add www.fleet.test. 1 CNAME web.fleet.test.',
      );
      for (const name of ['web', 'www', 'www.fleet.test.']) {
        const set = await watch(name, { type: 'a', port: 8_080 }).next(() => true);
        expect(set.nodes.map(({ id }) => id)).toEqual(['10.0.0.1:8080', '10.0.0.2:8080', '[::1]:8080']);
      }
      const set = await watch('web', { type: 'a', port: 1 }).next(() => true);
      expect(set.nodes.map(({ version }) => version)).toEqual(['2.0.0', '2.0.0', '2.0.0']);
    });

    it('asks for the namespace in front of the domain, and for a protocol that the service names itself', async () => {
      await server.update(
        ...[
          'add _o._tcp.prod.fleet.test. 1 SRV 0 1 1 ns.fleet.test.',
          'add _o._udp.fleet.test. 1 SRV 0 1 2 ns.fleet.test.',
        ],
      );
      const inProd = await watch('o', {}, { namespace: 'prod' }).next(({ size }) => size === 1);
      expect(inProd.nodes[0]).toMatchObject({ namespace: 'prod', address: { port: 1 } });
      expect((await watch('_o._udp').next(({ size }) => size === 1)).nodes[0]!.address.port).toBe(2);
      const whole = { service: '_o._udp.fleet.test', domain: undefined };
      const { domain: _, ...rest } = quick;
      const discovery = dns({ ...rest, resolvers: [relay.address] });
      expect((await firstValueFrom(discovery({ service: whole.service }))).size).toBe(1);
    });

    it('is empty for a name that is not there, for one without such records, and for a service that is declared not to be', async () => {
      await server.update('add _off._tcp.fleet.test. 1 SRV 0 0 0 .', 'add _text._tcp.fleet.test. 1 TXT "x"');
      for (const service of ['nobody', 'text', 'off']) {
        const world = watch(service);
        expect((await world.next(() => true)).size).toBe(0);
        expect(world.sets[0]!.stale).toBeUndefined();
      }
    });

    it('honours the TTL: it asks no sooner, and not much later', async () => {
      await server.update('add _slow._tcp.fleet.test. 1 SRV 0 1 1 ns.fleet.test.');
      const world = watch('slow', { minTtlMs: 20, maxTtlMs: 60_000, attributes: 'none' });
      await world.next(({ size }) => size === 1);
      const from = relay.queries;
      const start = performance.now();
      await until('it asks again', () => relay.queries > from);
      expect(performance.now() - start).toBeGreaterThan(900);
      expect(performance.now() - start).toBeLessThan(1_600);
    });

    it('asks sooner for a node that a call failed on', async () => {
      await server.update(
        'add _moved._tcp.fleet.test. 60 SRV 0 1 1 m1.fleet.test.',
        'add m1.fleet.test. 60 A 10.0.0.1',
      );
      const reconfirm$ = new Subject<string>();
      const world = watch('moved', { minTtlMs: 50, maxTtlMs: 60_000, attributes: 'none' }, { reconfirm$ });
      await world.next(({ size }) => size === 1);
      await server.update('delete m1.fleet.test. A', 'add m1.fleet.test. 60 A 10.0.0.2');
      reconfirm$.next('m1.fleet.test');
      await world.next((set) => set.nodes[0]!.address.host === '10.0.0.2');
    });

    it('asks over TCP for what does not fit a datagram', async () => {
      const lines = Array.from({ length: 60 }, (_, i) => [
        `add _big._tcp.fleet.test. 1 SRV 0 1 ${i + 1} a-rather-long-name-of-a-host-${i}.fleet.test.`,
        `add a-rather-long-name-of-a-host-${i}.fleet.test. 1 A 10.0.1.${i}`,
      ]);
      await server.update(...lines.flat());
      const set = await watch('big', { attributes: 'none', maxTtlMs: 60_000 }).next(() => true);
      expect([set.size, set.stale]).toEqual([60, undefined]);
    });

    it('goes on to the next resolver when one is silent, and when one is closed', async () => {
      await server.update('add _f._tcp.fleet.test. 1 SRV 0 1 1 ns.fleet.test.');
      const silent = await relayTo(server.port);
      const closed = await relayTo(server.port);
      silent.silence(true);
      await closed.cut();
      try {
        const resolvers = [silent.address, closed.address, relay.address];
        const world = watch('f', { resolvers, attributes: 'none', timeoutMs: 100 });
        await world.next(({ size }) => size === 1);
        const asked = silent.queries;
        const from = relay.queries;
        await until('it has asked again', () => relay.queries > from + 3);
        // The one that answered is asked first from then on.
        expect(silent.queries).toBe(asked);
      } finally {
        await silent.close();
      }
    });

    it('keeps its nodes through the silence and the crash of the only resolver, marked stale, naming it', async () => {
      const srv = (port: number) => `_lone._tcp.fleet.test. 1 SRV 0 1 ${port} ns.fleet.test.`;
      await server.update(`add ${srv(1)}`);
      const world = watch('lone', { timeoutMs: 100 });
      await world.next(({ size }) => size === 1);
      relay.silence(true);
      const stale = await world.next((set) => set.stale !== undefined);
      expect(stale.size).toBe(1);
      expect(stale.stale!.reason).toContain(relay.address);
      relay.silence(false);
      await world.next((set) => !set.stale);
      await server.kill();
      await world.next((set) => set.stale !== undefined);
      await server.start();
      await server.update(`delete ${srv(1)}`, `add ${srv(2)}`);
      const fresh = await world.next((set) => !set.stale && set.nodes[0]?.address.port === 2);
      expect(fresh.nodes.map(({ id }) => id)).toEqual(['ns.fleet.test']);
      expect(world.sets.every(({ size }) => size > 0)).toBe(true);
    });

    it('asks nothing more once nobody listens', async () => {
      await server.update('add _q._tcp.fleet.test. 1 SRV 0 1 1 ns.fleet.test.');
      const world = watch('q', { maxTtlMs: 50 });
      const from = relay.queries;
      await until('it asks again and again', () => relay.queries > from + 10);
      await world.next(() => true);
      subscriptions.splice(0).forEach((subscription) => subscription.unsubscribe());
      const { queries } = relay;
      const end = Date.now() + 300;
      await until('some lives have passed', () => Date.now() > end);
      expect(relay.queries - queries).toBeLessThanOrEqual(1);
    });
  });
});
