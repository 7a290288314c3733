/** The layouts, against readers and writers made from the descriptions of their systems alone. */

import fc from 'fast-check';
import { formatAddress } from '../../src/core/address.js';
import { createNode, type Node, type NodeInit } from '../../src/core/node.js';
import type { EtcdEntry } from '../../src/discovery/etcd/layout.js';
import { layoutOf, type EtcdLayoutName } from '../../src/discovery/etcd/layoutOf.js';

const node = createNode({
  ...{ id: 'node-1', service: 'signaling-online', address: '127.0.0.1:8080', namespace: 'production' },
  ...{ version: 'v1.0.0', zone: 'a', region: 'us-east-1', weight: 100 },
  ...{ tags: { gpu: '' }, metadata: { owner: 'ada' } },
});

const decode = (layout: EtcdLayoutName, entry: EtcdEntry, service = 'signaling-online', namespace?: string) =>
  layoutOf(layout).decode(entry, { service, namespace });
const read = (init: NodeInit | undefined): Node => createNode(init!);

/** What flare's `ServiceInstance` parses: throws where serde would. */
function flareReader({ key, value }: EtcdEntry) {
  const instance = JSON.parse(value);
  const [namespace, services, type, id, ...rest] = key.split('/');
  expect([services, rest]).toEqual(['services', []]);
  for (const field of ['service_type', 'instance_id', 'address']) expect(typeof instance[field]).toBe('string');
  expect(instance.address).toMatch(/^(\d+(\.\d+){3}|\[[0-9a-f:]+\]):\d+$/);
  for (const map of [instance.tags, instance.metadata.custom]) {
    for (const text of Object.values(map)) expect(typeof text).toBe('string');
  }
  expect(typeof instance.healthy).toBe('boolean');
  expect(Number.isInteger(instance.weight) && instance.weight >= 0 && instance.weight < 2 ** 32).toBe(true);
  return { namespace, type, id, instance };
}

/** What fyer-rpc's reader parses: it ends the process on anything else. */
function fyerReader({ key, value }: EtcdEntry) {
  const parts = key.split('/');
  expect(parts).toHaveLength(6);
  expect(parts.slice(0, 3)).toEqual(['', 'fyerrpc', 'services']);
  const instance = JSON.parse(value);
  expect(Object.keys(instance)).toEqual(['id', 'service', 'version', 'address', 'metadata', 'status', 'updated_at']);
  for (const text of Object.values(instance.metadata ?? {})) expect(typeof text).toBe('string');
  expect([0, 1]).toContain(instance.status);
  return { service: parts[3], version: parts[4], id: parts[5], instance };
}

