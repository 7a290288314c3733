/** mDNS discovery on loopback, against peers that are raw sockets and say what no good peer would. */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import {
  filter,
  firstValueFrom,
  ReplaySubject,
  take,
  timeout,
  toArray,
  type Observable,
  type Subscription,
} from 'rxjs';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { mdns, type MdnsOptions } from '../../src/discovery/mdns.js';
import type { DiscoveryEvent, DiscoveryQuery } from '../../src/discovery/discovery.js';
import { encodePacket } from '../../src/discovery/mdns/encode.js';
import { packetOf, type MdnsRecord } from '../../src/discovery/mdns/packet.js';
import { records, says, type, whole } from '../support/netnsFake.js';

const { ptr, srv, txt, a } = records;

/** A socket that says anything on the group of loopback. */
interface Peer {
  readonly port: number;
  say(bytes: Buffer): Promise<void>;
  tell(...answers: MdnsRecord[]): Promise<void>;
}

describe('mdns on loopback', () => {
  let socket: Socket;
  let peer: Peer;
  const lives: Subscription[] = [];

  beforeEach(async () => {
    // A port of its own, so that tests that run at the same time do not hear each other.
    const probe = createSocket('udp4').bind(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address();
    probe.close();
    socket = createSocket({ type: 'udp4', reuseAddr: true });
    socket.bind(port, '0.0.0.0');
    await once(socket, 'listening');
    socket.setMulticastInterface('127.0.0.1');
    socket.addMembership('224.0.0.251', '127.0.0.1');
    const say = (bytes: Buffer) =>
      new Promise<void>((done, fail) =>
        socket.send(bytes, port, '224.0.0.251', (error) => (error ? fail(error) : done())),
      );
    peer = {
      ...{ port, say },
      tell: async (...answers) => {
        for (const bytes of encodePacket(says(...answers))) await say(bytes);
      },
    };
  });
  afterEach(() => {
    for (const life of lives.splice(0)) life.unsubscribe();
    socket.close();
  });

  function find(query: Partial<DiscoveryQuery> = {}, options: MdnsOptions = {}) {
    const set$ = new ReplaySubject<NodeSet>();
    const event$ = new ReplaySubject<DiscoveryEvent>();
    const discovery = mdns({ interfaces: ['127.0.0.1'], port: peer.port, ...options });
    lives.push(discovery({ service: 'lumen', onEvent: (event) => event$.next(event), ...query }).subscribe(set$));
    const up = seen(event$, ({ type }) => type === 'connected');
    return { set$, event$, up };
  }
  const seen = <T>(source$: Observable<T>, match: (value: T) => boolean): Promise<T> =>
    firstValueFrom(source$.pipe(filter(match), timeout(8_000)));
  const ids = (set: NodeSet): string => set.nodes.map(({ id }) => id).join(' ');

  it('makes a node of what a Lumen hub announces', async () => {
    const { set$, up } = find();
    await up;
    await peer.tell(ptr('Hub\\.1'), srv('Hub\\.1'), txt('Hub\\.1', 'v=1.4', 'runtime=cuda'), a('127.0.0.1'));
    const set = await seen(set$, ({ size }) => size > 0);
    expect(set.nodes[0]).toMatchObject({
      ...{ id: 'Hub.1', name: 'Hub.1', service: 'lumen', version: '1.4', metadata: { v: '1.4', runtime: 'cuda' } },
      ...{ address: { host: '127.0.0.1', port: 5_001 }, sources: ['mdns'] },
    });
    expect(set.nodes[0]!.firstSeen).toBeGreaterThan(Date.now() - 10_000);
  });

  it('finds several servers of one host, and keeps the nodes that did not change', async () => {
    const { set$, up } = find();
    await up;
    await peer.tell(ptr('one'), srv('one', 'box', 120, 5_001), txt('one', 'uuid=1', 'status=ready', 'version=1.0.0'));
    await peer.tell(ptr('two'), srv('two', 'box', 120, 5_002), txt('two', 'uuid=2'), a('127.0.0.1', 'box'));
    const both = await seen(set$, ({ size }) => size === 2);
    await peer.tell(txt('two', 'uuid=3'));
    const after = await seen(set$, (set) => set.get('two')?.metadata.uuid === '3');
    expect(after.get('one')).toBe(both.get('one'));
    expect(after.get('two')).not.toBe(both.get('two'));
    expect(after.get('two')!.stats).toBe(both.get('two')!.stats);
    expect(after.get('one')!.version).toBe('1.0.0');
  });

  it('asks for the parts that are missing, and takes additional records as well as answers', async () => {
    const { set$, up } = find();
    await up;
    const asked: string[] = [];
    const mdnsQuestion = (name: string) => Buffer.from(name.split('.')[0]!);
    socket.on('message', (bytes) => {
      // A response has the top bit of its flags set.
      if (bytes[2]! & 0x80) return;
      if (bytes.includes(mdnsQuestion('slow')) && !asked.includes('srv')) {
        asked.push('srv');
        void peer.tell(srv('slow', 'far'));
      } else if (bytes.includes(Buffer.from('far')) && !asked.includes('a')) {
        asked.push('a');
        const [bytes] = encodePacket(
          packetOf('response', { answers: [txt('slow', 'v=2')], additionals: [a('127.0.0.1', 'far')] }),
        );
        void peer.say(bytes!);
      }
    });
    await peer.tell(ptr('slow'));
    const set = await seen(set$, (set) => set.get('slow')?.version === '2');
    expect(ids(set)).toBe('slow');
    expect(asked).toEqual(['srv', 'a']);
  });

  it('passes over malformed packets and senseless records, says so, and goes on', async () => {
    const { set$, event$, up } = find();
    await up;
    const good = encodePacket(whole('good'))[0]!;
    await peer.say(Buffer.from([1, 2, 3]));
    await peer.say(Buffer.alloc(1_000, 0xff));
    for (const length of [13, 20, 40, good.length - 1]) await peer.say(good.subarray(0, length));
    // A name that points at itself.
    await peer.say(Buffer.from('000084000000000100000000c00c000c000100000078000200c0', 'hex'));
    await peer.tell(ptr('zero'), srv('zero', 'host', 120, 0), txt('zero'));
    await peer.tell({ type: 'PTR', name: type, target: 'elsewhere.local', ttl: 120, flush: false });
    await peer.tell({
      type: 'PTR',
      name: '_ipp._tcp.local',
      target: 'printer._ipp._tcp.local',
      ttl: 120,
      flush: false,
    });
    await peer.say(good);
    const set = await seen(set$, ({ size }) => size > 0);
    expect(ids(set)).toBe('good');
    await seen(event$, ({ message }) => message.includes('_ipp._tcp.local is another service'));
    await seen(event$, ({ message }) => message.includes('no instance of'));
    await seen(event$, ({ message }) => message.includes(':0 is no address'));
    const skipped = await firstValueFrom(
      event$.pipe(
        filter((e) => e.type === 'skipped'),
        take(9),
        toArray(),
        timeout(5_000),
      ),
    );
    for (const event of skipped) expect(event).toMatchObject({ source: 'mdns', message: expect.any(String) });
  });

  it('survives a storm of random bytes', async () => {
    const { set$, up } = find();
    await up;
    const good = encodePacket(whole('good'))[0]!;
    let seed = 7;
    const next = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31);
    for (let i = 0; i < 400; i++) {
      const bytes = Buffer.from(good);
      for (let flips = 0; flips < 4; flips++) bytes[next() % bytes.length] = next() & 0xff;
      // Nothing that came through by chance may count.
      bytes.write('wrong', good.indexOf('lumen'));
      await peer.say(bytes);
    }
    // A busy machine may drop a packet of such a burst.
    const again = setInterval(() => void peer.say(good), 100);
    expect(ids(await seen(set$, ({ size }) => size > 0))).toBe('good');
    clearInterval(again);
  });

  it('lets a hostile TXT record harm nobody', async () => {
    const { set$, up } = find();
    await up;
    const strings = [
      '__proto__=polluted',
      'constructor=x',
      'a=1',
      'a=2',
      'flag',
      ...Array.from({ length: 30 }, (_, i) => `k${i}=${'y'.repeat(240)}`),
    ];
    await peer.tell(ptr('evil'), srv('evil'), a('127.0.0.1'));
    await peer.tell(txt('evil', ...strings));
    const set = await seen(set$, (set) => set.get('evil')?.metadata.flag === '');
    const { metadata } = set.get('evil')!;
    expect(Object.keys(metadata)).toHaveLength(34);
    expect(metadata.a).toBe('1');
    expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('ends nothing and empties nothing when an interface is not there', async () => {
    const { event$ } = find({}, { interfaces: ['nowhere0', '203.0.113.77'] });
    const event = await seen(event$, ({ type }) => type === 'disconnected');
    expect(event.message).toContain('none of the interfaces nowhere0, 203.0.113.77 is up');
  });

  it('hands what the user throws to the stream', async () => {
    const error = new Error('mine');
    const set$ = new ReplaySubject<NodeSet>();
    const onEvent = () => {
      throw error;
    };
    lives.push(mdns({ interfaces: ['127.0.0.1'], port: peer.port })({ service: 'lumen', onEvent }).subscribe(set$));
    await expect(firstValueFrom(set$.pipe(timeout(5_000)))).rejects.toBe(error);
  });
});
