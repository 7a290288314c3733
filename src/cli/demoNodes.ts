/** The nodes of the demonstration: processes that can be killed for real. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { FleetError } from '../index.js';

/** One node in a process of its own. */
export interface DemoNode {
  readonly name: string;
  readonly address: string;
  readonly pid: number;
  /** SIGKILL: no goodbye, no end of calls. */
  kill(): void;
  /** SIGTERM, and waits; SIGKILL when that takes too long. */
  stop(): Promise<void>;
}

/** Starts `count` nodes of this same program, on loopback; each is up when this resolves. */
export async function startDemoNodes(count: number, interrupted: AbortSignal): Promise<DemoNode[]> {
  const started: DemoNode[] = [];
  const starting = Array.from({ length: count }, async (_, i) => {
    started.push(await startDemoNode(`demo-${i + 1}-${process.pid}`, interrupted));
  });
  const results = await Promise.allSettled(starting);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) {
    await Promise.all(started.map((node) => node.stop()));
    throw failed.reason;
  }
  return started.sort((a, b) => a.name.localeCompare(b.name));
}

async function startDemoNode(name: string, interrupted: AbortSignal): Promise<DemoNode> {
  const args = ['node', '--json', '--name', name, '--interface', '127.0.0.1', '--work', '40', '--concurrency', '8'];
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C is for this process, which then ends its nodes.
    detached: true,
  });
  // Whatever ends this process ends its nodes.
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
  const address = await listening(name, child, interrupted);
  return {
    name,
    address,
    pid: child.pid!,
    kill: end,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const timer = setTimeout(end, 3_000);
      child.kill('SIGTERM');
      await once(child, 'exit');
      clearTimeout(timer);
    },
  };
}

async function listening(name: string, child: ChildProcess, interrupted: AbortSignal): Promise<string> {
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
  const exited = once(child, 'exit').then(() => {
    throw new FleetError('UNAVAILABLE', `the node ${name} ended while starting: ${said.trim() || 'it said nothing'}`);
  });
  const aborted = new Promise<never>((_, reject) => {
    interrupted.addEventListener('abort', () => {
      child.kill('SIGKILL');
      reject(new FleetError('CANCELLED', 'interrupted'));
    });
  });
  aborted.catch(() => undefined);
  const ready = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const event = JSON.parse(line) as { event: string; address: string };
      if (event.event === 'ready') resolve(event.address);
    });
  });
  exited.catch(() => undefined);
  return Promise.race([ready, exited, aborted]);
}