describe('layout flare', () => {
  it('writes what flare reads: the nine keys under the namespace, without a leading slash', () => {
    const { namespace, type, id, instance } = flareReader(layoutOf('flare').encode(node, undefined));
    expect([namespace, type, id]).toEqual(['production', 'signaling-online', 'node-1']);
    expect(instance).toEqual({
      ...{ service_type: 'signaling-online', instance_id: 'node-1', address: '127.0.0.1:8080' },
      ...{ namespace: 'production', version: 'v1.0.0', tags: { gpu: '' } },
      metadata: { region: 'us-east-1', zone: 'a', environment: null, custom: { owner: 'ada' } },
      ...{ healthy: true, weight: 100 },
    });
  });

  it('puts a node without a namespace where flare looks for one, and says so in the value', () => {
    const bare = createNode({ id: 'n', service: 's', address: '[::1]:8080' });
    const { namespace, instance } = flareReader(layoutOf('flare').encode(bare, undefined));
    expect([namespace, instance.namespace, instance.address]).toEqual(['flare', 'flare', '[::1]:8080']);
    expect([instance.version, instance.metadata]).toEqual([
      null,
      { region: null, zone: null, environment: null, custom: {} },
    ]);
    expect(flareReader(layoutOf('flare').encode(bare, 'staging')).namespace).toBe('staging');
  });

  it('reads the example of flare as it stands', () => {
    const value = `{"service_type":"signaling-online","instance_id":"node-1","address":"127.0.0.1:8080","namespace":"production","version":"v1.0.0",
 "tags":{"region":"us-east-1"},"metadata":{"region":"us-east-1","zone":null,"environment":null,"custom":{}},"healthy":true,"weight":100}`;
    expect(read(decode('flare', { key: 'production/services/signaling-online/node-1', value }))).toMatchObject({
      ...{ id: 'node-1', service: 'signaling-online', address: { host: '127.0.0.1', port: 8080 } },
      ...{ namespace: 'production', version: 'v1.0.0', region: 'us-east-1', zone: undefined, weight: 100 },
      ...{ tags: { region: 'us-east-1' }, health: 'unknown' },
    });
  });

  it('shows an instance that is registered as not healthy as not serving, and writes a draining node so', () => {
    const entry = layoutOf('flare').encode(createNode({ ...node, availability: 'draining' }), undefined);
    expect(flareReader(entry).instance.healthy).toBe(false);
    expect(read(decode('flare', entry))).toMatchObject({
      ...{ health: 'notServing', healthReason: 'it is registered as not healthy' },
    });
  });

  it('looks where flare does when nobody names a namespace', () => {
    expect(layoutOf('flare').prefixes!({ service: 's', namespace: undefined })).toEqual([
      ...['flare/services/s/', 'flare-test/services/s/', 'default/services/s/'],
    ]);
    expect(layoutOf('flare').prefixes!({ service: 's', namespace: 'n' })).toEqual(['n/services/s/']);
  });
});

describe('layout fyer', () => {
  it('writes what fyer-rpc reads: six parts in the key, seven keys in the value', () => {
    const { service, version, id, instance } = fyerReader(layoutOf('fyer').encode(node, undefined));
    expect([service, version, id]).toEqual(['signaling-online', 'v1.0.0', 'node-1']);
    expect(instance).toMatchObject({ address: '127.0.0.1:8080', status: 1, updated_at: 0 });
    expect(instance.metadata).toEqual({ gpu: '', owner: 'ada', weight: '100', zone: 'a', region: 'us-east-1' });
  });

  it('reads the values of fyer-rpc: metadata null, never updated, disabled', () => {
    const key = '/fyerrpc/services/users/1.0.0/i-1';
    const value = `{"id":"i-1","service":"users","version":"1.0.0","address":"127.0.0.1:8000","metadata":null,"status":1,"updated_at":0}`;
    expect(read(decode('fyer', { key, value }, 'users'))).toMatchObject({
      ...{ id: 'i-1', version: '1.0.0', address: { host: '127.0.0.1', port: 8000 }, weight: 1, metadata: {} },
    });
    const metadata = '{"weight":"10","group":"canary","region":"eu","zone":"a"}';
    const disabled = value.replace('null', metadata).replace('"status":1', '"status":0');
    expect(read(decode('fyer', { key, value: disabled }, 'users'))).toMatchObject({
      ...{ weight: 10, region: 'eu', zone: 'a', tags: { group: 'canary' }, metadata: { group: 'canary' } },
      ...{ health: 'notServing' },
    });
  });

  it('writes status 0 for a node that drains', () => {
    const draining = createNode({ ...node, availability: 'draining' });
    expect(fyerReader(layoutOf('fyer').encode(draining, undefined)).instance.status).toBe(0);
  });
});

describe('layout flareLegacy', () => {
  it('writes the six keys under a leading slash, and reads them', () => {
    const entry = layoutOf('flareLegacy').encode(node, undefined);
    expect(entry.key).toBe('/production/signaling-online/node-1');
    const value = JSON.parse(entry.value);
    expect(Object.keys(value)).toEqual([
      ...['service_type', 'service_id', 'instance_id', 'address', 'port', 'metadata'],
    ]);
    expect(value).toMatchObject({ instance_id: 'node-1', address: '127.0.0.1', port: 8080 });
    expect(read(decode('flareLegacy', entry))).toMatchObject({ id: 'node-1', weight: 100, version: 'v1.0.0' });
  });
});

