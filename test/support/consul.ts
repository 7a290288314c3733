/** A Consul agent for the tests, in its development mode. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { debian, type DebianRoot } from './debian.js';

/** The program, or in one line why it is not to be had; with CI=true that is an error. */
export async function consulOrReason(): Promise<DebianRoot | string> {
  try {
    return await debian(['consul'], ['consul'], [], 'bullseye');
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    const reason = `no Consul to test with: ${(error as Error).message}`;
    console.warn(`skipped: ${reason}`);
    return reason;
  }
}

export interface ConsulServiceInit {
  readonly ID: string;
  readonly Name?: string;
  readonly Address?: string;
  readonly Port?: number;
  readonly Tags?: readonly string[];
  readonly Meta?: Readonly<Record<string, string>>;
  readonly Weights?: { readonly Passing: number; readonly Warning: number };
  readonly Check?: Readonly<Record<string, unknown>>;
}

export interface ConsulAgent {
  /** `http://127.0.0.1:port`, the same after a restart. */
  readonly address: string;
  readonly port: number;
  /** A request by hand: the status and the body, read as JSON where it is. */
  ask(method: string, path: string, body?: unknown, token?: string): Promise<{ status: number; body: unknown }>;
  register(service: ConsulServiceInit): Promise<void>;
  deregister(id: string): Promise<void>;
  /** As a crash would. What it knew is gone: it keeps everything in memory. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it for good. */
  close(): Promise<void>;
}

export const masterToken = 'b3a1cf14-8a9e-4c1f-9f0c-d41d8cd98f00';

/** An agent that is its own cluster. With `acl` nothing is allowed without a token; `masterToken` allows all. */
export async function startConsul(program: DebianRoot, options: { acl?: boolean } = {}): Promise<ConsulAgent> {
  const [http, server, lan, wan] = (await freePorts(4)) as [number, number, number, number];
  const folder = mkdtempSync(join(tmpdir(), 'rxfleet-consul-'));
  const file = join(folder, 'agent.json');
  const tokens = { master: masterToken, agent: masterToken };
  const acl = options.acl ? { acl: { enabled: true, default_policy: 'deny', tokens } } : {};
  const ports = { http, server, serf_lan: lan, serf_wan: wan, dns: -1, grpc: -1 };
  writeFileSync(file, JSON.stringify({ ports, ...acl }));
  const address = `http://127.0.0.1:${http}`;
  const token = options.acl ? masterToken : undefined;
  let child: ChildProcess | undefined;

  const ask: ConsulAgent['ask'] = async (method, path, body, by = token) => {
    const headers: Record<string, string> = by ? { 'x-consul-token': by } : {};
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const response = await fetch(address + path, init);
    const text = await response.text();
    try {
      return { status: response.status, body: JSON.parse(text) };
    } catch {
      return { status: response.status, body: text };
    }
  };
  const fine = async (...request: Parameters<typeof ask>): Promise<void> => {
    const { status, body } = await ask(...request);
    if (status !== 200) throw new Error(`consul: ${request[0]} ${request[1]}: ${status} ${String(body)}`);
  };
  const agent: ConsulAgent = {
    address,
    port: http,
    ask,
    register: (service) => fine('PUT', '/v1/agent/service/register', { Name: 'rxfleet-test', ...service }),
    deregister: (id) => fine('PUT', `/v1/agent/service/deregister/${id}`),
    async close() {
      await agent.kill();
      process.off('exit', stopAtExit);
      rmSync(folder, { recursive: true, force: true });
    },
    async kill() {
      const running = child;
      child = undefined;
      if (running && running.exitCode === null && running.signalCode === null) {
        running.kill('SIGKILL');
        await once(running, 'exit');
      }
    },
    async start() {
      const args = ['agent', '-dev', '-bind', '127.0.0.1', '-client', '127.0.0.1', '-node', 'agent-1'];
      child = spawn(program.program('consul'), [...args, '-config-file', file], { stdio: ['ignore', 'pipe', 'pipe'] });
      let said = '';
      child.stdout!.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-2_000)));
      child.stderr!.resume();
      for (let tries = 0; ; tries++) {
        const ready = await ask('GET', '/v1/health/service/consul?passing').catch(() => undefined);
        if (ready?.status === 200 && Array.isArray(ready.body) && ready.body.length > 0) return;
        if (tries > 600 || child?.exitCode != null) throw new Error(`consul did not start:\n${said}`);
        await sleep(25);
      }
    },
  };
  const stopAtExit = (): void => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', stopAtExit);
  try {
    await agent.start();
  } catch (error) {
    await agent.close();
    throw error;
  }
  return agent;
}

/** Ports that nobody listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => once(server.listen(0, '127.0.0.1'), 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
