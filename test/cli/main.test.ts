/** The `rxfleet` command, as a user runs it: the built program, its output, its exit code. `npm test` builds it first. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLumenNode, type LumenNode } from '../../src/testing/index.js';
import { rxfleet, start } from './running.js';

describe('demo', () => {
  it('kills a node on the way, loses nothing, says so in its last line, and leaves no process behind', async () => {
    const { code, stdout, stderr } = await rxfleet('demo', '--requests', '150');
    const said = `${stdout}\n${stderr}`;
    expect(code, said).toBe(0);
    const last = stdout.trim().split('\n').at(-1)!;
    expect(last).toMatch(/^150 requests, 150 answered, 0 lost, \d+ failed over$/);
    expect(stderr).toMatch(/Killed demo-2-\d+ \(process \d+\)/);
    for (const [, pid] of said.matchAll(/process (\d+)/g)) {
      expect(() => process.kill(Number(pid), 0), `process ${pid} still runs`).toThrow();
    }
  }, 40_000);

  it('ends at Ctrl-C with 130, and its nodes with it', async () => {
    const running = start('demo');
    await running.says('Found all three by mDNS');
    running.child.kill('SIGINT');
    const { code, stderr } = await running.ended;
    expect(code).toBe(130);
    for (const [, pid] of stderr.matchAll(/process (\d+)/g)) {
      expect(() => process.kill(Number(pid), 0), `process ${pid} still runs`).toThrow();
    }
  }, 40_000);
});

describe('over a node', () => {
  let node: LumenNode;
  let at: string[];
  beforeAll(async () => {
    node = await startLumenNode({ name: 'hub-1' });
    at = ['--no-mdns', '--node', node.address];
  });
  afterAll(() => node.close());

  it('nodes lists it with its state and tasks', async () => {
    const { code, stdout } = await rxfleet('nodes', ...at);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^NAME +ADDRESS +STATE +VERSION +TASKS\n/);
    expect(stdout).toMatch(new RegExp(`${node.address} +ready .*semantic_text_embed`));
  });

  it('nodes --json is JSON and nothing else', async () => {
    const { stdout, stderr } = await rxfleet('nodes', ...at, '--json');
    expect(JSON.parse(stdout)).toMatchObject([
      { address: node.address, routable: true, tasks: expect.arrayContaining(['ocr']) as string[] },
    ]);
    expect(stderr).toBe('');
  });

  it('nodes --watch tells who goes, as it happens, until Ctrl-C', async () => {
    const other = await startLumenNode({ name: 'hub-2' });
    const running = start('nodes', '--no-mdns', '--node', other.address, '--watch', '--json');
    await running.says('"added"');
    other.kill();
    await running.says('"unavailable"');
    running.child.kill('SIGINT');
    const { code, stdout } = await running.ended;
    expect(code).toBe(0);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string });
    expect(events[0]!.event).toBe('added');
    expect(events.at(-1)).toMatchObject({ event: 'updated', node: { availability: 'unavailable' } });
  });

  it('explain says who could take a call, who would, and why not the others', async () => {
    const other = await startLumenNode({ name: 'echo-only', tasks: ['echo'] });
    const where = [...at, '--node', other.address];
    const { code, stdout, stderr } = await rxfleet('explain', ...where, '--task', 'ocr');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^NAME +ADDRESS +VERDICT +WHY\n/);
    expect(stdout).toMatch(new RegExp(`${node.address} +chosen`));
    expect(stdout).toMatch(new RegExp(`${other.address} +left out +lacks: does not offer task ocr`));
    expect(stderr).toMatch(/1 of 2 nodes could take task ocr; round_robin takes/);
    const json = await rxfleet('explain', ...where, '--task', 'fly', '--json');
    expect(json.code).toBe(1);
    const decision = JSON.parse(json.stdout) as { candidates: object[]; leftOut: object[] };
    expect(decision).toMatchObject({
      requires: 'task fly',
      candidates: [],
      leftOut: [{ obstacle: 'lacks' }, { obstacle: 'lacks' }],
    });
    await other.close(0);
  });

  it('infer writes generated text as text', async () => {
    const { code, stdout } = await rxfleet('infer', ...at, '-t', 'text_generation', 'Once upon a time');
    expect(code).toBe(0);
    expect(stdout.trim().split(/\s+/).length).toBeGreaterThan(3);
    expect(stdout).not.toContain('{');
  });

  it('infer --json gives a line of JSON a part', async () => {
    const { stdout } = await rxfleet('infer', ...at, '-t', 'semantic_text_embed', '--json', 'a red bicycle');
    const part = JSON.parse(stdout) as { final: boolean; result: { vector: number[] } };
    expect(part.final).toBe(true);
    expect(part.result.vector).toHaveLength(256);
  });

  it('infer takes a pipe or a file, and gives bytes back as they are', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rxfleet-'));
    try {
      const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251);
      const file = join(folder, 'in.png');
      await writeFile(file, bytes);
      const output = join(folder, 'out.bin');
      const { code, stderr } = await rxfleet('infer', ...at, '-t', 'echo', '--file', file, '--output', output);
      expect(code, stderr).toBe(0);
      expect(Buffer.compare(await readFile(output), bytes)).toBe(0);

      const running = start('infer', ...at, '-t', 'echo', '--mime', 'image/png');
      running.child.stdin!.end('piped');
      expect((await running.ended).stdout).toBe('piped');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('an unknown task fails at once, names those that there are, and exits with 1', async () => {
    const { code, stdout, stderr } = await rxfleet('infer', ...at, '-t', 'levitate', 'x');
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/rxfleet: NO_NODE_FOR_TASK: .*levitate/);
  });
});

describe('node', () => {
  it('says where it listens, and ends with a goodbye at SIGTERM', async () => {
    const running = start('node', '--name', 'hub-9', '--no-mdns', '--json');
    await running.says('"ready"');
    expect(JSON.parse(running.stdout)).toMatchObject({ event: 'ready', name: 'hub-9', pid: running.child.pid });
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });
});

describe('help and mistakes', () => {
  it('help lists the commands and the exit codes', async () => {
    const { code, stdout } = await rxfleet('help');
    expect(code).toBe(0);
    for (const word of ['demo', 'nodes', 'infer', 'node', 'Exit codes']) expect(stdout).toContain(word);
  });

  it.each([
    [['infer', 'x'], /required option.*--task/],
    [['nodes', '--timeout', 'soon'], /--timeout.*whole number/],
    [['nodes', '--no-mdns'], /INVALID_OPTION: nowhere to look/],
    [['nodes', '--no-mdns', '--node', 'nowhere'], /INVALID_OPTION: .*nowhere/],
    [['infer', '--no-mdns', '--node', '127.0.0.1:1', '-t', 'ocr', '-f', 'missing.png'], /--file cannot be read/],
    [['fly'], /unknown command/],
  ])('%j fails with an error that names the mistake', async (args, message) => {
    const { code, stderr } = await rxfleet(...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });
});
