/** Each backend: what its settings and its URLs become, as its discovery and its registry get it. */

import { NEVER, type Observable } from 'rxjs';
import { createNode, type Discovery } from '../../src/index.js';
import { discoveryFromUrl, registryFromConfig, registryFromUrl } from '../../src/config/index.js';
import { until } from '../support/until.js';

const made = vi.hoisted(() => ({ calls: [] as { name: string; args: unknown[]; query?: unknown }[] }));

vi.mock('../../src/discovery/etcd.js', () => ({ etcd: recorded('etcd') }));
vi.mock('../../src/discovery/consul.js', () => ({ consul: recorded('consul') }));
vi.mock('../../src/discovery/dns.js', () => ({ dns: recorded('dns') }));
vi.mock('../../src/discovery/xds.js', () => ({ xds: recorded('xds') }));
vi.mock('../../src/discovery/mdns.js', () => ({ mdns: recorded('mdns') }));
vi.mock('../../src/discovery/file.js', () => ({ file: recorded('file') }));
vi.mock('../../src/discovery/broker.js', () => ({ broker: recorded('broker') }));
vi.mock('../../src/discovery/aio.js', () => ({ aio: recorded('aio') }));
vi.mock('../../src/registration/etcd.js', () => ({ etcdRegistry: recordedRegistry('etcd') }));
vi.mock('../../src/registration/consul.js', () => ({ consulRegistry: recordedRegistry('consul') }));
vi.mock('../../src/registration/aio.js', () => ({ aioRegistry: recordedRegistry('aio') }));
vi.mock('../../src/registration/mdns.js', () => ({ mdnsRegistry: recordedRegistry('mdns') }));

function recorded(name: string) {
  return (...args: unknown[]): Discovery => {
    const call: (typeof made.calls)[number] = { name, args };
    made.calls.push(call);
    return (query) => {
      call.query = query;
      return NEVER;
    };
  };
}

function recordedRegistry(name: string) {
  return (...args: unknown[]) => {
    made.calls.push({ name, args });
    return { name, put: (): Observable<never> => NEVER };
  };
}

beforeEach(() => void (made.calls.length = 0));

async function asked(url: string) {
  const { service, namespace, discovery } = discoveryFromUrl(url);
  expect(made.calls, 'nothing is loaded before it is asked').toEqual([]);
  const subscription = discovery({ service: service ?? '' }).subscribe();
  await until('the backend is asked', () => made.calls[0]?.query !== undefined);
  subscription.unsubscribe();
  return { service, namespace, ...made.calls[0]! };
}

