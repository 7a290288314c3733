/** etcd for the tests: servers on loopback, and a hand at them that shares no code with the library. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { debian, type DebianRoot } from './debian.js';

/** etcd 3.5 of trixie, or 3.4 of bookworm; or in one line why it is not to be had; with CI=true that is an error. */
export async function etcdOrReason(suite: 'trixie' | 'bookworm' = 'trixie'): Promise<DebianRoot | string> {
  try {
    return await debian(['etcd-server'], ['etcd'], [], suite);
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    const reason = `no etcd of ${suite} to test with: ${(error as Error).message}`;
    console.warn(`skipped: ${reason}`);
    return reason;
  }
}

export interface EtcdKey {
  readonly key: string;
  readonly value: string;
  readonly modRevision: number;
  /** `0` for none. */
  readonly lease: string;
}

export interface EtcdServer {
  readonly port: number;
  /** `127.0.0.1:port`, the same after a restart. */
  readonly endpoint: string;
  /** The JSON gateway of the server, such as `ask('kv/put', { key, value })` with keys in base64. */
  ask(path: string, body: object): Promise<any>;
  put(key: string, value: string, lease?: string): Promise<number>;
  remove(key: string): Promise<number>;
  /** Puts and removals in one transaction, at one revision. */
  change(puts: Readonly<Record<string, string>>, removals?: readonly string[]): Promise<number>;
  list(prefix: string): Promise<EtcdKey[]>;
  /** Forgets the history before the newest revision. */
  compact(): Promise<number>;
  /** As a crash would; what was stored stays. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Loses what was stored; only while it is down. */
  wipe(): void;
  /** Sends this login with what is asked by hand from now on. */
  login(name: string, password: string): Promise<void>;
  isLeader(): Promise<boolean>;
  stop(): Promise<void>;
}

