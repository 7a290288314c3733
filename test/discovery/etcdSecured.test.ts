/** etcd with users and roles, over TLS, and as a cluster: discovery and registration side by side. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import type { FleetError } from '../../src/core/fleetError.js';
import { createNode } from '../../src/core/node.js';
import { etcd, type EtcdConnectionOptions } from '../../src/discovery/etcd.js';
import { etcdRegistry } from '../../src/registration/etcd.js';
import { register } from '../../src/registration/register.js';
import type { Registration } from '../../src/registration/registration.js';
import { createTestCertificates } from '../../src/testing/testCertificates.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { etcdOrReason, healthy, startCluster, startEtcd, type EtcdServer } from '../support/etcd.js';
import { followed, type Followed } from '../support/followed.js';
import { spyTransport } from '../support/spyTransport.js';
import { startTcpProxy, type TcpProxy } from '../support/tcpProxy.js';
import { until } from '../support/until.js';

const program = await etcdOrReason();
const old = await etcdOrReason('bookworm');
const query = { service: 'thumbnails' };
const quick = { requestTimeoutMs: 2_000, backoff: { maxBackoffMs: 300 } };
const keyOf = (id: string) => `rxfleet/services/thumbnails/default/${id}`;
const valueOf = (id: string) => JSON.stringify({ id, addresses: ['10.0.0.1:50051'] });
const nodeOf = (id: string) => createNode({ id, service: 'thumbnails', address: '10.0.0.7:50051' });
const put = (options: EtcdConnectionOptions, id = 'own') =>
  firstValueFrom(etcdRegistry({ ttlMs: 5_000, requestTimeoutMs: 2_000, ...options }).put(nodeOf(id)));
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable('it did not fail'),
    (error: unknown) => error as FleetError,
  );
/** All that an error says, to whoever prints it. */
const told = (error: unknown): string => {
  const seen = new Set<unknown>();
  const texts: string[] = [];
  const look = (value: unknown): void => {
    if (typeof value === 'string') texts.push(value);
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    for (const name of Object.getOwnPropertyNames(value)) look((value as Record<string, unknown>)[name]);
  };
  look(error);
  return texts.join('\n');
};

for (const [version, binaries, flags] of [
  ['3.5', program, ['--auth-token-ttl', '1']],
  ['3.4', old, []],
] as const) {
  describe.skipIf(typeof binaries === 'string')(`etcd ${version} with users and roles`, () => {
    if (typeof binaries === 'string') return;
    let server: EtcdServer;
    let wire: TcpProxy;
    let world: Followed | undefined;
    const secret = 'correct horse battery';
    const reader = { user: 'reader', password: secret };
    const writer = { user: 'writer', password: secret };

    beforeAll(async () => {
      server = await startEtcd(binaries, { flags });
      wire = await startTcpProxy(server.port);
      const base64 = (text: string) => Buffer.from(text).toString('base64');
      const keys = { key: base64('rxfleet/'), range_end: base64('rxfleet0') };
      for (const [role, permType] of [
        ['read', 'READ'],
        ['write', 'READWRITE'],
      ] as const) {
        await server.ask('auth/role/add', { name: role });
        await server.ask('auth/role/grant', { name: role, perm: { permType, ...keys } });
      }
      await server.ask('auth/role/add', { name: 'root' });
      for (const [name, role] of [
        ['root', 'root'],
        ['reader', 'read'],
        ['writer', 'write'],
        ['nobody', undefined],
      ] as const) {
        await server.ask('auth/user/add', { name, password: secret });
        if (role) await server.ask('auth/user/grant', { user: name, role });
      }
      await server.ask('auth/enable', {});
      await server.login('root', secret);
      await server.put(keyOf('a'), valueOf('a'));
    });
    afterAll(async () => {
      await wire.close();
      await server.stop();
    });
    afterEach(() => {
      world?.stop();
      wire.restore();
    });
    const follow = (login: EtcdConnectionOptions) =>
      (world = followed(etcd({ endpoints: [wire.endpoint], ...quick, ...login }), query));
    const endpoints = () => [wire.endpoint];

    it('finds and registers with the right roles', async () => {
      await follow(reader).is('a');
      const lease = await put({ endpoints: endpoints(), ...writer });
      await world!.is('a', 'own');
      expect(await firstValueFrom(lease.renew())).toBe(5_000);
      await firstValueFrom(lease.withdraw(), { defaultValue: undefined });
      await world!.is('a');
    });

    it('ends with an error for a wrong password, which names the user and not the password', async () => {
      const wrong = { user: 'reader', password: 'Tr0ub4dor&3' };
      const { events } = follow(wrong);
      await until('it ended', () => world!.error !== undefined);
      const errors = [world!.error!, await failure(put({ endpoints: endpoints(), ...wrong }))];
      for (const error of errors) {
        expect(error.code).toBe('UNAUTHENTICATED');
        expect(error.message).toBe(
          `etcd at ${wire.endpoint} refuses the login of user "reader": check the options user and password`,
        );
        expect(told(error)).not.toContain(wrong.password);
      }
      expect(told(events)).not.toContain(wrong.password);
    });

    it('ends with an error when nobody logs in, and when the user may not read', async () => {
      follow({});
      await until('it ended', () => world!.error !== undefined);
      expect(world!.error!.code).toBe('UNAUTHENTICATED');
      expect(world!.error!.message).toContain('give the options user and password');
      follow({ user: 'nobody', password: secret });
      await until('it ended', () => world!.error !== undefined);
      expect(world!.error!.code).toBe('PERMISSION_DENIED');
      expect(world!.error!.message).toContain('as user "nobody"');
      const refused = await failure(put({ endpoints: endpoints(), ...reader }));
      expect(refused.code).toBe('PERMISSION_DENIED');
      expect(refused.message).toContain('grant a role');
      expect(told([world!.error, refused])).not.toContain(secret);
    });

    it('renews a token that has run out, once for each call that needs it', async () => {
      const transport = spyTransport(grpcTransport());
      const lease = await put({ endpoints: endpoints(), transport, ...writer }, 'token');
      const logins = () => transport.sent.filter(({ method }) => method === 'Authenticate').length;
      expect(logins()).toBe(1);
      // The password is what is sent to log in, and nothing else.
      expect(told(transport.sent.filter(({ method }) => method !== 'Authenticate'))).not.toContain(secret);
      if (version === '3.5') await new Promise((wait) => setTimeout(wait, 3_200));
      // A changed password ends all tokens of the user.
      else await server.ask('auth/user/changepw', { name: 'writer', password: secret });
      await firstValueFrom(lease.update(nodeOf('token')), { defaultValue: undefined });
      expect(logins()).toBe(2);
      await firstValueFrom(lease.renew());
      await firstValueFrom(lease.withdraw(), { defaultValue: undefined });
    });

    it('goes on watching after a crash of the server', async () => {
      const { is, isStale } = follow(reader);
      await is('a');
      await server.kill();
      await isStale(true);
      await server.start();
      await server.login('root', secret);
      await server.put(keyOf('b'), valueOf('b'));
      await is('a', 'b');
      await server.remove(keyOf('b'));
      await is('a');
      expect(world!.error).toBeUndefined();
    });
  });
}

