/** Names, packets, TXT records and addresses of mDNS, each by itself. */

import { decode } from 'dns-packet';
import fc from 'fast-check';
import { addressOrder, type HeardAddress } from '../../src/discovery/mdns/addressOrder.js';
import { encodePacket } from '../../src/discovery/mdns/encode.js';
import { cameOver, inNetworks, linksOf, type Interfaces } from '../../src/discovery/mdns/links.js';
import { fromJoined, instanceName, instanceOf, isName, labelsOf, serviceType } from '../../src/discovery/mdns/name.js';
import { packetOf, type MdnsRecord, type SrvRecord } from '../../src/discovery/mdns/packet.js';
import { RecordCache } from '../../src/discovery/mdns/recordCache.js';
import { readTxt, txtFacts, txtValue } from '../../src/discovery/mdns/txt.js';
import { mdns } from '../../src/discovery/mdns.js';
import { records, type } from '../support/netnsFake.js';

describe('names', () => {
  it('turns a service into its type, and takes a type as it is', () => {
    expect(serviceType('lumen', 'local')).toBe('_lumen._tcp.local');
    expect(serviceType('_ipp._udp', 'local')).toBe('_ipp._udp.local');
    for (const bad of ['', 'a b', 'a.b', 'x'.repeat(64)]) expect(serviceType(bad, 'local'), bad).toBeUndefined();
  });

  it('keeps an instance name whole, dots and backslashes included', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 15, unit: 'grapheme' }), (instance) => {
        const name = instanceName(instance, type);
        expect(instanceOf(name, type)).toBe(instance);
        expect(labelsOf(name)).toEqual([instance, '_lumen', '_tcp', 'local']);
        // As multicast-dns reads it: labels joined, nothing escaped.
        expect(fromJoined(`${instance}.${type}`)).toBe(name);
      }),
    );
  });

  it('compares without regard to case, and refuses what is too long for DNS', () => {
    expect(instanceOf('Hub._LUMEN._tcp.LOCAL', type)).toBe('Hub');
    expect(instanceOf(type, type)).toBeUndefined();
    expect(isName(`${'x'.repeat(64)}.local`)).toBe(false);
    expect(isName(new Array(60).fill('label').join('.'))).toBe(false);
  });
});

describe('packets', () => {
  it('writes what multicast-dns reads, compressed', () => {
    const answers = [
      records.ptr('node 1.5'),
      records.srv('node 1.5'),
      records.txt('node 1.5', 'v=1', 'runtime=cuda'),
      records.a('10.1.2.3'),
      { type: 'AAAA', name: 'host.local', address: 'fe80::1:2%eth0', ttl: 120, flush: true } as const,
      { type: 'AAAA', name: 'host.local', address: '::ffff:10.0.0.1', ttl: 120, flush: true } as const,
    ];
    const [bytes, ...more] = encodePacket(packetOf('response', { answers }));
    const read = decode(bytes!);
    expect(more).toEqual([]);
    expect(bytes!.length).toBeLessThan(250);
    expect(read.flag_aa).toBe(true);
    expect(read.answers!.map((answer) => [answer.name, (answer as { data: unknown }).data])).toEqual([
      [type, `node 1.5.${type}`],
      [`node 1.5.${type}`, { priority: 0, weight: 0, port: 5_001, target: 'host.local' }],
      [`node 1.5.${type}`, [Buffer.from('v=1'), Buffer.from('runtime=cuda')]],
      ['host.local', '10.1.2.3'],
      ['host.local', 'fe80::1:2'],
      ['host.local', '::ffff:10.0.0.1'.replace('10.0.0.1', 'a00:1')],
    ]);
  });

  it('spreads a long list of known answers over packets that say that more follow', () => {
    const answers = Array.from({ length: 200 }, (_, i) => records.ptr(`a node with a rather long name ${i}`));
    const packets = encodePacket(packetOf('query', { questions: [{ name: type, type: 'PTR' }], answers })).map((b) =>
      decode(b),
    );
    expect(packets.length).toBeGreaterThan(3);
    expect(packets.map(({ flag_tc }) => flag_tc)).toEqual(packets.map((_, i) => i < packets.length - 1));
    expect(packets.map(({ questions }) => questions!.length)).toEqual(packets.map((_, i) => (i === 0 ? 1 : 0)));
    expect(packets.flatMap((packet) => packet.answers!)).toHaveLength(200);
  });

  it('leaves out a record that no packet can hold, and sends a large one alone', () => {
    const large = records.txt('big', ...Array.from({ length: 20 }, () => 'x'.repeat(250)));
    const huge = records.txt('huge', ...Array.from({ length: 60 }, () => 'x'.repeat(250)));
    const packets = encodePacket(
      packetOf('response', { answers: [records.ptr('big'), large, huge, records.ptr('c')] }),
    );
    const names = packets.map((bytes) => decode(bytes).answers!.map((answer) => `${answer.type} ${answer.name}`));
    expect(names.flat()).toEqual([`PTR ${type}`, `TXT big.${type}`, `PTR ${type}`]);
    for (const bytes of packets) expect(bytes.length).toBeLessThan(9_000);
  });
});

