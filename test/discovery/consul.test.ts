/** `consul()` and a real agent: what it reads, and what it makes of crashes, cuts, checks and ACLs. */

import { filter, firstValueFrom, ReplaySubject, timeout, type Subscription } from 'rxjs';
import type { FleetError } from '../../src/core/fleetError.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { consul, type ConsulOptions } from '../../src/discovery/consul.js';
import type { DiscoveryEvent } from '../../src/discovery/discovery.js';
import { consulOrReason, masterToken, startConsul, type ConsulAgent } from '../support/consul.js';
import { startTcpProxy, type TcpProxy } from '../support/tcpProxy.js';

const program = await consulOrReason();

interface World {
  readonly sets: NodeSet[];
  readonly events: DiscoveryEvent[];
  next(what: string, test: (set: NodeSet) => boolean): Promise<NodeSet>;
  failure(): Promise<FleetError>;
}

const subscriptions: Subscription[] = [];
const fast = { pace: { steadyMs: 20, firstMs: 1 } };

function watch(options: ConsulOptions): World {
  const sets: NodeSet[] = [];
  const events: DiscoveryEvent[] = [];
  const set$ = new ReplaySubject<NodeSet>(1);
  const query = { service: 'rxfleet-test', onEvent: (event: DiscoveryEvent) => void events.push(event) };
  subscriptions.push(consul({ ...fast, ...options })(query).subscribe(set$));
  set$.subscribe({ next: (set) => sets.push(set), error: () => undefined });
  const late = (what: string) => () => {
    throw new Error(
      `waited in vain for ${what}; the last was ${JSON.stringify(sets.at(-1)?.nodes.map(({ id }) => id))}`,
    );
  };
  return {
    sets,
    events,
    next: (what, test) => firstValueFrom(set$.pipe(filter(test), timeout({ each: 15_000, with: late(what) }))),
    failure: () => new Promise((resolve) => set$.subscribe({ error: resolve })),
  };
}
afterEach(() => subscriptions.splice(0).forEach((subscription) => subscription.unsubscribe()));

const has =
  (...ids: string[]) =>
  (set: NodeSet): boolean =>
    !set.stale &&
    set.nodes
      .map(({ id }) => id)
      .sort()
      .join() === ids.join();

describe.skipIf(typeof program === 'string')('consul() and a real agent', () => {
  if (typeof program === 'string') return;
  let agent: ConsulAgent;
  let wire: TcpProxy;
  beforeAll(async () => {
    agent = await startConsul(program);
    wire = await startTcpProxy(agent.port);
  });
  afterEach(async () => {
    for (const id of ['a', 'b', 'c']) await agent.ask('PUT', `/v1/agent/service/deregister/${id}`);
  });
  afterAll(async () => {
    await wire.close();
    await agent.close();
  });
  const ttl = { CheckID: 'service:a', TTL: '60s' };
  const setCheck = (status: string, note = '') => agent.ask('PUT', `/v1/agent/check/${status}/service:a?note=${note}`);

  it('reads version, namespace, zone, region, weight, tags and the rest of Meta', async () => {
    await agent.register({
      ...{ ID: 'a', Address: '10.1.2.3', Port: 70, Tags: ['gpu', 'tier=gold'], Weights: { Passing: 7, Warning: 1 } },
      Meta: { version: '1.4.2', namespace: 'prod', zone: 'z1', region: 'eu', name: 'hub', runtime: 'cuda' },
    });
    const set = await watch({ address: `http://${wire.endpoint}` }).next('a', has('a'));
    expect(set.get('a')).toMatchObject({
      ...{ id: 'a', name: 'hub', service: 'rxfleet-test', address: { host: '10.1.2.3', port: 70 }, weight: 7 },
      ...{ version: '1.4.2', namespace: 'prod', zone: 'z1', region: 'eu', metadata: { runtime: 'cuda' } },
      ...{ tags: { gpu: '', tier: 'gold' }, health: 'serving', sources: ['consul'] },
    });
  });

  it("reads what flare writes: version and namespace out of tags, bare tags as 'true'", async () => {
    await agent.register({
      ...{ ID: 'a', Address: '10.1.2.3', Port: 70 },
      Tags: ['region=us-east-1', 'version=v1.0.0', 'namespace=production', 'gpu', 'expr=a=b'],
    });
    const set = await watch({ address: `http://${wire.endpoint}`, layout: 'flare' }).next('a', has('a'));
    expect(set.get('a')).toMatchObject({
      ...{ version: 'v1.0.0', namespace: 'production', region: 'us-east-1', weight: 1 },
      tags: { gpu: 'true', expr: 'a=b', version: 'v1.0.0' },
    });
  });

  it('drops a node whose check turns critical, and takes it back', async () => {
    await agent.register({ ID: 'a', Address: '127.0.0.1', Port: 1, Check: { ...ttl, Status: 'passing' } });
    await agent.register({ ID: 'b', Address: '127.0.0.1', Port: 2 });
    const world = watch({ address: `http://${wire.endpoint}` });
    await world.next('both', has('a', 'b'));
    await setCheck('fail', 'disk-full');
    await world.next('b alone', has('b'));
    await setCheck('pass');
    await world.next('both again', has('a', 'b'));
  });

  it('lists the critical and the warning ones too when asked, with the words of the check', async () => {
    await agent.register({ ID: 'a', Address: '127.0.0.1', Port: 1, Check: { ...ttl, Status: 'passing' } });
    const world = watch({ address: `http://${wire.endpoint}`, passingOnly: false });
    await world.next('a serving', (set) => set.get('a')?.health === 'serving');
    for (const [verb, status] of [
      ['fail', 'critical'],
      ['warn', 'warning'],
    ] as const) {
      await setCheck(verb, 'disk-full');
      const set = await world.next(status, (each) => each.get('a')?.healthReason?.includes(status) ?? false);
      expect(set.get('a')).toMatchObject({
        health: 'notServing',
        healthReason: `check service:a is ${status}: disk-full`,
      });
    }
    await setCheck('pass');
    const set = await world.next('a serving again', (each) => each.get('a')?.health === 'serving');
    expect(set.get('a')!.healthReason).toBeUndefined();
  });

  it.each(['stale', 'consistent'] as const)('follows changes in mode %s', async (mode) => {
    const world = watch({ address: `http://${wire.endpoint}`, mode });
    await world.next('nothing', (set) => set.size === 0);
    await agent.register({ ID: 'a', Address: '127.0.0.1', Port: 1 });
    await world.next('a', has('a'));
  });

  it('keeps its nodes through a crash of the agent, and finds the other contents that it comes back with', async () => {
    await agent.register({ ID: 'a', Address: '127.0.0.1', Port: 1 });
    await agent.register({ ID: 'b', Address: '127.0.0.1', Port: 2 });
    const world = watch({ address: agent.address });
    const before = await world.next('both', has('a', 'b'));
    await agent.kill();
    const stale = await world.next('a stale set', (set) => set.stale !== undefined);
    expect(stale.nodes).toEqual(before.nodes);
    expect(stale.stale!.reason).toContain(agent.address);
    expect(stale.stale!.reason).toMatch(/check .*agent/);
    await agent.start();
    await agent.register({ ID: 'b', Address: '127.0.0.1', Port: 22 });
    await agent.register({ ID: 'c', Address: '127.0.0.1', Port: 3 });
    const after = await world.next('the new world', has('b', 'c'));
    expect(after.get('b')!.address.port).toBe(22);
  });

  it('notices a connection that died without a word, and works on once it lives again', async () => {
    await agent.register({ ID: 'a', Address: '127.0.0.1', Port: 1 });
    const world = watch({ address: `http://${wire.endpoint}`, waitMs: 300, requestTimeoutMs: 300 });
    await world.next('a', has('a'));
    wire.pause();
    const stale = await world.next('a stale set', (set) => set.stale !== undefined);
    expect(stale.size).toBe(1);
    await agent.register({ ID: 'b', Address: '127.0.0.1', Port: 2 });
    wire.resume();
    await world.next('both', has('a', 'b'));
  });

  it('starts while the agent is away, and lists once it is there', async () => {
    wire.cut();
    const world = watch({ address: `http://${wire.endpoint}` });
    await agent.register({ ID: 'a', Address: '127.0.0.1', Port: 1 });
    wire.restore();
    await world.next('a', has('a'));
    expect(world.sets.every((set) => set.size > 0)).toBe(true);
  });
});

