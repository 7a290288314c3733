/**
 * The examples as a user runs them: each is a whole program, a process of its own, against nodes that this file starts.
 *
 * A program finds its nodes in the environment: `RXFLEET_NODES` names the addresses of two nodes of `demo.Greeter`,
 * with a comma between.
 */

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startGreeter, type Greeter } from './support/greeter.js';
import { root } from './support/source.js';

interface Expectation {
  readonly args?: readonly string[];
  /** Each must be found in what the program writes. */
  readonly stdout: readonly (string | RegExp)[];
}

const examples: Readonly<Record<string, Expectation>> = {
  virtualTime: { stdout: ['a node that dies mid-turn gives its turn to the next', /^# fail 0$/m] },
};

const limitMs = 20_000;
const folder = join(root, 'test/examples');

let greeters: readonly Greeter[] = [];
beforeAll(async () => {
  greeters = await Promise.all(['greeter-1', 'greeter-2'].map((name) => startGreeter({ name })));
});
afterAll(() => Promise.all(greeters.map((greeter) => greeter.close())));

/** Runs to the end, or to the limit: then it is ended and `code` is null. */
function run(
  name: string,
  args: readonly string[] = [],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', join(folder, `${name}.ts`), ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
      env: { ...process.env, RXFLEET_NODES: greeters.map(({ address }) => address).join(',') },
    });
    const text = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...text }));
  });
}

describe('the examples', () => {
  it('are all run here, so that none of them rots', () => {
    const files = readdirSync(folder).map((file) => file.replace(/\.ts$/, ''));
    expect(files.sort()).toEqual(Object.keys(examples).sort());
  });

  for (const [name, { args, stdout }] of Object.entries(examples)) {
    it(
      `${name} runs as it stands and ends by itself`,
      async () => {
        const result = await run(name, args);
        const said = `${result.stdout}\n${result.stderr}`;
        expect(result.code, said).toBe(0);
        for (const expected of stdout) expect(result.stdout).toMatch(expected);
      },
      limitMs + 5_000,
    );
  }
});
