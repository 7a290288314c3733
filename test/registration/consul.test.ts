/** `consulRegistry()` and a real agent, read back by hand from what the layouts say, and never by our own reader. */

import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { BehaviorSubject, firstValueFrom, lastValueFrom, type Subscription } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, type NodeInit } from '../../src/core/node.js';
import { consulRegistry, type ConsulRegistryOptions } from '../../src/registration/consul.js';
import { register } from '../../src/registration/register.js';
import type { Registration } from '../../src/registration/registration.js';
import type { Lease } from '../../src/registration/registry.js';
import { consulOrReason, freePorts, masterToken, startConsul, type ConsulAgent } from '../support/consul.js';
import { fakeConsul } from '../discovery/consulFake.js';
import { until } from '../support/until.js';

const program = await consulOrReason();

const hub: NodeInit = {
  ...{ id: 'hub-1', service: 'thumbnails', address: '10.0.0.7:50051', version: '1.4.2', namespace: 'prod', zone: 'z1' },
  ...{ weight: 3, tags: { gpu: '', tier: 'gold' }, metadata: { runtime: 'cuda' } },
};

interface Listed {
  readonly Service: Record<string, unknown> & { ID: string };
  readonly Checks: readonly { CheckID: string; Status: string; Type: string; Output: string }[];
}

