import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { createNode } from '../../src/core/node.js';
import { aioInstance, aioService, type AioInstance } from '../../src/discovery/aio/aioInstance.js';
import { aioAddresses, nodeOfInstance } from '../../src/discovery/aio/nodeOfInstance.js';
import { InstanceSchema, ServiceWithInstancesSchema } from '../../src/gen/aio/registry_pb.js';
import { instanceOfNode, networkOf } from '../../src/registration/aio/instanceOfNode.js';

const about = { service: 'orders', namespace: 'shop', seenAt: 7 };

const blank: AioInstance = {
  ...{
    id: '1',
    serviceId: '2',
    key: 'k',
    env: 'dev',
    host: '10.0.0.7',
    endpoint: '',
    endpoints: [],
    httpPort: 0,
    grpcPort: 0,
  },
  ...{ meta: {}, ttlMs: 60_000, lastHeartbeatAt: 0, createdAt: 0, updatedAt: 0, flaws: [] },
};
const drawn = (instance: Partial<AioInstance>, choice = {}) =>
  aioAddresses({ ...blank, ...instance }, choice).map(({ host, port }) => `${host} ${port}`);

/** The bytes of an instance, with field 11 as some server wrote it. */
function wire(eleven: Uint8Array, init: Parameters<typeof create<typeof InstanceSchema>>[1] = {}): Uint8Array {
  const known = toBinary(InstanceSchema, create(InstanceSchema, { instanceKey: 'k', id: 5n, ...init }));
  return Uint8Array.from([...known, ...eleven]);
}
const text = (value: string) => new BinaryWriter().tag(11, WireType.LengthDelimited).string(value).finish();
const varint = (value: bigint) => new BinaryWriter().tag(11, WireType.Varint).int64(value).finish();
const read = (bytes: Uint8Array) => aioInstance(fromBinary(InstanceSchema, bytes));

describe('an instance on the wire', () => {
  it('is read from servers up to 1.0.5, where field 11 is a time', () => {
    expect(read(wire(varint(1_700_000_000n)))).toMatchObject({ key: 'k', updatedAt: 1_700_000_000_000, endpoints: [] });
  });

  it('is read from later servers, where field 11 is a text', () => {
    const json = '[{"host":"a","network":"local","priority":2},{"host":"b"}]';
    expect(read(wire(text(json), { updatedAt: 9n }))).toMatchObject({
      updatedAt: 9_000,
      endpoints: [
        { host: 'a', network: 'local', priority: 2 },
        { host: 'b', network: '', priority: 0 },
      ],
    });
  });

  it('is read whatever field 11 holds, and one bad instance spoils no other', () => {
    const anything = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(varint),
      fc.string().map(text),
      fc.json().map(text),
      fc.uint8Array().map((bytes) => new BinaryWriter().tag(11, WireType.LengthDelimited).bytes(bytes).finish()),
      fc
        .integer({ min: 0, max: 2 ** 32 - 1 })
        .map((n) => new BinaryWriter().tag(11, WireType.Bit32).fixed32(n).finish()),
    );
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 3 }), (elevens) => {
        const bytes = elevens.map((eleven) => wire(eleven));
        const writer = new BinaryWriter();
        for (const each of [...bytes, wire(varint(3n))]) writer.tag(2, WireType.LengthDelimited).bytes(each);
        const { instances } = aioService(fromBinary(ServiceWithInstancesSchema, writer.finish()));
        expect(instances).toHaveLength(elevens.length + 1);
        expect(instances.at(-1)!.updatedAt).toBe(3_000);
      }),
    );
  });

  it('says what of it could not be read', () => {
    const flaws = (metaJson: string, endpointsJson = '') => read(wire(text(endpointsJson), { metaJson })).flaws;
    expect(flaws('')).toEqual([]);
    expect(flaws('null')).toEqual([]);
    expect(flaws('{"a":1}', 'null')).toEqual([]);
    expect(flaws('{"a"')).toEqual(['meta_json is no JSON object']);
    expect(flaws('[1]')).toEqual(['meta_json is no JSON object']);
    expect(flaws('', '{')).toEqual(['endpoints_json is no JSON array']);
    expect(flaws('', '[{"host":"a"},{"network":"local"},7]')).toEqual([
      'an entry of endpoints_json has no host',
      'an entry of endpoints_json has no host',
    ]);
  });

  it('keeps numbers of rows exactly', () => {
    expect(read(wire(varint(0n), { id: 9_007_199_254_740_993n })).id).toBe('9007199254740993');
  });
});