describe('layout grpcGo', () => {
  it("writes what etcd's naming for Go reads, and reads what it writes", () => {
    const bare = createNode({ service: 'foo/bar', address: '10.0.0.1:1' });
    expect(layoutOf('grpcGo').encode(bare, undefined)).toEqual({
      ...{ key: 'foo/bar/10.0.0.1:1', value: '{"Op":0,"Addr":"10.0.0.1:1","Metadata":null}' },
    });
    const value = '{"Op":0,"Addr":"10.0.0.1:1","Metadata":{"weight":3,"id":"a","nested":{"b":true}}}';
    expect(read(decode('grpcGo', { key: 'foo/bar/a', value }, 'foo/bar'))).toMatchObject({
      ...{ id: 'a', weight: 3, metadata: { nested: '{"b":true}' } },
    });
    const texted = '{"Op":0,"Addr":"10.0.0.1:1","Metadata":"blue"}';
    expect(read(decode('grpcGo', { key: 'foo/x', value: texted }, 'foo'))).toMatchObject({
      ...{ id: 'x', tags: { metadata: 'blue' } },
    });
  });
});

describe('every layout', () => {
  const names = ['rxfleet', 'flare', 'flareLegacy', 'fyer', 'grpcGo'] as const;

  it('passes over foreign and broken values with a reason, and never yields half a node', () => {
    for (const name of names) {
      for (const value of ['', 'x', 'null', '[]', '7', '{}', '{"id":7}', '{"Addr":""}', '{"healthy":true}']) {
        expect(() => decode(name, { key: 'a/b/c/d', value }), `${name} ${value}`).toThrow(/must be|is no/);
      }
    }
  });

  it('reads back what it writes, whatever the names and labels', () => {
    const word = fc.stringMatching(/^[a-z0-9._~-]{1,12}$/);
    const label = fc.dictionary(fc.stringMatching(/^k[a-z]{1,5}$/), fc.string({ maxLength: 8 }), { maxKeys: 3 });
    const nodes = fc.record({
      ...{
        id: word,
        version: word,
        zone: word,
        region: word,
        metadata: label,
        port: fc.integer({ min: 1, max: 65_535 }),
      },
      weight: fc.integer({ min: 0, max: 1_000 }),
    });
    fc.assert(
      fc.property(nodes, fc.constantFrom(...names), ({ port, ...init }, name) => {
        const written = createNode({ ...init, service: 'svc', address: { host: '10.1.2.3', port } });
        const entry = layoutOf(name).encode(written, undefined);
        const scope = { service: 'svc', namespace: undefined };
        expect(layoutOf(name).prefixes!(scope).some((prefix) => entry.key.startsWith(prefix))).toBe(true);
        const { id, version, zone, region, weight, metadata, address } = read(layoutOf(name).decode(entry, scope));
        expect({ id, version, zone, region, weight, metadata, address: formatAddress(address) }).toEqual({
          ...{ id: init.id, version: init.version, zone: init.zone, region: init.region, weight: init.weight },
          ...{ metadata: init.metadata, address: `10.1.2.3:${port}` },
        });
      }),
    );
  });

  it('keeps the whole of a node in our own, and any name in its keys', () => {
    const odd = createNode({
      ...node,
      ...{ id: 'a/b c', service: 'x/y', addresses: ['10.0.0.1:1', '[fe80::1]:2', 'host.example:3'] },
      ...{ address: '10.0.0.1:1', weight: 0.5, availability: 'draining' },
    });
    const entry = layoutOf('rxfleet').encode(odd, undefined);
    expect(entry.key).toBe('rxfleet/services/x%2Fy/production/a%2Fb%20c');
    const { id, service, addresses, weight, availability, namespace, tags } = odd;
    expect(read(decode('rxfleet', entry, 'x/y'))).toMatchObject({
      ...{ id, service, addresses, weight, availability, namespace, tags },
    });
  });
});
