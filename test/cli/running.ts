/** The built program as a user runs it: started, listened to, and ended with the test. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { root } from '../support/source.js';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Running {
  stdout = '';
  stderr = '';
  readonly ended: Promise<Ended>;

  constructor(readonly child: ChildProcess) {
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = once(child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  /** Resolves once stdout or stderr has what is looked for. */
  async says(text: string): Promise<void> {
    while (!this.stdout.includes(text) && !this.stderr.includes(text)) {
      const more = Promise.race([once(this.child.stdout!, 'data'), once(this.child.stderr!, 'data'), this.ended]);
      if ((await more) && this.child.exitCode !== null && !(this.stdout + this.stderr).includes(text)) {
        throw new Error(`ended without "${text}":\n${this.stdout}\n${this.stderr}`);
      }
    }
  }
}

const processes = new Set<ChildProcess>();
afterEach(() => {
  for (const child of processes) child.kill('SIGKILL');
  processes.clear();
});

/** Starts `rxfleet` with these arguments. */
export function start(...args: string[]): Running {
  const child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...args], {
    cwd: root,
    // The compilers that npm installs.
    env: { ...process.env, PATH: `${process.env.PATH}:${join(root, 'node_modules/.bin')}` },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  processes.add(child);
  child.once('exit', () => processes.delete(child));
  return new Running(child);
}

/** Runs `rxfleet` to its end, with nothing on stdin. */
export const rxfleet = (...args: string[]): Promise<Ended> => {
  const running = start(...args);
  running.child.stdin!.end();
  return running.ended;
};
