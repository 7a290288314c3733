/** The way out of a real process that is told to go. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { until } from '../support/until.js';

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

function start(waitMs: number) {
  const args = ['--import', 'tsx', 'test/registration/gracefulExitServer.ts', String(waitMs)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const lines: string[] = [];
  createInterface(child.stdout!).on('line', (line) => lines.push(line));
  return { child, lines };
}

describe('gracefulExit in a process', () => {
  it('on SIGTERM leaves the registry before it takes no more calls, and ends by itself with status 0', async () => {
    const { child, lines } = start(20);
    await until('it is registered', () => lines.includes('step running registered'));
    child.kill('SIGTERM');
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    expect([code, signal]).toEqual([0, null]);
    expect(lines).toEqual([
      ...['listed 0', 'step running registering', 'listed 1', 'step running registered'],
      ...['step notServing SIGTERM', 'serving false'],
      ...['step withdrawing', 'step withdrawing withdrawing', 'listed 0'],
      ...['step waiting', 'step draining', 'drained', 'step closing', 'step closed'],
    ]);
  });

  it('a second SIGTERM ends it at once, so that nobody has to wait for what hangs', async () => {
    const { child, lines } = start(60_000);
    await until('it is registered', () => lines.includes('step running registered'));
    child.kill('SIGTERM');
    await until('it is waiting', () => lines.includes('step waiting'));
    child.kill('SIGTERM');
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    expect([code, signal]).toEqual([null, 'SIGTERM']);
  });
});
