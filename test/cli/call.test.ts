/** `rxfleet call`: any method of any service, by reflection or from files, over whatever discovery is named. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { file_demo_greeter } from '../../src/gen/demo/greeter_pb.js';
import { consulOrReason, startConsul } from '../support/consul.js';
import { etcdOrReason, startEtcd } from '../support/etcd.js';
import { startReflectedGreeter, type ReflectedGreeter } from '../support/reflection.js';
import { rxfleet, start } from './running.js';

let folder: string;
let greeter: ReflectedGreeter;
let older: ReflectedGreeter;
let mute: ReflectedGreeter;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rxfleet-call-'));
  [greeter, older, mute] = await Promise.all([
    startReflectedGreeter('v1'),
    startReflectedGreeter('v1alpha'),
    startReflectedGreeter('none'),
  ]);
});
afterAll(async () => {
  await Promise.all([greeter, older, mute].map((server) => server.close(0)));
  await rm(folder, { recursive: true });
});

async function written(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const hello = ['demo.Greeter/SayHello', '{"name":"Ada"}'];
const answer = { message: 'Hello, Ada', node: 'reflected' };

async function answered(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await rxfleet('call', ...args);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as unknown;
}

describe('each shape of call, by server reflection', () => {
  it('writes the one answer of a unary method', async () => {
    expect(await answered('-d', greeter.address, ...hello)).toEqual(answer);
  });

  it('writes it as one line with --json', async () => {
    const { stdout } = await rxfleet('call', '-n', greeter.address, ...hello, '--json');
    expect(stdout).toBe(`${JSON.stringify(answer)}\n`);
  });

  it('writes a line for each answer of a stream', async () => {
    const { stdout } = await rxfleet(
      'call',
      '-d',
      greeter.address,
      'demo.Greeter.LotsOfReplies',
      '{"name":"Ada","replies":3}',
    );
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { seq?: number }).seq ?? 0)).toEqual([0, 1, 2]);
  });

  it('sends each line of stdin, and each entry of a list, as a message', async () => {
    const running = start('call', '-d', greeter.address, '/demo.Greeter/LotsOfGreetings', '--json');
    running.child.stdin!.end('{"name":"Ada"}\n\n{"name":"Bob"}\n');
    const { code, stdout, stderr } = await running.ended;
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ message: 'Hello, Ada, Bob', seq: 2, node: 'reflected' });
    expect(
      await answered('-d', greeter.address, 'demo.Greeter/LotsOfGreetings', '[{"name":"a"},{"name":"b"}]'),
    ).toMatchObject({
      seq: 2,
    });
  });

  it('answers a chat line by line, while stdin is open', async () => {
    const running = start('call', '-d', greeter.address, 'demo.Greeter/Chat');
    running.child.stdin!.write('{"text":"one"}\n');
    await running.says('ONE');
    running.child.stdin!.write('{"text":"two"}\n');
    await running.says('TWO');
    running.child.stdin!.end();
    expect((await running.ended).code).toBe(0);
  });

  it('ends at Ctrl-C with 130, and the call with it', async () => {
    const running = start('call', '-d', greeter.address, 'demo.Greeter/Chat');
    running.child.stdin!.write('{"text":"one"}\n');
    await running.says('ONE');
    running.child.kill('SIGINT');
    expect((await running.ended).code).toBe(130);
  });

  it('falls back to the older reflection', async () => {
    expect(await answered('-d', older.address, ...hello)).toEqual(answer);
  });

  it('sends the headers that are given', async () => {
    await answered('-d', greeter.address, ...hello, '-H', 'X-Tenant: acme:1');
    expect(greeter.tenants.at(-1)).toBe('acme:1');
  });
});

describe('without reflection', () => {
  it('says what to do', async () => {
    const { code, stderr } = await rxfleet('call', '-d', mute.address, ...hello);
    expect(code).toBe(1);
    expect(stderr).toMatch(/UNIMPLEMENTED: .*--proto.*--descriptor/);
  });

  it('compiles .proto files', async () => {
    expect(await answered('-d', mute.address, '--proto', 'proto/demo/greeter.proto', ...hello)).toEqual(answer);
  });

  it('reads a compiled descriptor', async () => {
    const set = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: [file_demo_greeter.proto] }));
    expect(await answered('-d', mute.address, '--descriptor', await written('set.binpb', set), ...hello)).toEqual(
      answer,
    );
  });
});

describe('wherever the nodes are listed', () => {
  it('a file', async () => {
    const path = await written('nodes.yaml', `nodes:\n  - ${greeter.address}\n`);
    expect(await answered('-d', `file:${path}`, ...hello)).toEqual(answer);
  });

  it('a configuration', async () => {
    const toml = `[discovery]\nbackend = "static"\n[discovery.backend_config]\naddresses = ["${greeter.address}"]\n`;
    expect(await answered('--config', await written('fleet.toml', toml), ...hello)).toEqual(answer);
  });

  it('etcd and Consul, where `register` puts them until Ctrl-C', async (context) => {
    const programs = await Promise.all([etcdOrReason(), consulOrReason()]);
    const [etcdProgram, consulProgram] = programs;
    if (typeof etcdProgram === 'string') return context.skip(etcdProgram);
    if (typeof consulProgram === 'string') return context.skip(consulProgram);
    const [etcd, consul] = await Promise.all([startEtcd(etcdProgram), startConsul(consulProgram)]);
    try {
      const urls = [
        `etcd://${etcd.endpoint}/greeter`,
        `etcd://${etcd.endpoint}/production/greeter?layout=flare`,
        `${consul.address.replace('http:', 'consul:')}/greeter`,
      ];
      for (const url of urls) {
        const args = ['--tag', 'gpu', '--version', '1.4.2', '--weight', '3', '--ttl', '10s', '--json'];
        const running = start('register', 'greeter', greeter.address, '--registry', url, ...args);
        await running.says('"registered"');
        expect(await answered('-d', `${url}${url.includes('?') ? '&' : '?'}version=^1.4&tag=gpu`, ...hello)).toEqual(
          answer,
        );
        running.child.kill('SIGINT');
        const { code, stdout, stderr } = await running.ended;
        expect(code, stderr).toBe(0);
        const states = stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as { state: string; weight: number });
        expect(states[0]).toMatchObject({ state: 'registering', weight: 3, address: greeter.address });
        expect(states.at(-1)!.state).toBe('withdrawing');
        const gone = await rxfleet('call', '-d', url, ...hello);
        expect(gone.code).toBe(1);
        expect(gone.stderr).toMatch(/NO_NODES/);
      }
      for (const prefix of ['rxfleet/', 'production/']) expect(await etcd.list(prefix)).toEqual([]);
    } finally {
      await Promise.all([etcd.stop(), consul.kill()]);
    }
  }, 90_000);
});

describe('a mistake', () => {
  it.each<[string, string[], RegExp]>([
    ['no place to look', hello, /INVALID_OPTION: nowhere to look/],
    ['no method', ['-d', 'ADDRESS', 'SayHello'], /"SayHello" names no method: write package\.Service\/Method/],
    [
      'a service that nobody has',
      ['-d', 'ADDRESS', 'demo.Greter/SayHello', '{}'],
      /NOT_FOUND: .*demo\.Greter.*they offer demo\.Greeter/,
    ],
    ['a method that it lacks', ['-d', 'ADDRESS', 'demo.Greeter/Sing', '{}'], /has no method Sing; it has SayHello/],
    [
      'a field that it lacks',
      ['-d', 'ADDRESS', 'demo.Greeter/SayHello', '{"nam":1}'],
      /is no demo\.HelloRequest: .*nam/,
    ],
    ['no JSON', ['-d', 'ADDRESS', 'demo.Greeter/SayHello', '{name}'], /the request is no demo\.HelloRequest/],
    ['a header without a colon', ['-d', 'ADDRESS', ...hello, '-H', 'x'], /--header takes key:value, not "x"/],
    ['a URL that is none', ['-d', 'etc://h:1/x', ...hello], /names no backend; did you mean "etcd"/],
    [
      'a missing descriptor',
      ['-d', 'ADDRESS', '--descriptor', 'nowhere.binpb', ...hello],
      /--descriptor cannot be read/,
    ],
    ['a proto that does not compile', ['-d', 'ADDRESS', '--proto', 'package.json', ...hello], /--proto/],
    ['a missing configuration', ['--config', 'nowhere.toml', ...hello], /nowhere\.toml cannot be read/],
  ])('%s is told in words that help', async (_, args, message) => {
    const { code, stderr } = await rxfleet('call', ...args.map((arg) => (arg === 'ADDRESS' ? greeter.address : arg)));
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  it('in a line of stdin is told by its number', async () => {
    const running = start('call', '-d', greeter.address, 'demo.Greeter/Chat');
    running.child.stdin!.end('{"text":"one"}\n{"tex":"two"}\n');
    const { code, stderr } = await running.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/INVALID_OPTION: line 2 is no demo\.ChatMessage/);
  });

  it('never shows a credential', async () => {
    const { stderr } = await rxfleet('call', '-d', 'konsul://me:hunter2@127.0.0.1:1/x?token=hunter2', ...hello);
    expect(stderr).toMatch(/names no backend/);
    expect(stderr).not.toContain('hunter2');
  });
});
