/** Fleets made from configurations, over real nodes and files. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom, timeout } from 'rxjs';
import { createFleetFromConfig, type ConfigSource } from '../../src/config/index.js';
import { createClient, staticNodes } from '../../src/index.js';
import { Greeter as GreeterService } from '../../src/gen/demo/greeter_pb.js';
import { etcdOrReason, startEtcd } from '../support/etcd.js';
import { startGreeter, type Greeter } from '../support/greeter.js';
import { flareConfig, seeds } from './seeds.js';

let folder: string;
let one: Greeter;
let two: Greeter;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rxfleet-config-'));
  [one, two] = await Promise.all([startGreeter({ name: 'one' }), startGreeter({ name: 'two' })]);
});
afterAll(async () => {
  await Promise.all([one.close(), two.close()]);
  await rm(folder, { recursive: true });
});

async function written(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** The ids that the fleet of a configuration comes to list. */
async function idsOf(source: ConfigSource): Promise<string[]> {
  await using fleet = createFleetFromConfig(source);
  const set$ = fleet.nodes$.pipe(
    filter(({ stale }) => stale === undefined),
    timeout(10_000),
  );
  return (await firstValueFrom(set$)).nodes.map(({ id }) => id).sort();
}

describe('the examples of the seeds', () => {
  it.each(Object.entries(seeds))('%s loads as it stands', async (name, toml) => {
    const fleet = createFleetFromConfig(await written(`${name}.toml`, toml));
    await fleet.close();
  });

  it('the object of the code examples does, too', async () => {
    const fleet = createFleetFromConfig(flareConfig as never);
    await fleet.close();
  });

  it('dns lists its addresses, as flare does', async () => {
    expect(await idsOf(await written('dns.toml', seeds.dns))).toEqual(['127.0.0.1:8080', '127.0.0.1:8081']);
  });
});

describe('a fleet from a file', () => {
  const toml = () => `[discovery]\nbackend = "static"\nload_balance = "round_robin"
[discovery.backend_config]\naddresses = ["${one.address}", "${two.address}"]\nservice_type = "greeter"\n`;
  const yaml = () => `discovery:\n  backend: static\n  load_balance: rr\n  tag_filters:\n  backend_config:
    addresses: ['${one.address}', '${two.address}']\n    service: greeter\n`;
  const json = () =>
    JSON.stringify({
      discovery: {
        url: `${one.address},${two.address}/greeter`,
        loadBalance: 'round_robin',
        healthCheck: { kind: 'tcp', interval: '200ms' },
      },
    });

  it.each([
    ['fleet.toml', toml],
    ['fleet.yaml', yaml],
    ['fleet.json', json],
  ])('%s calls the nodes that it names, in turn', async (name, content) => {
    await using fleet = createFleetFromConfig(await written(name, content()));
    const greeter = createClient(fleet, GreeterService);
    await firstValueFrom(
      fleet.nodes$.pipe(
        filter(({ nodes }) => nodes.length === 2 && nodes.every((node) => node.availability === 'ready')),
        timeout(5_000),
      ),
    );
    const nodes = new Set<string>();
    for (let i = 0; i < 4; i++) nodes.add((await firstValueFrom(greeter.sayHello({ name: 'Ada' }))).node);
    expect([...nodes].sort()).toEqual(['one', 'two']);
  });
});