describe.skipIf(typeof program === 'string')('etcd over TLS', () => {
  if (typeof program === 'string') return;
  const { authority, node, client, stranger } = createTestCertificates();
  let folder: string;
  let server: EtcdServer;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rxfleet-etcd-tls-'));
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const tls = { cert: file('cert', node.cert), key: file('key', node.key), ca: file('ca', authority.cert) };
    server = await startEtcd(program, { tls });
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('finds what it registers, both sides proven by certificates', async () => {
    const tls = { ca: authority.cert, cert: client.cert, key: client.key };
    const options = { endpoints: [`https://${server.endpoint}`], tls };
    const world = followed(etcd({ ...options, ...quick }), query);
    const lease = await put(options);
    await world.is('own');
    await firstValueFrom(lease.withdraw(), { defaultValue: undefined });
    await world.is();
    world.stop();
  });

  it('says what is wrong when the server is not the one that was meant', async () => {
    const tls = { ca: stranger.cert, cert: client.cert, key: client.key };
    const error = await failure(put({ endpoints: [server.endpoint], tls }));
    expect(error.code).toBe('UNAVAILABLE');
    expect(error.message).toContain(server.endpoint);
    expect(error.message).toMatch(/certificate/);
  });
});

describe.skipIf(typeof program === 'string')('etcd as a cluster of three', () => {
  if (typeof program === 'string') return;
  let members: EtcdServer[];
  beforeAll(async () => void (members = await startCluster(program)));
  afterAll(async () => void (await Promise.all(members.map((member) => member.stop()))));

  it('survives the death of its leader, of the member it talks to, and of the majority', async () => {
    const endpoints = members.map(({ endpoint }) => endpoint);
    const world = followed(etcd({ endpoints, ...quick }), query);
    const states: Registration['state'][] = [];
    const registration = register(
      { id: 'own', service: 'thumbnails', address: '10.0.0.7:50051' },
      etcdRegistry({ endpoints, ttlMs: 6_000, requestTimeoutMs: 2_000 }),
      { backoff: { maxBackoffMs: 300 }, answerTimeoutMs: 2_000 },
    ).subscribe(({ state }) => states.push(state));
    await world.is('own');

    for (let round = 0; round < 3; round++) {
      const leads = await Promise.all(members.map((member) => member.isLeader()));
      // The leader; then, one after another, the others, so that whoever it talks to dies, too.
      const victim = round === 0 ? members[leads.indexOf(true)]! : members[round]!;
      const other = members.find((member) => member !== victim)!;
      await victim.kill();
      await healthy(other);
      await other.put(keyOf(`n${round}`), valueOf(`n${round}`));
      await world.is('own', ...Array.from({ length: round + 1 }, (_, i) => `n${i}`));
      await victim.start();
      await healthy(victim);
    }
    expect(states.filter((state) => state === 'lost')).toEqual([]);
    expect(world.error).toBeUndefined();

    await Promise.all(members.slice(1).map((member) => member.kill()));
    await world.isStale(true);
    expect(world.ids).toEqual(['n0', 'n1', 'n2', 'own']);
    await Promise.all(members.slice(1).map((member) => member.start()));
    await Promise.all(members.map(healthy));
    await world.isStale(false);
    await until('it is registered', () => states.at(-1) === 'registered', 15_000);
    await world.is('own', 'n0', 'n1', 'n2');
    registration.unsubscribe();
    await world.is('n0', 'n1', 'n2');
    world.stop();
  });
});
