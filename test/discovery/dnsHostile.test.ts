/** Forged, broken and missing answers: `dns()` against a name server that misbehaves. */

import { filter, firstValueFrom, ReplaySubject, timeout, type Subscription } from 'rxjs';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { dns, type DnsOptions } from '../../src/discovery/dns.js';
import type { DiscoveryEvent } from '../../src/discovery/discovery.js';
import { until } from '../support/until.js';
import { fakeNameServer, records, type FakeNameServer, type FakeQuery, type FakeReply } from './dnsFake.js';

const { srv, a, cname, soa } = records;
const own = '_web._tcp.fleet.test';
const good = { answers: [srv(own, 'w1.fleet.test', 80)], additionals: [a('w1.fleet.test', '10.0.0.1')] };
const none = { authorities: [soa('fleet.test')] };

describe('dns() and a name server that misbehaves', () => {
  const servers: FakeNameServer[] = [];
  const subscriptions: Subscription[] = [];
  afterEach(async () => {
    subscriptions.splice(0).forEach((subscription) => subscription.unsubscribe());
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });
  const start = async (script: (query: FakeQuery, count: number) => readonly FakeReply[]): Promise<FakeNameServer> => {
    const server = await fakeNameServer(script);
    servers.push(server);
    return server;
  };
  const watch = (options: DnsOptions = {}) => {
    const sets: NodeSet[] = [];
    const events: DiscoveryEvent[] = [];
    const set$ = new ReplaySubject<NodeSet>(1);
    const resolvers = servers.map(({ address }) => address);
    const quick = { domain: 'fleet.test', timeoutMs: 200, rounds: 1, minTtlMs: 20, maxTtlMs: 60_000 };
    const discovery = dns({ ...quick, attributes: 'none', resolvers, ...options });
    const onEvent = (event: DiscoveryEvent) => void events.push(event);
    subscriptions.push(discovery({ service: 'web', onEvent }).subscribe(set$));
    set$.subscribe({ next: (set) => sets.push(set), error: () => undefined });
    const next = (test: (set: NodeSet) => boolean = () => true) =>
      firstValueFrom(set$.pipe(filter(test), timeout(5_000)));
    return { sets, events, next };
  };
  const hosts = (set: NodeSet) => set.nodes.map(({ address }) => `${address.host}:${address.port}`);
  /** Answers for the service, and that there is nothing else. */
  const only =
    (name: string, ...replies: readonly FakeReply[]) =>
    (query: FakeQuery) =>
      query.name === name && query.type === 'SRV' ? replies : [none];

  it('takes the addresses that come along, and asks for nothing more', async () => {
    const server = await start(only(own, good));
    expect(hosts(await watch().next())).toEqual(['10.0.0.1:80']);
    expect(server.queries).toEqual([{ name: own, type: 'SRV', via: 'udp', edns: true }]);
  });

  it.each<[string, FakeReply]>([
    ['with another id', { ...good, idOff: 1, answers: [srv(own, 'evil.fleet.test', 666)] }],
    [
      'to another question',
      { question: { name: 'other.fleet.test', type: 'SRV' }, answers: [srv(own, 'evil.test', 666)] },
    ],
    ['to another type of question', { question: { name: own, type: 'A' }, answers: [srv(own, 'evil.test', 666)] }],
    ['that is noise', { bytes: Buffer.from('noise') }],
    ['whose name points to itself', { bytes: Buffer.from('000081800001000000000000c00c00210001', 'hex') }],
    ['that is a query', { bytes: Buffer.from('00000100000000000000000000', 'hex') }],
  ])('passes over an answer %s, and takes the right one after it', async (_, forged) => {
    await start(only(own, forged, good));
    expect(hosts(await watch().next())).toEqual(['10.0.0.1:80']);
  });

  it('uses a new id for each query, so that none can be guessed from the last', async () => {
    const { createSocket } = await import('node:dgram');
    const { decode } = await import('dns-packet');
    const socket = createSocket('udp4');
    const seen: { id: number; port: number }[] = [];
    socket.on('message', (bytes, from) => seen.push({ id: decode(bytes).id!, port: from.port }));
    await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound));
    try {
      const address = `127.0.0.1:${socket.address().port}`;
      watch({ resolvers: [address], timeoutMs: 10, rounds: 20 });
      await until('it has asked often', () => seen.length >= 20);
      const ids = seen.map(({ id }) => id);
      expect(new Set(ids).size).toBeGreaterThan(18);
      expect(new Set(seen.map(({ port }) => port)).size).toBeGreaterThan(10);
      expect(ids.slice(1).filter((id, index) => id === ids[index]! + 1).length).toBeLessThan(3);
    } finally {
      socket.close();
    }
  });

  it('asks over TCP when the answer was cut, and takes nothing of what was cut', async () => {
    const server = await start((query) => {
      if (query.type !== 'SRV') return [none];
      if (query.via === 'udp') return [{ truncated: true, answers: [srv(own, 'half.fleet.test', 1)] }];
      return [good];
    });
    expect(hosts(await watch().next())).toEqual(['10.0.0.1:80']);
    expect(server.queries.map(({ via }) => via)).toEqual(['udp', 'tcp']);
  });

  it('asks without EDNS where the server does not understand it', async () => {
    const server = await start((query) => (query.edns ? [{ rcode: 'FORMERR' }] : [good]));
    expect(hosts(await watch().next())).toEqual(['10.0.0.1:80']);
    expect(server.queries.map(({ edns }) => edns)).toEqual([true, false]);
  });

  it.each<[string, readonly FakeReply[]]>([
    ['SERVFAIL', [{ rcode: 'SERVFAIL' }]],
    ['REFUSED', [{ rcode: 'REFUSED' }]],
    ['silence', []],
    ['NXDOMAIN that no authority confirms', [{ rcode: 'NXDOMAIN' }]],
    ['nothing at all, as of a server that knows the zone no more', [{}]],
    ['the SOA record of a zone that the name is not in', [{ rcode: 'NXDOMAIN', authorities: [soa('evil.test')] }]],
  ])('goes on to the next resolver over %s, and keeps its nodes where there is none', async (_, bad) => {
    let broken = true;
    // Its address is there all the while: it may be asked for by itself.
    const others = (query: FakeQuery) => (query.type === 'A' ? [{ answers: good.additionals }] : [none]);
    await start((query) => (query.type !== 'SRV' ? others(query) : broken ? bad : [good]));
    await start(only(own, good));
    expect(hosts(await watch().next())).toEqual(['10.0.0.1:80']);
    broken = false;
    const lone = watch({ resolvers: [servers[0]!.address], maxTtlMs: 50 });
    await lone.next((set) => set.size === 1);
    broken = true;
    const stale = await lone.next((set) => set.stale !== undefined);
    expect(stale.size).toBe(1);
    expect(stale.stale!.reason).toContain(servers[0]!.address);
    expect(stale.stale!.reason).toContain(own);
    broken = false;
    await lone.next((set) => !set.stale && set.size === 1);
    expect(lone.sets.every(({ size }) => size === 1)).toBe(true);
  });

  it.each<[string, FakeReply]>([
    ['that the name is not there', { rcode: 'NXDOMAIN', ...none }],
    ['that it has no such records', none],
    ['so itself, as the server of the zone', { rcode: 'NXDOMAIN', authoritative: true }],
  ])('is empty when the authority says %s', async (_, reply) => {
    await start(() => [reply]);
    const world = watch();
    expect((await world.next()).size).toBe(0);
    expect(world.sets[0]!.stale).toBeUndefined();
  });

  it('remembers what is not there for as long as the SOA record says', async () => {
    let gone = true;
    const server = await start(() => [gone ? { rcode: 'NXDOMAIN', authorities: [soa('fleet.test', 1)] } : good]);
    const world = watch();
    await world.next(({ size }) => size === 0);
    gone = false;
    const from = performance.now();
    await world.next(({ size }) => size === 1);
    expect(performance.now() - from).toBeGreaterThan(800);
    expect(server.queries).toHaveLength(2);
  });

  it('follows aliases, within one answer and from one to the next, but not for ever', async () => {
    await start((query) => {
      if (query.name === own) return [{ answers: [cname(own, 'x.test'), cname('x.test', 'y.test')] }];
      if (query.name === 'y.test')
        return [{ answers: [srv('y.test', 'w1.fleet.test', 80)], additionals: good.additionals }];
      return [none];
    });
    expect(hosts(await watch().next())).toEqual(['10.0.0.1:80']);
    const server = await start(({ name }) => [{ answers: [cname(name, `x${name}`.slice(0, 60))] }]);
    const world = watch({ resolvers: [server.address] });
    await until('it gives up', () => world.events.length > 0);
    expect(world.events[0]).toMatchObject({ type: 'disconnected', message: expect.stringContaining('aliases') });
  });

  it('asks for a target once at a time, however many records name it', async () => {
    const answers = Array.from({ length: 20 }, (_, i) => srv(own, 'host.fleet.test', i + 1));
    const server = await start((query) => {
      if (query.type === 'SRV') return [{ answers }];
      return query.type === 'A' ? [{ answers: [a('host.fleet.test', '10.0.0.1')] }] : [none];
    });
    expect((await watch().next()).size).toBe(20);
    expect(server.queries.map(({ type }) => type).sort()).toEqual(['A', 'AAAA', 'SRV']);
  });

  it('keeps the last addresses of a target that cannot be asked for, marked stale, and sees the others change', async () => {
    let broken = false;
    let ports = [1, 1];
    await start((query) => {
      if (query.type === 'SRV') {
        return [{ answers: [srv(own, 'w1.fleet.test', ports[0]!, 0), srv(own, 'w2.fleet.test', ports[1]!, 0)] }];
      }
      if (query.type !== 'A') return [none];
      if (query.name === 'w1.fleet.test' && broken) return [{ rcode: 'SERVFAIL' }];
      return [{ answers: [a(query.name, query.name === 'w1.fleet.test' ? '10.0.0.1' : '10.0.0.2', 0)] }];
    });
    const world = watch();
    await world.next(({ size }) => size === 2);
    broken = true;
    await world.next((set) => set.stale?.reason.includes('w1.fleet.test') ?? false);
    ports = [1, 2];
    const set = await world.next((each) => each.get('w2.fleet.test')?.address.port === 2);
    expect([hosts(set), set.stale !== undefined]).toEqual([['10.0.0.1:1', '10.0.0.2:2'], true]);
  });

  it.each([
    [{ resolvers: ['ns.example:53'] }, 'resolvers'],
    [{ resolvers: [] }, 'resolvers'],
    [{ type: 'a' as const }, 'port'],
    [{ port: 5 }, 'port'],
    [{ minTtlMs: 1_000, maxTtlMs: 10 }, 'maxTtlMs'],
    [{ protocol: '_tcp.' }, 'protocol'],
    [{ rounds: 0 }, 'rounds'],
  ])('refuses senseless options at once: %o', (options, field) => {
    expect(() => dns(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(() => dns(options)).toThrow(field);
  });

  it.each([
    ['', 'fleet.test'],
    ['web', undefined],
    ['a..b', 'fleet.test'],
    ['x'.repeat(64), 'fleet.test'],
  ])('errors for the service "%s" in the domain %s, which makes no name', async (service, domain) => {
    const discovery = dns({ resolvers: ['127.0.0.1'], ...(domain ? { domain } : {}) });
    await expect(firstValueFrom(discovery({ service }))).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});
