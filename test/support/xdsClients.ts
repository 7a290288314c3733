/** xDS clients to compare ours with: gRPC's own, each in a process of its own, and a fleet of ours. */

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { firstValueFrom } from 'rxjs';
import { activePriority } from '../../src/discovery/activePriority.js';
import { createClient } from '../../src/client/client.js';
import { createFleet } from '../../src/client/fleet.js';
import type { Balancer } from '../../src/balancer/picker.js';
import { weightedRandom } from '../../src/balancer/weightedRandom.js';
import { dropCategory, xds, type XdsDrop } from '../../src/discovery/xds.js';
import { Greeter, HelloReplySchema } from '../../src/gen/demo/greeter_pb.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { debian } from './debian.js';

/** How many calls each backend answered, by its name; failed calls as `failed`. */
export type Spread = Readonly<Record<string, number>>;

export interface XdsClient {
  readonly name: string;
  spread(calls: number): Promise<Spread>;
  /** Which backend answered a call with each of these keys, sent as header `x-key`; `failed` where none did. */
  homes(keys: readonly string[]): Promise<readonly string[]>;
  stop(): void;
}

const nodeScript = `
  const grpc = require('@grpc/grpc-js');
  require('@grpc/grpc-js-xds').register();
  const client = new grpc.Client('xds:///shop', grpc.credentials.createInsecure());
  const call = (key) => new Promise((done) => {
    const metadata = new grpc.Metadata();
    if (key !== null) metadata.set('x-key', key);
    client.makeUnaryRequest('/demo.Greeter/SayHello', (x) => x, (x) => x,
      Buffer.alloc(0), metadata, { deadline: Date.now() + 1500 },
      (error, reply) => done(error ? 'failed' : reply.toString('base64')));
  });
  require('readline').createInterface({ input: process.stdin }).on('line', async (line) => {
    const replies = [];
    for (const key of JSON.parse(line)) replies.push(await call(key));
    console.log(JSON.stringify(replies));
  });
`;

const pythonScript = `
import base64, grpc, json, sys
channel = grpc.insecure_channel('xds:///shop')
hello = channel.unary_unary('/demo.Greeter/SayHello')
def call(key):
    try:
        metadata = [] if key is None else [('x-key', key)]
        return base64.b64encode(hello(b'', timeout=1.5, metadata=metadata)).decode()
    except grpc.RpcError:
        return 'failed'
for line in sys.stdin:
    print(json.dumps([call(key) for key in json.loads(line)]), flush=True)
`;

/**
 * Where a newer grpcio than Debian's lies, for those who have one: made by `pip install --target <folder> grpcio` and
 * named by `RXFLEET_GRPCIO`.
 */
export const ownGrpcio = process.env.RXFLEET_GRPCIO;

async function grpcioOfDebian(): Promise<NodeJS.ProcessEnv> {
  const module = 'usr/lib/python3/dist-packages/grpc/__init__.py';
  return (await debian(['python3-grpcio'], ['python3'], [module])).env;
}

/** The clients that are to be had here; for each that is not, one line why. */
export async function realXdsClients(): Promise<{
  readonly start: readonly ((bootstrap: object) => XdsClient)[];
  readonly missing: readonly string[];
}> {
  const start: ((bootstrap: object) => XdsClient)[] = [];
  const missing: string[] = [];
  try {
    createRequire(import.meta.url).resolve('@grpc/grpc-js-xds');
    start.push((bootstrap) => spawned('grpc-js-xds', process.execPath, ['-e', nodeScript], process.env, bootstrap));
  } catch {
    missing.push('no @grpc/grpc-js-xds to be had: it is not installed');
  }
  try {
    const env = ownGrpcio ? { ...process.env, PYTHONPATH: ownGrpcio } : await grpcioOfDebian();
    start.push((bootstrap) => spawned('C-core', '/usr/bin/python3', ['-c', pythonScript], env, bootstrap));
  } catch (error) {
    missing.push(`no python3-grpcio to be had: ${(error as Error).message}`);
  }
  return { start, missing };
}

function spawned(
  name: string,
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  bootstrap: object,
): XdsClient {
  const folder = mkdtempSync(join(tmpdir(), 'rxfleet-xds-'));
  const file = join(folder, 'bootstrap.json');
  writeFileSync(file, JSON.stringify(bootstrap));
  const child = spawn(program, args, {
    env: { ...env, GRPC_XDS_BOOTSTRAP: file },
    // C-core writes of every refused resource; it is what the tests ask for.
    stdio: ['pipe', 'pipe', process.env.RXFLEET_XDS_LOG ? 'inherit' : 'ignore'],
  });
  const waiting: ((line: string) => void)[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(line));
  child.on('exit', () => waiting.splice(0).forEach((done) => done('["failed"]')));
  const homes = async (keys: readonly (string | null)[]): Promise<readonly string[]> => {
    const line = await new Promise<string>((resolve) => {
      waiting.push(resolve);
      child.stdin.write(`${JSON.stringify(keys)}\n`);
    });
    return (JSON.parse(line) as string[]).map((reply) =>
      reply === 'failed' ? reply : fromBinary(HelloReplySchema, Buffer.from(reply, 'base64')).node,
    );
  };
  return {
    name,
    homes,
    spread: async (calls) => counted(await homes(new Array<null>(calls).fill(null))),
    stop() {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Failover by what the fleet sees, then by weight. */
const byPriority: Balancer = (nodes$) => nodes$.pipe(activePriority(), weightedRandom());

/** Ours: calls are dropped as the control plane asks. */
export function ownXdsClient(bootstrap: object, incremental: boolean, balancer = byPriority): XdsClient {
  let drops: readonly XdsDrop[] = [];
  const fleet = createFleet({
    service: 'xds:///shop',
    discovery: xds({ bootstrap, incremental, allPriorities: true, onDrops: (next) => (drops = next) }),
    transport: grpcTransport({ connectDeadlineMs: 1_000 }),
    balancer,
  });
  const greeter = createClient(fleet, Greeter);
  const call = async (key?: string): Promise<string> => {
    if (dropCategory(drops)) return 'failed';
    try {
      return (await firstValueFrom(greeter.sayHello({}, { deadlineMs: 1_500, ...(key !== undefined && { key }) })))
        .node;
    } catch {
      return 'failed';
    }
  };
  const homes = async (keys: readonly (string | undefined)[]): Promise<readonly string[]> => {
    const replies: string[] = [];
    for (const key of keys) {
      replies.push(await call(key));
      // A call that finds no node fails in the same turn, and must not keep the sockets from their own.
      await nextTurn();
    }
    return replies;
  };
  return {
    name: `rxfleet, ${incremental ? 'increments' : 'state of the world'}`,
    homes,
    spread: async (calls) => counted(await homes(new Array<undefined>(calls).fill(undefined))),
    stop: () => void fleet.close(),
  };
}

function counted(replies: readonly string[]): Spread {
  const spread: Record<string, number> = {};
  for (const reply of replies) spread[reply] = (spread[reply] ?? 0) + 1;
  return spread;
}