describe('what a configuration sets', () => {
  const over = (address: string, more: object) =>
    createFleetFromConfig({ discovery: { url: address }, ...more } as ConfigSource);

  it('checks the health of nodes, where it asks for that', async () => {
    await using fleet = createFleetFromConfig({
      discovery: { url: one.address, health_check: { kind: 'tcp', interval: '100ms' } },
    });
    const served$ = fleet.nodes$.pipe(
      filter(({ nodes }) => nodes[0]?.health === 'serving'),
      timeout(10_000),
    );
    expect((await firstValueFrom(served$)).size).toBe(1);
  });

  it('ends calls at its deadline, and tries as often as it says', async () => {
    await using bad = await startGreeter({ faults: { failWith: 'UNAVAILABLE' } });
    await using patient = over(bad.address, { calls: { max_attempts: 2, wait_for_ready: true } });
    const failing$ = createClient(patient, GreeterService).sayHello({ name: 'Ada' });
    await expect(firstValueFrom(failing$)).rejects.toMatchObject({ code: 'UNAVAILABLE', attempts: { length: 2 } });
    bad.faults({ hang: true });
    await using hasty = over(bad.address, { calls: { deadline: '300ms', wait_for_ready: true } });
    const hanging$ = createClient(hasty, GreeterService).sayHello({ name: 'Ada' });
    await expect(firstValueFrom(hanging$)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('gives way to what the program passes', async () => {
    await using fleet = createFleetFromConfig(
      { discovery: { url: 'etcd://127.0.0.1:1/x' } },
      { discovery: staticNodes([one.address]) },
    );
    const set$ = fleet.nodes$.pipe(
      filter(({ size }) => size === 1),
      timeout(5_000),
    );
    expect((await firstValueFrom(set$)).nodes[0]!.sources).toEqual(['static']);
  });

  it('is refused at once for a message size, and late by the backend for what only that knows', async () => {
    expect(() => over(one.address, { transport: { max_receive_bytes: 0 } })).toThrow(
      /transport\.max_receive_bytes must be/,
    );
    await using fleet = over('etcd://127.0.0.1:1/x?user=me', {});
    await expect(firstValueFrom(fleet.nodes$.pipe(filter(({ size }) => size > 0)))).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(/user must be given together with password/) as string,
    });
  });
});

describe('what a configuration filters', () => {
  const nodes = [
    { id: 'a', address: '127.0.0.1:1', version: 'v1.0.0', tags: ['gpu', 'env=prod'], namespace: 'production' },
    { id: 'b', address: '127.0.0.1:2', version: '1.0.0', tags: ['env=prod-2'], namespace: 'production' },
    { id: 'c', address: '127.0.0.1:3', version: '1.4.2', tags: ['gpu', 'env=test'], namespace: 'production' },
    { id: 'd', address: '127.0.0.1:4', version: '1.4.2', tags: ['gpu', 'env=prod'], namespace: 'test' },
  ];
  const from = async (discovery: object) => {
    const path = await written('nodes.json', JSON.stringify(nodes));
    return idsOf({ discovery: { backend: 'file', backend_config: { path }, ...discovery } } as ConfigSource);
  };

  it.each([
    ['everything without filters', {}, ['a', 'b', 'c', 'd']],
    ['one namespace', { namespace: { default: 'production' } }, ['a', 'b', 'c']],
    ['one version, with or without its v', { version: { default: 'v1.0.0' } }, ['a', 'b']],
    ['a range of versions', { version: { default: '^1.2', format: 'semver' } }, ['c', 'd']],
    [
      'every version when routing is off',
      { version: { default: 'v9.0.0', enable_routing: false } },
      ['a', 'b', 'c', 'd'],
    ],
    ['the fallback while nobody has the version', { version: { default: '^2', fallback: ['^1.4'] } }, ['c', 'd']],
    ['a label by its key', { tag_filters: [{ key: 'gpu' }] }, ['a', 'c', 'd']],
    ['a label exactly', { tag_filters: [{ key: 'env', value: 'prod' }] }, ['a', 'd']],
    ['a label by prefix', { tag_filters: [{ key: 'env', value: 'prod', pattern: 'prefix' }] }, ['a', 'b', 'd']],
    [
      'a label by expression',
      { tag_filters: [{ key: 'env', value: '^(test|prod)$', pattern: 'regex' }] },
      ['a', 'c', 'd'],
    ],
    [
      'a label that exists, whatever it is',
      { tag_filters: [{ key: 'gpu', value: 'x', pattern: 'exists' }] },
      ['a', 'c', 'd'],
    ],
    ['all filters at once', { tag_filters: ['gpu', 'env=prod'], namespace: { default: 'test' } }, ['d']],
  ])('lists %s', async (_, discovery, ids) => {
    expect(await from(discovery)).toEqual(ids);
  });
});

describe('over a real etcd', () => {
  it('finds what flare has put there, by the file of the seed and an endpoint from the environment', async (context) => {
    const program = await etcdOrReason();
    if (typeof program === 'string') return context.skip(program);
    const etcd = await startEtcd(program);
    try {
      const value = {
        service_type: 'signaling-online',
        instance_id: 'node-1',
        address: one.address,
        namespace: 'production',
        version: 'v1.0.0',
        tags: { region: 'us-east-1' },
        metadata: { region: 'us-east-1', zone: null, environment: null, custom: {} },
        healthy: true,
        weight: 100,
      };
      await etcd.put('production/services/signaling-online/node-1', JSON.stringify(value));
      const older = { ...value, instance_id: 'node-0', version: 'v0.9.0' };
      await etcd.put('production/services/signaling-online/node-0', JSON.stringify(older));
      const file = await written('etcd.toml', seeds.etcd);
      const env = { RXFLEET_DISCOVERY_BACKEND_CONFIG_ENDPOINTS: `http://${etcd.endpoint}` };
      expect(await idsOf({ file, env })).toEqual(['node-1']);
    } finally {
      await etcd.stop();
    }
  }, 60_000);
});