describe('the addresses of an instance', () => {
  const endpoints = [
    { host: '203.0.113.1', network: 'external', priority: 0 },
    { host: '10.0.0.8', network: 'internal', priority: 5 },
    { host: '10.0.0.7', network: 'internal', priority: 1 },
    { host: '127.0.0.1', network: 'local', priority: 9 },
  ];

  it('come by priority, the lower first', () => {
    expect(drawn({ endpoints, grpcPort: 5 })).toEqual(['203.0.113.1 5', '10.0.0.7 5', '10.0.0.8 5', '127.0.0.1 5']);
  });

  it('come by the network that is preferred, then by priority', () => {
    const internal = ['10.0.0.7 5', '10.0.0.8 5', '203.0.113.1 5', '127.0.0.1 5'];
    expect(drawn({ endpoints, grpcPort: 5 }, { network: 'internal' })).toEqual(internal);
    const local = ['127.0.0.1 5', '10.0.0.7 5', '10.0.0.8 5', '203.0.113.1 5'];
    expect(drawn({ endpoints, grpcPort: 5 }, { network: ['local', 'internal'] })).toEqual(local);
  });

  it('are those of the protocol that is wanted', () => {
    const both = {
      endpoints: endpoints.slice(3),
      endpoint: '127.0.0.1:80',
      grpcPort: 5,
      httpPort: 80,
      host: '127.0.0.1',
    };
    expect(drawn(both)).toEqual(['127.0.0.1 5']);
    expect(drawn(both, { port: 'http' })).toEqual(['127.0.0.1 80']);
  });

  it('are those of the endpoint where nothing else is said, as with servers up to 1.0.5', () => {
    expect(drawn({ endpoint: '10.0.0.9:7', host: '10.0.0.9' })).toEqual(['10.0.0.9 7']);
    expect(drawn({ endpoint: 'http://10.0.0.9:7/path', host: '' })).toEqual(['10.0.0.9 7']);
    expect(drawn({ endpoint: '[::1]:7', host: '::1' })).toEqual(['::1 7']);
  });

  it('are those of meta.grpcAddress for the server itself', () => {
    const meta = { grpcAddress: '10.0.0.1:50051' };
    expect(drawn({ endpoint: '10.0.0.1:9000', host: '10.0.0.1', meta })[0]).toBe('10.0.0.1 50051');
  });

  it('may name a port of their own, or be IPv6 without brackets', () => {
    const own = [
      { host: '10.0.0.7:99', network: 'internal', priority: 0 },
      { host: 'fd00::7', network: 'internal', priority: 1 },
      { host: '[fd00::8]', network: 'internal', priority: 2 },
    ];
    expect(drawn({ endpoints: own, grpcPort: 5, host: 'h' })).toEqual(['10.0.0.7 99', 'fd00::7 5', 'fd00::8 5', 'h 5']);
  });

  it('are none where none can be dialled', () => {
    expect(drawn({ host: 'h' })).toEqual([]);
    expect(drawn({ host: '', endpoint: 'nonsense' })).toEqual([]);
    expect(() => nodeOfInstance({ ...blank, host: 'h' }, about)).toThrow('no address that can be dialled');
  });
});

describe('the node of an instance', () => {
  it('has what meta says of it', () => {
    const meta = {
      version: '1.4.2',
      zone: 'eu-1',
      region: 'eu',
      weight: 3,
      tags: ['gpu'],
      name: 'seven',
      team: { id: 1 },
    };
    expect(nodeOfInstance({ ...blank, grpcPort: 5, meta }, about)).toMatchObject({
      ...{ id: 'k', name: 'seven', version: '1.4.2', zone: 'eu-1', region: 'eu', weight: 3, tags: { gpu: '' } },
      ...{ service: 'orders', namespace: 'shop', sources: ['aio'], firstSeen: 7 },
      metadata: { team: '{"id":1}', 'aio.key': 'k', 'aio.env': 'dev' },
    });
  });

  it('says what it was registered with, by an independent reading of the fields', () => {
    const node = createNode({
      ...{
        id: 'n-1',
        name: 'seven',
        service: 'orders',
        addresses: ['10.0.0.7:5', '[fd7a:115c:a1e0::7]:5', '10.0.0.7:6'],
      },
      ...{
        version: '1.4.2',
        zone: 'eu-1',
        region: 'eu',
        weight: 0.5,
        tags: { gpu: '', tier: 'a' },
        metadata: { team: 'x' },
      },
    });
    const fields = instanceOfNode(node, 80);
    expect(fields).toMatchObject({ host: '10.0.0.7', endpoint: '10.0.0.7:5', grpcPort: 5n, httpPort: 80n });
    expect(JSON.parse(fields.endpointsJson)).toEqual([
      { host: '10.0.0.7', network: 'internal', priority: 0 },
      { host: 'fd7a:115c:a1e0::7', network: 'tailscale', priority: 1 },
      { host: '10.0.0.7:6', network: 'internal', priority: 2 },
    ]);
    const back = nodeOfInstance(
      {
        ...blank,
        key: 'other',
        endpoints: JSON.parse(fields.endpointsJson),
        meta: JSON.parse(fields.metaJson),
        grpcPort: 5,
      },
      about,
    );
    const { id, name, addresses, version, zone, region, weight, tags } = node;
    expect(back).toMatchObject({ id, name, addresses, version, zone, region, weight, tags, metadata: { team: 'x' } });
  });

  it('drains when it says so', () => {
    const draining = createNode({ service: 's', address: 'h:1', availability: 'draining' });
    const meta = JSON.parse(instanceOfNode(draining).metaJson) as Record<string, unknown>;
    expect(nodeOfInstance({ ...blank, grpcPort: 5, meta }, about).availability).toBe('draining');
    expect(nodeOfInstance({ ...blank, grpcPort: 5 }, about).availability).toBe('discovered');
  });
});

describe('the network of an address', () => {
  it.each([
    ['local', ['127.0.0.1', '127.8.8.8', '::1', 'localhost', '::ffff:127.0.0.1']],
    [
      'internal',
      ['10.1.2.3', '172.16.0.1', '172.31.0.1', '192.168.1.1', '169.254.0.1', 'fd00::1', 'fe80::1%eth0', 'db', 'db.lan'],
    ],
    ['tailscale', ['100.64.0.1', '100.127.255.254', 'fd7a:115c:a1e0::1', 'me.tail1.ts.net']],
    ['external', ['100.63.0.1', '100.128.0.1', '172.32.0.1', '203.0.113.1', '2001:db8::1', 'example.org']],
  ] as const)('is %s', (network, hosts) => {
    for (const host of hosts) expect([host, networkOf({ host, port: 1 })]).toEqual([host, network]);
  });
});
