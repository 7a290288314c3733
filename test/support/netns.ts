/** Hosts of their own for the tests: network namespaces, joined by a wire that can be cut. Needs root and Linux. */

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { debian, onPath } from './debian.js';

const run = promisify(execFile);
const home = fileURLToPath(new URL('../..', import.meta.url));

/** A program that runs on a host. */
export interface HostProcess {
  readonly child: ChildProcess;
  /** Each line that it has written, on stdout or stderr. */
  readonly lines: readonly string[];
  /** The first line, past or to come, for which `match` gives something. */
  line<T>(match: (line: string) => T | undefined | false | null, timeoutMs?: number): Promise<T>;
  write(line: string): void;
  /** Sends a signal and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Waits for it to end by itself; gives its exit code. */
  end(timeoutMs?: number): Promise<number | null>;
}

export interface Host {
  readonly name: string;
  readonly pid: number;
  spawn(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): HostProcess;
  exec(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string>;
  ip(...args: readonly string[]): Promise<string>;
  /** Ends everything on it, and the host. */
  close(): Promise<void>;
}

/** A host with nothing but a loopback interface and an empty /run. */
export async function createHost(name: string): Promise<Host> {
  const ip = (await debian(['iproute2'], ['ip'])).program('ip');
  const unshare = onPath('unshare');
  const nsenter = onPath('nsenter');
  if (!unshare || !nsenter) throw new Error('no unshare and nsenter on PATH');
  const set = `set -e; ${ip} link set lo up; mount -t tmpfs none /run; mkdir /run/dbus; echo ready; exec cat`;
  const holder = started(spawn(unshare, ['-nm', 'sh', '-c', set], { stdio: 'pipe' }));
  await holder
    .line((line) => line === 'ready', 5_000)
    .catch(async (error: Error) => {
      await holder.kill('SIGKILL');
      throw new Error(`no namespaces here: ${holder.lines.join(' ') || error.message}`);
    });
  const pid = holder.child.pid!;
  const inside = ['-t', String(pid), '-n', '-m', `--wd=${home}`];
  const processes: HostProcess[] = [];
  const exec: Host['exec'] = async (command, args, env = process.env) =>
    (await run(nsenter, [...inside, command, ...args], { env, timeout: 20_000, maxBuffer: 1 << 24 })).stdout;
  return {
    name,
    pid,
    spawn(command, args, env = process.env) {
      const program = started(spawn(nsenter, [...inside, command, ...args], { env, stdio: 'pipe' }));
      processes.push(program);
      return program;
    },
    exec,
    ip: (...args) => exec(ip, args),
    async close() {
      await Promise.all(processes.map((program) => program.kill('SIGKILL')));
      await holder.kill('SIGKILL');
    },
  };
}

/** Joins two hosts by a wire; each end is an interface `name` with the address given. */
export async function wire(name: string, a: readonly [Host, string], b: readonly [Host, string]): Promise<void> {
  const ends = [String(a[0].pid), String(b[0].pid)];
  await a[0].ip('link', 'add', name, 'type', 'veth', 'peer', 'name', name, 'netns', ends[1]!);
  for (const [host, address] of [a, b]) {
    // Without waiting for duplicates of the IPv6 address.
    await host.exec('sh', ['-c', `echo 0 > /proc/sys/net/ipv6/conf/${name}/accept_dad || true`]);
    await host.ip('address', 'add', `${address}/24`, 'dev', name);
    await host.ip('link', 'set', name, 'up');
  }
}

/** What a program says, and how it ends. */
export function started(child: ChildProcess): HostProcess {
  const lines: string[] = [];
  const watchers = new Set<(line: string | undefined) => void>();
  const notify = (line: string | undefined): void => {
    for (const watcher of [...watchers]) watcher(line);
  };
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      notify(line);
    });
  }
  child.stdin!.on('error', () => undefined);
  child.on('error', (error) => lines.push(error.message));
  const closed = once(child, 'close').catch(() => undefined);
  void closed.then(() => notify(undefined));
  const over = (): boolean => child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  return {
    child,
    lines,
    line: (match, timeoutMs = 15_000) =>
      new Promise((resolve, reject) => {
        const check = (line: string | undefined): boolean => {
          const found = line === undefined ? undefined : match(line);
          const lost = line === undefined;
          if (!found && !lost) return false;
          clearTimeout(timer);
          watchers.delete(check);
          if (found) resolve(found);
          else
            reject(new Error(`${child.spawnargs.slice(-4).join(' ')} ended; it said:\n${lines.slice(-20).join('\n')}`));
          return true;
        };
        const timer = setTimeout(() => {
          watchers.delete(check);
          reject(new Error(`not within ${timeoutMs} ms; it said:\n${lines.slice(-20).join('\n')}`));
        }, timeoutMs);
        if (lines.some((line) => check(line))) return;
        watchers.add(check);
      }),
    write: (line) => void child.stdin!.write(`${line}\n`),
    async kill(signal = 'SIGTERM') {
      if (!over()) child.kill(signal);
      if (child.pid !== undefined) await closed;
    },
    async end(timeoutMs = 10_000) {
      const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
      if (child.pid !== undefined) await closed;
      clearTimeout(timer);
      return child.exitCode;
    },
  };
}