describe.skipIf(typeof program === 'string')('consulRegistry() and a real agent', () => {
  if (typeof program === 'string') return;
  let agent: ConsulAgent;
  let registration: Subscription | undefined;
  beforeAll(async () => void (agent = await startConsul(program)));
  afterEach(async () => {
    registration?.unsubscribe();
    await agent.ask('PUT', '/v1/agent/service/deregister/hub-1');
  });
  afterAll(() => agent.close());

  const list = async (): Promise<Listed[]> =>
    (await agent.ask('GET', '/v1/health/service/thumbnails')).body as Listed[];
  const statusOf = ({ Checks }: Listed) => Checks.find(({ CheckID }) => CheckID === 'service:hub-1')?.Status;
  const put = (options: ConsulRegistryOptions = {}, node: NodeInit = hub): Promise<Lease> =>
    lastValueFrom(consulRegistry({ address: agent.address, ...options }).put(createNode(node)));
  const over = (step$: ReturnType<Lease['withdraw']>) => lastValueFrom(step$, { defaultValue: 'done' });
  const failure = (promise: Promise<unknown>): Promise<FleetError> =>
    promise.then(
      () => Promise.reject(new Error('it did not fail')),
      (error: FleetError) => error,
    );

  it('writes ours with facts and metadata in Meta, labels as tags, weight as Weights, passing from the start', async () => {
    const lease = await put();
    expect([lease.key, lease.ttlMs]).toEqual(['hub-1', 90_000]);
    const [listed] = await list();
    expect(listed!.Service).toMatchObject({
      ...{ ID: 'hub-1', Service: 'thumbnails', Address: '10.0.0.7', Port: 50_051, Tags: ['gpu', 'tier=gold'] },
      Meta: { version: '1.4.2', namespace: 'prod', zone: 'z1', runtime: 'cuda' },
      Weights: { Passing: 3, Warning: 3 },
    });
    expect(listed!.Checks.map(({ CheckID, Status }) => [CheckID, Status])).toContainEqual(['service:hub-1', 'passing']);
    expect(await firstValueFrom(lease.renew())).toBe(90_000);
  });

  it("writes flare's: tags and nothing else, the check under flare's id", async () => {
    const node = { ...hub, weight: 1, metadata: {}, tags: { region: 'us-east-1', gpu: 'true' } };
    await put({ layout: 'flare', check: { ttlMs: 45_000 } }, { ...node, zone: undefined });
    const [listed] = await list();
    const { Tags, Meta, Address, Port } = listed!.Service;
    expect({ Tags, Meta, Address, Port }).toEqual({
      Tags: ['region=us-east-1', 'gpu=true', 'version=1.4.2', 'namespace=prod'],
      ...{ Meta: null, Address: '10.0.0.7', Port: 50_051 },
    });
    expect(statusOf(listed!)).toBe('passing');
  });

  it('goes critical when its heartbeats stop, and passes again with the next', async () => {
    const lease = await put({ check: { ttlMs: 1_000 } });
    expect(statusOf((await list())[0]!)).toBe('passing');
    let critical = false;
    const poll = async (): Promise<void> => {
      while (!critical) critical = statusOf((await list())[0]!) === 'critical';
    };
    await poll();
    await firstValueFrom(lease.renew());
    expect(statusOf((await list())[0]!)).toBe('passing');
  });

  it('is updated in place, under the same id, without a moment in which it does not pass', async () => {
    const lease = await put();
    const seen: (string | undefined)[] = [];
    const changed = { ...hub, weight: 0.5, tags: { cpu: '' }, availability: 'draining' as const };
    const [before] = await list();
    const updated = over(lease.update(createNode(changed)));
    let done = false;
    void updated.then(() => (done = true));
    while (!done) seen.push(...(await list()).map(statusOf));
    const [after] = await list();
    expect(after!.Service).toMatchObject({
      Tags: ['cpu'],
      Meta: { weight: '0.5', draining: 'true' },
      CreateIndex: before!.Service.CreateIndex,
    });
    expect(new Set([...seen, statusOf(after!)])).toEqual(new Set(['passing']));
    expect((await failure(over(lease.update(createNode({ ...hub, id: 'other' }))))).code).toBe('INVALID_OPTION');
  });

  it('is taken out, and taking out what is gone is no error', async () => {
    const lease = await put();
    await over(lease.withdraw());
    expect(await list()).toEqual([]);
    await over(lease.withdraw());
  });

  it('knows that it is lost when the agent has forgotten it, and is put in again by register()', async () => {
    const states: Registration[] = [];
    const options = { heartbeatMs: 100, backoff: { initialBackoffMs: 50, maxBackoffMs: 200 } };
    const node$ = new BehaviorSubject(hub);
    registration = register(node$, consulRegistry({ address: agent.address }), options).subscribe((each) =>
      states.push(each),
    );
    const is = (state: string) => () => states.at(-1)?.state === state;
    await until('it is registered', is('registered'));
    const lease = await put({}, { ...hub, id: 'hub-2' });
    await agent.kill();
    const away = await failure(firstValueFrom(lease.renew()));
    expect([away.code, away.message.includes(agent.address)]).toEqual(['UNAVAILABLE', true]);
    await agent.start();
    expect((await failure(firstValueFrom(lease.renew()))).code).toBe('NOT_FOUND');
    await until(
      'it was lost and is registered again',
      () => states.some(({ state }) => state === 'lost') && is('registered')(),
    );
    expect((await list()).map(statusOf)).toEqual(['passing']);
    node$.next({ ...hub, weight: 9 });
    await until('the update is told', () => states.at(-1)?.node.weight === 9 && is('registered')());
    expect((await list())[0]!.Service.Weights).toEqual({ Passing: 9, Warning: 9 });
    registration.unsubscribe();
    for (let left = 1; left > 0;) left = (await list()).length;
  });

  it('lets the agent ask the node itself over HTTP', async () => {
    const server: Server = createServer((_, response) => response.end('fine'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const node = { ...hub, address: `127.0.0.1:${port}` };
      const lease = await put({ check: { http: '/health', intervalMs: 1_000 } }, node);
      expect(lease.ttlMs).toBe(Infinity);
      for (let status: unknown; status !== 'passing';) status = statusOf((await list())[0]!);
      expect((await list())[0]!.Checks.find(({ CheckID }) => CheckID === 'service:hub-1')!.Type).toBe('http');
      await over(lease.update(createNode({ ...node, weight: 8 })));
      expect(statusOf((await list())[0]!)).toBe('passing');
      expect(await firstValueFrom(lease.renew())).toBe(Infinity);
      await over(lease.withdraw());
      expect((await failure(firstValueFrom(lease.renew()))).code).toBe('NOT_FOUND');
    } finally {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    }
  });

  it('lets the agent ask the node itself by gRPC, and is critical while nobody answers', async () => {
    const [port] = await freePorts(1);
    await put({ check: { grpc: 'demo.Greeter', intervalMs: 1_000 } }, { ...hub, address: `127.0.0.1:${port}` });
    const [listed] = await list();
    expect(listed!.Checks.map(({ Type, Status }) => [Type, Status])).toContainEqual(['grpc', 'critical']);
  });

  it("sends flare's payload to the letter", async () => {
    const server = await fakeConsul(() => ({ status: 200, body: '' }));
    try {
      await put({ address: server.address, layout: 'flare', check: { ttlMs: 45_000 } }, hub);
      expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
        'PUT /v1/agent/service/register?replace-existing-checks=true',
        'PUT /v1/agent/check/pass/service%3Ahub-1',
      ]);
      expect(await server.body(0)).toEqual({
        ...{ ID: 'hub-1', Name: 'thumbnails', Address: '10.0.0.7', Port: 50_051 },
        Tags: ['gpu=true', 'tier=gold', 'runtime=cuda', 'weight=3', 'zone=z1', 'version=1.4.2', 'namespace=prod'],
        Check: { CheckID: 'service:hub-1', TTL: '45s', DeregisterCriticalServiceAfter: '90s' },
      });
    } finally {
      await server.close();
    }
  });

  it.each<[string, ConsulRegistryOptions, NodeInit, RegExp]>([
    ['a host name for flare', { layout: 'flare' }, { ...hub, address: 'node-1:80' }, /IPv4/],
    ['IPv6 for flare', { layout: 'flare' }, { ...hub, address: '[::1]:80' }, /IPv4/],
    ['a key that Meta cannot hold', {}, { ...hub, metadata: { 'a.b': '1' } }, /"a\.b"/],
    ['a value that Meta cannot hold', {}, { ...hub, metadata: { long: 'x'.repeat(513) } }, /512/],
    ['metadata that would overwrite a fact', {}, { ...hub, metadata: { version: '2' } }, /"version"/],
    [
      'too much metadata',
      {},
      { ...hub, metadata: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])) },
      /64/,
    ],
  ])('refuses %s before it sends anything', async (_, options, node, message) => {
    const error = await failure(put(options, node));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toMatch(message);
    expect(await list()).toEqual([]);
  });

  it.each([
    [{ check: { ttlMs: 10 } }, 'check.ttlMs'],
    [{ check: { http: 'health' } }, 'check.http'],
    [{ check: { grpc: '', intervalMs: 1 } }, 'check.intervalMs'],
    [{ deregisterAfterMs: 1_000 }, 'deregisterAfterMs'],
  ])('refuses senseless options at once: %o', (options, field) => {
    expect(() => consulRegistry(options)).toThrow(field);
  });
});

