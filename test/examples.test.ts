/**
 * The examples as a user runs them: each is a whole program, a process of its own, against nodes that this file starts.
 *
 * A program finds its nodes in the environment: `RXFLEET_NODES` names the addresses of two nodes of `demo.Greeter`,
 * `RXFLEET_LUMEN_NODES` those of two Lumen nodes, `RXFLEET_HTTP` those of two HTTP servers, with a comma between. One that asks the network runs on a host of its
 * own, on which there is nothing but loopback and a Lumen node.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { clientKey, clientSecret, startAioServer, type AioServer } from './support/aioServer.js';
import { etcdOrReason, startEtcd, type EtcdServer } from './support/etcd.js';
import { startLumenNode, type LumenNode } from '../src/testing/index.js';
import { startGreeter, type Greeter } from './support/greeter.js';
import { createHost, type Host } from './support/netns.js';
import { root } from './support/source.js';

interface Expectation {
  /** Runs on a host of its own, where multicast stays. */
  readonly network?: boolean;
  /** Needs a real etcd. */
  readonly etcd?: boolean;
  /** Each must be found in what the program writes. */
  readonly stdout: readonly (string | RegExp)[];
}

const examples: Readonly<Record<string, Expectation>> = {
  aio: { stdout: ['Bearer true', /registering[\s\S]*registered/, /Ada/] },
  balancer: { stdout: ['10.0.0.1:50051\n10.0.0.2:50051'] },
  batch: { stdout: ['250 of 1000', '1000 of 1000'] },
  failover: { stdout: [/Ada/, /^NO_NODES: .*no node can take the call.*127\.0\.0\.1:1.*; start a node/m] },
  fleet: { stdout: [/ready/, /Ada/, /(reply \d\s+){3}/, /(greeter-\d\s+){2}/, /Grace/] },
  infer: { network: true, stdout: ['256 dimensions', /\w+ \w+ \w+/] },
  observe: {
    stdout: [
      /chosen 127\.0\.0\.1:\d+ left out .*127\.0\.0\.1:1: /,
      /^100 % succeeded, \d+ a second$/m,
      /^grpc_client_call_duration_seconds_count\{.*demo\.Greeter\/SayHello.*\} 100$/m,
      '2 could take a call',
      '200 spans',
    ],
  },
  policies: { stdout: [/^40 answered, \d+ retries, half of them within [\d.]+ ms$/m] },
  pool: { stdout: [/page of http-[12]\n200\n102 answered, \S+: \d+, \S+: \d+/] },
  quickBuild: { etcd: true, stdout: [/registered/, /(found \d+\s+){2}/] },
  registries: { etcd: true, stdout: [/registered/, 'found node-7 1.4.2', 'gone node-7'] },
  resume: { stdout: [/(first exact .*\n)+(second text .*\n)+/] },
  virtualTime: { stdout: ['a node that dies mid-turn gives its turn to the next', /^# fail 0$/m] },
};

const limitMs = 20_000;
const folder = join(root, 'test/examples');

let greeters: readonly Greeter[] = [];
let lumens: readonly LumenNode[] = [];
let pages: readonly Server[] = [];
let registry: AioServer;
let store: EtcdServer | string;
beforeAll(async () => {
  greeters = await Promise.all(['greeter-1', 'greeter-2'].map((name) => startGreeter({ name })));
  lumens = await Promise.all(['lumen-1', 'lumen-2'].map((name) => startLumenNode({ name })));
  pages = await Promise.all(['http-1', 'http-2'].map(startPage));
  registry = await startAioServer();
  const program = await etcdOrReason();
  store = typeof program === 'string' ? program : await startEtcd(program);
});
afterAll(async () => {
  await Promise.all([...greeters, ...lumens, registry].map((node) => node.close()));
  for (const server of pages) server.close();
  if (typeof store !== 'string') await store.stop();
});

/** An HTTP server with one page. */
async function startPage(name: string): Promise<Server> {
  const server = createServer((_, response) => void response.end(`page of ${name}`));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const addressesOf = (nodes: readonly { readonly address: string }[]) => nodes.map(({ address }) => address).join(',');

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs to the end, or to the limit: then it is ended and `code` is null. */
function run(name: string): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', join(folder, `${name}.ts`)], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
      env: {
        ...process.env,
        RXFLEET_NODES: addressesOf(greeters),
        RXFLEET_LUMEN_NODES: addressesOf(lumens),
        RXFLEET_HTTP: pages.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`).join(','),
        RXFLEET_AIO: registry.address,
        RXFLEET_AIO_KEY: clientKey,
        RXFLEET_AIO_SECRET: clientSecret,
        ...(typeof store === 'string' ? {} : { RXFLEET_ETCD: store.endpoint }),
      },
    });
    const text = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...text }));
  });
}

/** The same on a host of its own, with a Lumen node that announces itself there. */
async function runOnHost(name: string, host: Host): Promise<Result> {
  try {
    await host.ip('link', 'set', 'lo', 'multicast', 'on');
    await host.ip('route', 'add', '224.0.0.0/4', 'dev', 'lo');
    const node = host.spawn(process.execPath, ['--import', 'tsx', join(root, 'src/cli/main.ts'), 'node', '--json']);
    await node.line((line) => line.includes('"ready"'));
    const program = host.spawn(process.execPath, ['--import', 'tsx', join(folder, `${name}.ts`)]);
    const code = await program.end(limitMs);
    return { code, stdout: program.lines.join('\n'), stderr: '' };
  } finally {
    await host.close();
  }
}

describe('the examples', () => {
  it('are all run here, so that none of them rots', () => {
    const files = readdirSync(folder).map((file) => file.replace(/\.ts$/, ''));
    expect(files.sort()).toEqual(Object.keys(examples).sort());
  });

  for (const [name, { network, etcd, stdout }] of Object.entries(examples)) {
    it(
      `${name} runs as it stands and ends by itself`,
      async (context) => {
        const lacking = (reason: string) => {
          if (process.env.CI === 'true') throw new Error(reason);
          context.skip(reason);
        };
        if (etcd && typeof store === 'string') return lacking(store);
        const host = network ? await createHost('example').catch((error: Error) => error.message) : undefined;
        if (typeof host === 'string') return lacking(host);
        const result = await (host ? runOnHost(name, host) : run(name));
        const said = `${result.stdout}\n${result.stderr}`;
        expect(result.code, said).toBe(0);
        for (const expected of stdout) expect(result.stdout).toMatch(expected);
      },
      limitMs + 5_000,
    );
  }
});