export interface EtcdServerOptions {
  readonly name?: string;
  readonly flags?: readonly string[];
  /** `name=peer url,…` of the whole cluster. Default: a cluster of one. */
  readonly cluster?: string;
  readonly peerPort?: number;
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const text = (encoded: string | undefined) => Buffer.from(encoded ?? '', 'base64').toString();

/** A server that is not started yet. With TLS the gateway is not to be had: it would need our certificates, too. */
export async function createEtcd(program: DebianRoot, options: EtcdServerOptions = {}): Promise<EtcdServer> {
  const { name = 'one', flags = [], tls } = options;
  const [port, spare] = (await freePorts(2)) as [number, number];
  const peer = `http://127.0.0.1:${options.peerPort ?? spare}`;
  const client = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const folder = mkdtempSync(join(tmpdir(), 'rxfleet-etcd-'));
  let child: ChildProcess | undefined;
  let said = '';
  let credentials: { name: string; password: string } | undefined;
  let token: string | undefined;

  const ask = async (path: string, body: object, again = true): Promise<any> => {
    const response = await fetch(`${client}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: token ? { authorization: token } : {},
    });
    const answer = (await response.json()) as { error?: string };
    if (response.ok) return answer;
    if (again && credentials && /token/.test(answer.error ?? '')) {
      await authenticate();
      return ask(path, body, false);
    }
    throw new Error(`etcd: ${path}: ${response.status} ${answer.error}`);
  };
  const authenticate = async (): Promise<void> => {
    token = undefined;
    token = (await ask('auth/authenticate', credentials!, false)).token;
  };
  const revisionOf = ({ header }: { header: { revision: string } }) => Number(header.revision);

  const answers = async (): Promise<boolean> => {
    if (!tls) {
      const response = await fetch(`${client}/health`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
      return response?.ok ?? false;
    }
    const socket = connect(port, '127.0.0.1');
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    return connected;
  };
  const ready = async (): Promise<void> => {
    for (let tries = 0; !(await answers()); tries++) {
      if (child?.exitCode !== null || tries > 600) throw new Error(`etcd did not start: ${said}`);
      await sleep(25);
    }
  };

  const server: EtcdServer = {
    port,
    endpoint: `127.0.0.1:${port}`,
    ask,
    put: async (key, value, lease) =>
      revisionOf(await ask('kv/put', { key: base64(key), value: base64(value), ...(lease ? { lease } : {}) })),
    remove: async (key) => revisionOf(await ask('kv/deleterange', { key: base64(key) })),
    change: async (puts, removals = []) =>
      revisionOf(
        await ask('kv/txn', {
          success: [
            ...Object.entries(puts).map(([key, value]) => ({
              request_put: { key: base64(key), value: base64(value) },
            })),
            ...removals.map((key) => ({ request_delete_range: { key: base64(key) } })),
          ],
        }),
      ),
    async list(prefix) {
      const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
      const { kvs = [] } = await ask('kv/range', { key: base64(prefix), range_end: base64(end) });
      return kvs.map((kv: Record<string, string>) => ({
        ...{ key: text(kv.key), value: text(kv.value) },
        ...{ modRevision: Number(kv.mod_revision), lease: kv.lease ?? '0' },
      }));
    },
    async compact() {
      const revision = revisionOf(await ask('kv/range', { key: base64('\0') }));
      await ask('kv/compaction', { revision: String(revision), physical: true });
      return revision;
    },
    async kill() {
      const running = child;
      child = undefined;
      if (!running || running.exitCode !== null || running.signalCode !== null) return;
      running.kill('SIGKILL');
      await once(running, 'exit');
    },
    async start() {
      said = '';
      const secured = tls ? ['--cert-file', tls.cert, '--key-file', tls.key] : [];
      const mutual = tls?.ca ? ['--client-cert-auth', '--trusted-ca-file', tls.ca] : [];
      const args = [
        ...['--name', name, '--data-dir', join(folder, 'data'), '--log-level', 'error'],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', options.cluster ?? `${name}=${peer}`],
        ...['--heartbeat-interval', '50', '--election-timeout', '500'],
        ...[...secured, ...mutual, ...flags],
      ];
      const started = spawn(program.program('etcd'), args, { env: program.env, stdio: ['ignore', 'pipe', 'pipe'] });
      child = started;
      for (const stream of [started.stdout, started.stderr]) {
        stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
      }
      if (!options.cluster) await ready();
    },
    wipe: () => rmSync(join(folder, 'data'), { recursive: true, force: true }),
    async login(name, password) {
      credentials = { name, password };
      await authenticate();
    },
    async isLeader() {
      const { leader, header } = await ask('maintenance/status', {});
      return leader !== undefined && leader !== '0' && leader === header.member_id;
    },
    async stop() {
      await this.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return server;
}

/** A server that answers. */
export async function startEtcd(program: DebianRoot, options?: EtcdServerOptions): Promise<EtcdServer> {
  const server = await createEtcd(program, options);
  await server.start();
  return server;
}

/** Three members that have found their leader. */
export async function startCluster(program: DebianRoot, flags: readonly string[] = []): Promise<EtcdServer[]> {
  const ports = await freePorts(3);
  const cluster = ports.map((port, index) => `m${index}=http://127.0.0.1:${port}`).join(',');
  const members = await Promise.all(
    ports.map((peerPort, index) => createEtcd(program, { name: `m${index}`, cluster, peerPort, flags })),
  );
  await Promise.all(members.map((member) => member.start()));
  await Promise.all(members.map(healthy));
  return members;
}

/** Resolves when a member answers reads, which takes a leader. */
export async function healthy(member: EtcdServer): Promise<void> {
  for (let tries = 0; tries < 1_200; tries++) {
    const fine = await member.ask('kv/range', { key: base64('\0') }).then(
      () => true,
      () => false,
    );
    if (fine) return;
    await sleep(25);
  }
  throw new Error(`etcd at ${member.endpoint} has found no leader`);
}

/** Ports of loopback that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(
    servers.map((server) => {
      server.close();
      return once(server, 'close');
    }),
  );
  return ports;
}