describe.skipIf(typeof program === 'string')('consulRegistry() and an agent with ACLs', () => {
  if (typeof program === 'string') return;
  let agent: ConsulAgent;
  beforeAll(async () => void (agent = await startConsul(program, { acl: true })));
  afterAll(() => agent.close());

  it('registers with a token that may, and says what is missing without one, showing none', async () => {
    const at = (token?: string) => consulRegistry({ address: agent.address, ...(token ? { token } : {}) });
    const put = (token?: string) => lastValueFrom(at(token).put(createNode(hub)));
    const refused = await put().catch((error: FleetError) => error);
    expect(refused).toBeInstanceOf(FleetError);
    expect(refused).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect((refused as FleetError).message).toMatch(/service:write on thumbnails.*ACL token/);
    const wrong = '3f0a6f6e-0000-4000-8000-5eb63bbbe01e';
    const unknown = (await put(wrong).catch((error: FleetError) => error)) as FleetError;
    expect(unknown.code).toBe('PERMISSION_DENIED');
    expect(`${unknown.message} ${unknown.stack} ${JSON.stringify(unknown)}`).not.toContain(wrong);
    const lease = await put(masterToken);
    await firstValueFrom(lease.renew());
    await lastValueFrom(lease.withdraw(), { defaultValue: 0 });
  });
});