describe('a URL of a discovery', () => {
  it.each<[string, string, string | undefined, unknown[]]>([
    [
      'etcd://a:2379,b:2379/thumbnails?layout=flare',
      'etcd',
      'thumbnails',
      [{ endpoints: ['a:2379', 'b:2379'], layout: 'flare', requestTimeoutMs: 5_000 }],
    ],
    [
      'etcd://me:p%40ss@[::1]:2379/x?prefix=/nodes/&request_timeout=500ms',
      'etcd',
      'x',
      [
        {
          endpoints: ['[::1]:2379'],
          layout: 'rxfleet',
          user: 'me',
          password: 'p@ss',
          prefix: '/nodes/',
          requestTimeoutMs: 500,
        },
      ],
    ],
    [
      'consul://agent:8500/thumbnails?token=t&datacenter=eu&passing=false&mode=stale&wait=1m',
      'consul',
      'thumbnails',
      [
        {
          address: 'http://agent:8500',
          layout: 'rxfleet',
          token: 't',
          datacenter: 'eu',
          passingOnly: false,
          mode: 'stale',
          waitMs: 60_000,
          requestTimeoutMs: 10_000,
        },
      ],
    ],
    [
      'dns://127.0.0.1:53/orders?domain=example.org',
      'dns',
      'orders',
      [
        {
          type: 'srv',
          protocol: 'tcp',
          domain: 'example.org',
          resolvers: ['127.0.0.1:53'],
          minTtlMs: 1_000,
          maxTtlMs: 300_000,
          timeoutMs: 2_000,
        },
      ],
    ],
    [
      'dns:///web.example.org?record=a&port=80',
      'dns',
      'web.example.org',
      [{ type: 'a', port: 80, protocol: 'tcp', minTtlMs: 1_000, maxTtlMs: 300_000, timeoutMs: 2_000 }],
    ],
    ['xds://control:18000/session', 'xds', 'session', [{ server: 'control:18000', cluster: false }]],
    ['xds:///session', 'xds', 'session', [{ cluster: false }]],
    [
      'mdns://lumen?interfaces=eth0,eth1',
      'mdns',
      'lumen',
      [{ domain: 'local', port: 5_353, initialWindowMs: 1_500, interfaces: ['eth0', 'eth1'] }],
    ],
    ['mdns://', 'mdns', undefined, [{ domain: 'local', port: 5_353, initialWindowMs: 1_500 }]],
    ['file:nodes.yaml?poll=1s', 'file', undefined, ['nodes.yaml', { pollMs: 1_000 }]],
    ['file:///etc/nodes.json?service=x', 'file', 'x', ['/etc/nodes.json', { pollMs: 5_000 }]],
    [
      'broker://h:5866/lumen?mode=poll',
      'broker',
      undefined,
      [{ url: 'http://h:5866/lumen', mode: 'poll', deployment: 'local', pollMs: 30_000, timeoutMs: 10_000 }],
    ],
    [
      'aio://key:secret@h:9000,i:9000/shop/orders?env=prod',
      'aio',
      'orders',
      [
        {
          registryAddr: ['h:9000', 'i:9000'],
          clientKey: 'key',
          clientSecret: 'secret',
          project: 'shop',
          env: 'prod',
          disableAuth: false,
          callTimeoutMs: 10_000,
        },
      ],
    ],
  ])('%s', async (url, name, service, args) => {
    const { service: found, ...call } = await asked(url);
    expect(found).toBe(service);
    expect(call).toMatchObject({ name });
    expect(call.args).toEqual(args);
  });

  it('takes a path of several parts as namespace and service, and asks for both', async () => {
    expect(await asked('etcd://a:1/production/thumbnails')).toMatchObject({
      namespace: 'production',
      query: { service: 'thumbnails', namespace: 'production' },
    });
  });

  it('is an address where a host bears the name of a backend', () => {
    expect(discoveryFromUrl('etcd:2379,consul:8500/x').service).toBe('x');
    expect(discoveryFromUrl('localhost:1,[::1]:2').service).toBeUndefined();
  });

  it.each([
    ['etc://a:1/x', /names no backend; did you mean "etcd"\?.*consul:\/\//],
    ['ftp://a:1/x', /names no backend: write one of etcd:\/\//],
    ['consul://a:1/x?tokn=1', /tokn is not known; did you mean "token"\? \(url\)/],
    ['consul://me:pw@a:1/x', /consul takes no user/],
    ['nowhere', /"nowhere" is no address/],
    ['', /empty|must be a text/],
  ])('%j is refused in words that help', (url, message) => {
    expect(() => discoveryFromUrl(url)).toThrow(message);
  });
});

describe('a registry', () => {
  const node = createNode({ service: 'x', address: '127.0.0.1:1' });

  it.each<[string, string, object]>([
    ['etcd://a:2379?layout=flare&ttl=30s', 'etcd', { endpoints: ['a:2379'], layout: 'flare', ttlMs: 30_000 }],
    ['consul://a:8500?ttl=15', 'consul', { address: 'http://a:8500', check: { ttlMs: 15_000 } }],
    ['aio://k:s@a:9000/shop?ttl=1m', 'aio', { registryAddr: ['a:9000'], ttlMs: 60_000 }],
    ['mdns://', 'mdns', { domain: 'local', port: 5_353 }],
  ])('%s', async (url, name, options) => {
    const { registry } = registryFromUrl(url);
    expect(registry.name).toBe(name);
    const first = registry.put(node).subscribe();
    const second = registry.put(node).subscribe();
    await until('the registry is loaded', () => made.calls.length > 0);
    first.unsubscribe();
    second.unsubscribe();
    expect(made.calls, 'loaded once').toHaveLength(1);
    expect(made.calls[0]).toMatchObject({ name, args: [options] });
  });

  it('of a configuration has the life that stands there', async () => {
    const config = { discovery: { backend: 'etcd', backend_config: { endpoints: ['a:1'], ttl: 30 } } };
    const { registry } = registryFromConfig(config);
    const put = registry.put(node).subscribe();
    await until('the registry is loaded', () => made.calls.length > 0);
    put.unsubscribe();
    expect(made.calls[0]).toMatchObject({ args: [{ ttlMs: 30_000, layout: 'flare' }] });
  });

  it.each([
    ['dns:///x', /nobody can register with dns: it is read-only; register with one of etcd, consul, mdns, aio/],
    ['xds:///x', /the sidecar registers there/],
    ['file:nodes.yaml', /read-only/],
    ['127.0.0.1:1', /read-only/],
  ])('%s is refused', (url, message) => {
    expect(() => registryFromUrl(url)).toThrow(message);
  });
});