describe.skipIf(typeof program === 'string')('consul() and an agent with ACLs', () => {
  if (typeof program === 'string') return;
  let agent: ConsulAgent;
  let reader: { token: string; accessor: string };
  beforeAll(async () => {
    agent = await startConsul(program, { acl: true });
    const rules = 'service "rxfleet-test" { policy = "read" } node_prefix "" { policy = "read" }';
    expect((await agent.ask('PUT', '/v1/acl/policy', { Name: 'reader', Rules: rules })).status).toBe(200);
    const { body } = await agent.ask('PUT', '/v1/acl/token', { Policies: [{ Name: 'reader' }] });
    const { SecretID, AccessorID } = body as { SecretID: string; AccessorID: string };
    reader = { token: SecretID, accessor: AccessorID };
    await agent.register({ ID: 'a', Address: '127.0.0.1', Port: 1 });
  });
  afterAll(() => agent.close());

  it('lists with a token that may read the service, and with one that may do all', async () => {
    await watch({ address: agent.address, token: reader.token }).next('a', has('a'));
    await watch({ address: agent.address, token: () => masterToken }).next('a', has('a'));
  });

  it('is empty only when the token may read the service, since Consul answers all others with an empty list', async () => {
    const allowed = watch({ address: agent.address, token: masterToken });
    await allowed.next('a', has('a'));
    await agent.deregister('a');
    await allowed.next('nothing', (set) => set.size === 0);
    const error = await watch({ address: agent.address }).failure();
    expect(error).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(error.message).toMatch(/rxfleet-test.*service:read/);
    await agent.register({ ID: 'a', Address: '127.0.0.1', Port: 1 });
  });

  it('refuses a token that Consul does not know, saying where and what to do, without showing it', async () => {
    const token = '3f0a6f6e-0000-4000-8000-5eb63bbbe01e';
    const error = await watch({ address: agent.address, token }).failure();
    expect(error.code).toBe('PERMISSION_DENIED');
    expect(error.message).toContain(agent.address);
    expect(error.message).toMatch(/ACL token/);
    expect([error.message, error.stack, JSON.stringify(error), String(error.cause)].join()).not.toContain(token);
  });

  it('errors when its token is taken away, and never shows an empty fleet for it', async () => {
    const world = watch({ address: agent.address, token: reader.token, waitMs: 200 });
    await world.next('a', has('a'));
    const failure = world.failure();
    expect((await agent.ask('DELETE', `/v1/acl/token/${reader.accessor}`)).status).toBe(200);
    expect(await failure).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(world.sets.every(({ size }) => size === 1)).toBe(true);
  });
});
