/** Announcing by mDNS on loopback: to our own discovery, and to askers of every kind. */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { decode, encode, type Packet as DnsPacket } from 'dns-packet';
import {
  filter,
  firstValueFrom,
  ReplaySubject,
  skipWhile,
  Subject,
  timeout,
  type Observable,
  type Subscription,
} from 'rxjs';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { mdns } from '../../src/discovery/mdns.js';
import {
  advertise,
  type Advertisement,
  type AdvertiseOptions,
  type ServiceInstance,
} from '../../src/registration/mdns.js';
import { isConflict, tieBreak } from '../../src/registration/mdns/conflict.js';
import { rename } from '../../src/registration/mdns/rename.js';
import { records, says, type } from '../support/netnsFake.js';

describe('advertise on loopback', () => {
  let port: number;
  const lives: Subscription[] = [];
  const sockets: Socket[] = [];
  const hub: ServiceInstance = {
    ...{ service: 'lumen', name: 'Hub 1.0', port: 5_001, addresses: ['127.0.0.1'] },
    txt: { v: '1.2.0', runtime: 'onnx', flag: true, raw: new Uint8Array([0xc3, 0xa9]), none: undefined },
  };

  beforeEach(async () => {
    const probe = createSocket('udp4').bind(0, '127.0.0.1');
    await once(probe, 'listening');
    port = probe.address().port;
    probe.close();
  });
  afterEach(() => {
    for (const life of lives.splice(0)) life.unsubscribe();
    for (const socket of sockets.splice(0)) socket.close();
  });

  function announce(instance: ServiceInstance | Observable<ServiceInstance>, options: AdvertiseOptions = {}) {
    const state$ = new ReplaySubject<Advertisement>();
    const life = advertise(instance, {
      ...{ interfaces: ['127.0.0.1'], port, probeIntervalMs: 50, announceIntervalMs: 100, ...options },
    }).subscribe(state$);
    lives.push(life);
    return { life, state$, announced: seen(state$, ({ state }) => state === 'announced') };
  }
  function find() {
    const set$ = new ReplaySubject<NodeSet>();
    lives.push(mdns({ interfaces: ['127.0.0.1'], port })({ service: 'lumen' }).subscribe(set$));
    return set$;
  }
  const seen = <T>(source$: Observable<T>, match: (value: T) => boolean): Promise<T> =>
    firstValueFrom(source$.pipe(filter(match), timeout(8_000)));
  /** Asks from a port of its own, as a simple resolver does; the first answer. */
  const ask = async (question: object, id = 0, unicast = false): Promise<DnsPacket> => {
    const socket = createSocket('udp4');
    sockets.push(socket);
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.setMulticastInterface('127.0.0.1');
    const query = encode({ type: 'query', id, questions: [question as never] });
    // The QU bit: the top of the class, which ends the packet.
    if (unicast) query[query.length - 2]! |= 0x80;
    socket.send(query, port, '224.0.0.251');
    const [bytes] = (await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })) as [Buffer];
    return decode(bytes);
  };

  it('is found by our own discovery with all that it tells, and is gone after its goodbye', async () => {
    const set$ = find();
    const { life } = announce(hub);
    const set = await seen(set$, ({ size }) => size === 1);
    expect(set.nodes[0]).toMatchObject({
      ...{ id: 'Hub 1.0', version: '1.2.0', addresses: [{ host: '127.0.0.1', port: 5_001 }] },
      metadata: { v: '1.2.0', runtime: 'onnx', flag: '', raw: 'é' },
    });
    expect('none' in set.nodes[0]!.metadata).toBe(false);
    const gone = seen(set$.pipe(skipWhile(({ size }) => size === 0)), ({ size }) => size === 0);
    life.unsubscribe();
    await gone;
  });

  it('answers the one unicast question of the Lumen SDK with everything that it needs', async () => {
    await announce(hub).announced;
    // Class IN with the QU bit, id 0, from an ephemeral port; no further question follows.
    const answer = await ask({ name: type, type: 'PTR' }, 0, true);
    const all = [...answer.answers!, ...answer.additionals!] as {
      name: string;
      type: string;
      ttl: number;
      flush: boolean;
    }[];
    expect(all.map(({ type, name }) => `${type} ${name}`)).toEqual([
      `PTR ${type}`,
      `SRV Hub 1.0.${type}`,
      `TXT Hub 1.0.${type}`,
      expect.stringMatching(/^A rxfleet-[0-9a-f]{8}\.local$/),
    ]);
    // RFC 6762, 6.7: a simple resolver keeps nothing for long, and knows no cache-flush bit.
    expect(all.every(({ ttl, flush }) => ttl <= 10 && !flush)).toBe(true);
  });

  it('repeats the id and the question to a simple resolver', async () => {
    await announce(hub).announced;
    const answer = await ask({ name: '_services._dns-sd._udp.local', type: 'PTR' }, 4_242);
    expect(answer.id).toBe(4_242);
    expect(answer.questions).toMatchObject([{ name: '_services._dns-sd._udp.local', type: 'PTR' }]);
    expect(answer.answers).toMatchObject([{ data: type }]);
  });

  it('gives two that want one name two names, and discovery finds both', async () => {
    const set$ = find();
    const one = announce(hub);
    const two = announce({ ...hub, port: 5_002 });
    const names = [(await one.announced).name, (await two.announced).name].sort();
    expect(names).toEqual(['Hub 1.0', 'Hub 1.0 (2)']);
    const set = await seen(set$, ({ size }) => size === 2);
    expect(set.nodes.map(({ address }) => address.port).sort()).toEqual([5_001, 5_002]);
  });

  it('lets several announcements share a host that they were given, and end without harm to each other', async () => {
    const set$ = find();
    const one = announce({ ...hub, name: 'one', host: 'box' });
    announce({ ...hub, name: 'two', host: 'box', port: 5_002 });
    await seen(set$, ({ size }) => size === 2);
    one.life.unsubscribe();
    const left = await seen(set$.pipe(skipWhile(({ size }) => size < 2)), ({ size }) => size < 2);
    expect(left.get('two')?.addresses).toEqual([{ host: '127.0.0.1', port: 5_002 }]);
  });

  it('tells discovery of a new TXT record and port', async () => {
    const set$ = find();
    const instance$ = new Subject<ServiceInstance>();
    const { announced } = announce(instance$);
    instance$.next(hub);
    await announced;
    await seen(set$, ({ size }) => size === 1);
    instance$.next({ ...hub, port: 6_000, txt: { v: '2' } });
    const set = await seen(set$, (set) => set.nodes[0]?.version === '2' && set.nodes[0].addresses.length === 1);
    expect(set.nodes[0]).toMatchObject({ id: 'Hub 1.0', address: { port: 6_000 }, metadata: { v: '2' } });
  });

  it('leaves no socket and no timer behind', async () => {
    const held = () => process.getActiveResourcesInfo().filter((name) => /UDP|Timeout/.test(name)).length;
    const before = held();
    const set$ = new ReplaySubject<NodeSet>();
    const search = mdns({ interfaces: ['127.0.0.1'], port })({ service: 'lumen' }).subscribe(set$);
    const { life, announced } = announce(hub);
    await announced;
    await seen(set$, ({ size }) => size === 1);
    expect(held()).toBeGreaterThan(before);
    search.unsubscribe();
    life.unsubscribe();
    await expect.poll(held, { timeout: 2_000 }).toBeLessThanOrEqual(before + 1);
  });

  it('refuses a senseless instance or option by name', () => {
    const refused = (change: object, field: string) =>
      expect(() => advertise({ ...hub, ...change } as ServiceInstance), field).toThrow(field);
    refused({ name: '' }, 'name must be');
    refused({ name: 'x'.repeat(64) }, 'name must be');
    refused({ port: 70_000 }, 'port must be');
    refused({ service: 'a b' }, 'service must be');
    refused({ host: 'a b' }, 'host must be');
    refused({ addresses: ['example.org'] }, 'addresses must be');
    refused({ addresses: [] }, 'addresses must be');
    refused({ txt: { k: 'x'.repeat(254) } }, 'txt must be');
    refused({ txt: { 'a=b': 'x' } }, 'txt key');
    expect(() => advertise(hub, { hostTtlSeconds: 0 })).toThrow('hostTtlSeconds must be');
    expect(() => advertise(hub, { port: -1 })).toThrow('port must be');
  });
});