describe('TXT records', () => {
  const bytes = (...strings: (string | Uint8Array)[]) => strings.map((text) => Buffer.from(text as string));

  it('are read back as the facts that a registration wrote, and nonsense counts as not there', () => {
    const txt = readTxt(bytes('v=1.4.2', 'weight=3', 'zone=eu-1', 'tags=gpu,rack=7=b,,=x', 'availability=draining'));
    expect(txtFacts(txt)).toEqual({
      version: '1.4.2',
      namespace: undefined,
      zone: 'eu-1',
      region: undefined,
      weight: 3,
      tags: { gpu: '', rack: '7=b' },
      availability: 'draining',
    });
    const hostile = txtFacts(readTxt(bytes('weight=-1', 'tags=__proto__=x', 'availability=ready', 'zone=')));
    expect(hostile).toMatchObject({ weight: 1, zone: undefined, availability: 'discovered' });
    expect(Object.getPrototypeOf(hostile.tags)).toBe(Object.prototype);
  });

  it('reads both forms of Lumen servers', () => {
    const hub = readTxt(bytes('v=1.4.0', 'runtime=onnxrt-cuda'));
    const py = readTxt(bytes('uuid=3f', 'status=ready', 'version=1.0.0', 'tasks=ocr,embed'));
    expect(hub).toEqual({ v: '1.4.0', runtime: 'onnxrt-cuda' });
    expect([txtValue(hub, 'v', 'version'), txtValue(py, 'v', 'version'), txtValue({}, 'v')]).toEqual([
      '1.4.0',
      '1.0.0',
      undefined,
    ]);
    expect(py.tasks).toBe('ocr,embed');
  });

  it('survives whatever a hostile record holds', () => {
    const txt = readTxt(
      bytes('__proto__=x', 'a=1', 'A=2', '=none', '', 'flag', 'b==c=', new Uint8Array([0x6b, 0x3d, 0xff, 0])),
    );
    expect(Object.entries(txt)).toEqual([
      ['__proto__', 'x'],
      ['a', '1'],
      ['flag', ''],
      ['b', '=c='],
      ['k', '\uFFFD\0'],
    ]);
    expect(Object.getPrototypeOf(txt)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe('the order of addresses', () => {
  const heard = (address: string, more: Partial<HeardAddress> = {}): HeardAddress => ({
    ...{
      address,
      order: 0,
      dying: false,
      networks: ['192.168.1.2/24', 'fd00::2/64', 'fe80::2/64'],
      loopback: false,
      ...more,
    },
  });

  it('dials the network that the node was heard on before a container bridge, and IPv4 before IPv6', () => {
    const order = [
      '192.168.1.9',
      '10.8.0.1',
      '172.17.0.1',
      'fd00::9',
      '2001:db8::9',
      '169.254.3.4',
      'fe80::9%lan',
      '127.0.0.1',
      '::1',
    ];
    for (let turn = 0; turn < 20; turn++) {
      const shuffled = [...order].sort(() => Math.random() - 0.5).map((address) => heard(address));
      expect(shuffled.sort(addressOrder).map(({ address }) => address)).toEqual(order);
    }
  });

  it('takes loopback first when it was heard there, and last what is about to go', () => {
    const lo = { networks: ['127.0.0.1/8', '::1/128'], loopback: true };
    expect(
      [heard('::1', lo), heard('127.0.0.1', lo), heard('192.168.1.9', lo)].sort(addressOrder).map((a) => a.address),
    ).toEqual(['127.0.0.1', '192.168.1.9', '::1']);
    expect([heard('192.168.1.9', { dying: true }), heard('fe80::9%lan')].sort(addressOrder)[0]!.address).toBe(
      'fe80::9%lan',
    );
  });
});

describe('links', () => {
  const info = (address: string, cidr: string, internal = false) => ({
    ...{ address, cidr, internal, netmask: '', mac: '', scopeid: 2 },
    family: address.includes(':') ? 'IPv6' : 'IPv4',
  });
  const interfaces = {
    lo: [info('127.0.0.1', '127.0.0.1/8', true), info('::1', '::1/128', true)],
    eth0: [info('192.168.1.2', '192.168.1.2/24'), info('fe80::2', 'fe80::2/64')],
    tun0: [info('10.8.0.2', '10.8.0.2/24')],
  } as unknown as Interfaces;
  const named = (wanted?: string[], of = interfaces) =>
    linksOf(of, wanted).map(({ name, address }) => `${name} ${address}`);

  it('takes every interface but loopback, and loopback when there is no other', () => {
    expect(named()).toEqual(['eth0 192.168.1.2', 'eth0 ::%eth0', 'tun0 10.8.0.2']);
    expect(named(undefined, { lo: interfaces.lo })).toEqual(['lo 127.0.0.1']);
    expect(named(undefined, {})).toEqual([]);
  });

  it('takes what was asked for, by name or by address', () => {
    expect(named(['127.0.0.1'])).toEqual(['lo 127.0.0.1']);
    expect(named(['eth0', 'nowhere'])).toEqual(['eth0 192.168.1.2', 'eth0 ::%eth0']);
    expect(named(['fe80::2%eth0'])).toEqual(['eth0 ::%eth0']);
  });

  it('hears only what came in over its own interface, since the port is shared with others', () => {
    const [eth, eth6] = linksOf(interfaces, ['eth0']);
    const heard = (from: string, link = eth!) => cameOver(link, from, () => interfaces);
    expect([heard('192.168.1.9'), heard('10.8.0.9'), heard('127.0.0.1'), heard('203.0.113.5')]).toEqual([
      true,
      false,
      false,
      true,
    ]);
    expect([heard('fe80::9%eth0', eth6), heard('fe80::9%tun0', eth6)]).toEqual([true, false]);
    expect(inNetworks('192.168.2.1', ['192.168.1.2/24'])).toBe(false);
  });
});

describe('the record cache', () => {
  const heard = (cache: RecordCache, record: MdnsRecord, link = 'lan', now = 0) => cache.add(record, link, now);

  it('keeps what different interfaces say apart, so that one does not flush the other', () => {
    const cache = new RecordCache(10, () => 0);
    heard(cache, records.a('192.168.1.9'), 'lan', 0);
    heard(cache, records.a('10.0.0.9'), 'wifi', 5_000);
    expect(cache.get('HOST.local', 'A').map(({ dying }) => dying)).toEqual([false, false]);
    heard(cache, records.a('10.0.0.10'), 'wifi', 10_000);
    expect(
      cache.get('host.local', 'A').map(({ record, dying }) => [(record as { address: string }).address, dying]),
    ).toEqual([
      ['10.0.0.10', false],
      ['192.168.1.9', false],
      ['10.0.0.9', true],
    ]);
  });

  it('does not go back to what was replaced when a late answer has it along, but when it is announced', () => {
    const cache = new RecordCache(10, () => 0);
    const ports = () => cache.get('one._lumen._tcp.local', 'SRV').map(({ record }) => (record as SrvRecord).port);
    const [before, after] = [records.srv('one', 'host', 120, 1), records.srv('one', 'host', 120, 2)];
    heard(cache, before, 'lan', 0);
    heard(cache, after, 'lan', 5_000);
    expect(cache.add(before, 'lan', 5_100, true)).toBe('ignored');
    expect(ports()).toEqual([2, 1]);
    expect(cache.add(before, 'lan', 5_200)).toBe('new');
    expect(ports()).toEqual([1, 2]);
    heard(cache, after, 'lan', 10_000);
    cache.due(11_000, () => false);
    expect(cache.add(before, 'lan', 12_900, true)).toBe('ignored');
    expect(ports()).toEqual([2]);
    // No answer comes later than this.
    expect(cache.add(before, 'lan', 13_000, true)).toBe('new');
  });

  it('takes back a goodbye for which another speaks up, be it along with an answer', () => {
    const cache = new RecordCache(10, () => 0);
    heard(cache, records.srv('one', 'host', 120), 'lan', 0);
    expect(heard(cache, records.srv('one', 'host', 0), 'lan', 5_000)).toBe('dying');
    expect(cache.add(records.srv('one', 'host', 120), 'lan', 5_100, true)).toBe('new');
  });

  it('takes no more than it is allowed to, so that a flood cannot fill the memory', () => {
    const cache = new RecordCache(2, () => 0);
    const flood = ['1', '2', '3', '2'].map((id) => heard(cache, records.ptr(id)));
    expect(flood).toEqual(['new', 'new', 'full', 'renewed']);
    expect(cache.size).toBe(2);
  });

  it('ignores the goodbye of what it does not know, and believes no record for longer than a day', () => {
    const cache = new RecordCache(10, () => 0);
    expect(heard(cache, records.ptr('x', 0))).toBe('ignored');
    heard(cache, records.ptr('y', 4_000_000_000));
    expect(cache.get(type, 'PTR')[0]!.expiresAt).toBe(86_400_000);
  });
});

describe('mdns options', () => {
  it('refuses senseless ones by name', () => {
    expect(() => mdns({ port: 0 })).toThrow('port must be');
    expect(() => mdns({ interfaces: [] })).toThrow('interfaces must be');
    expect(() => mdns({ initialWindowMs: -1 })).toThrow('initialWindowMs must be');
    expect(() => mdns({ domain: 'a b' })).toThrow('domain must be');
    expect(() => mdns({ maxRecords: 0 })).toThrow('maxRecords must be');
  });

  it('errors for a service that can be no DNS name, when subscribed to', () => {
    const errors: unknown[] = [];
    mdns()({ service: 'no service' }).subscribe({ error: (error) => errors.push(error) });
    expect(errors).toEqual([expect.objectContaining({ code: 'INVALID_OPTION' })]);
  });
});