describe('names in conflict', () => {
  it('counts on from the name that was taken, within 63 bytes', () => {
    expect([rename('Hub'), rename('Hub (2)'), rename('Hub (x)'), rename('Hub(9)')]).toEqual([
      ...['Hub (2)', 'Hub (3)', 'Hub (x) (2)', 'Hub(9) (2)'],
    ]);
    const long = rename('é'.repeat(31));
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(63);
    expect(long).toMatch(/^é+ \(2\)$/);
  });

  it('sees a conflict only in another record of the same name that is not a goodbye', () => {
    const name = `hub.${type}`;
    const own = new Set([`SRV ${name} 0 0 5001 host.local`]);
    expect(isConflict(says(records.srv('HUB')), name, own)).toBe(false);
    expect(isConflict(says(records.srv('hub', 'other')), name, own)).toBe(true);
    expect(isConflict(says(records.srv('hub', 'other', 0)), name, own)).toBe(false);
    expect(isConflict(says(records.srv('hub2', 'other')), name, own)).toBe(false);
  });

  it('breaks a tie as RFC 6762 shows it, and as the other side sees it', () => {
    const ours = [records.a('169.254.99.200')];
    const theirs = [records.a('169.254.200.50')];
    expect(tieBreak(ours, theirs)).toBeLessThan(0);
    expect(tieBreak(theirs, ours)).toBeGreaterThan(0);
    expect(tieBreak(ours, ours)).toBe(0);
    expect(tieBreak([...ours, records.txt('hub')], ours)).toBeGreaterThan(0);
  });
});
