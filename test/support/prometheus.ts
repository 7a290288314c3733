/** Prometheus and its Pushgateway for the tests: servers on loopback, and a hand at them that shares no code with the library. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { debian, type DebianRoot } from './debian.js';

/** A program of Debian, or in one line why it is not to be had; with CI=true that is an error. */
export async function prometheusOrReason(name: 'prometheus' | 'prometheus-pushgateway'): Promise<DebianRoot | string> {
  try {
    return await debian([name], [name]);
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    const reason = `no ${name} to test with: ${(error as Error).message}`;
    console.warn(`skipped: ${reason}`);
    return reason;
  }
}

/** A server that can be ended and started again at the same port. */
export interface TestServer {
  readonly port: number;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** As a crash would. */
  kill(): Promise<void>;
  /** Lets no packet be answered, and lets them be answered again: the process stands still. */
  pause(): void;
  resume(): void;
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface ScrapeJob {
  readonly job: string;
  /** `host:port` */
  readonly target: string;
  readonly honorLabels?: boolean;
}

export interface PrometheusServer extends TestServer {
  /** The samples of an instant query, as Prometheus answers them. */
  query(expression: string): Promise<{ metric: Record<string, string>; value: number }[]>;
  /** Waits until a query has an answer that will do. */
  until(expression: string, enough: (value: number) => boolean): Promise<number>;
  /** What became of the last scrape of each target. */
  targets(): Promise<{ health: string; lastError: string; scrapeUrl: string }[]>;
}

/** Scrapes these every 200 ms. */
export async function startPrometheus(program: DebianRoot, jobs: readonly ScrapeJob[]): Promise<PrometheusServer> {
  const folder = mkdtempSync(join(tmpdir(), 'rxfleet-prometheus-'));
  const config = {
    global: { scrape_interval: '200ms', scrape_timeout: '200ms', evaluation_interval: '1m' },
    scrape_configs: jobs.map(({ job, target, honorLabels = false }) => ({
      job_name: job,
      honor_labels: honorLabels,
      static_configs: [{ targets: [target] }],
    })),
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const server = await startServer('prometheus', program, folder, (port) => [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=error',
  ]);
  const ask = async (path: string) => {
    const response = await fetch(`${server.url}/api/v1/${path}`);
    const { status, data, error } = (await response.json()) as { status: string; data: any; error?: string };
    if (status !== 'success') throw new Error(`prometheus: ${path}: ${error}`);
    return data;
  };
  const query: PrometheusServer['query'] = async (expression) => {
    const { result } = await ask(`query?query=${encodeURIComponent(expression)}`);
    return result.map(({ metric, value }: { metric: Record<string, string>; value: [number, string] }) => ({
      metric,
      value: Number(value[1]),
    }));
  };
  return {
    ...server,
    query,
    async until(expression, enough) {
      let seen: unknown;
      for (let tries = 0; tries < 300; tries++) {
        const found = (seen = await query(expression));
        if (found.length === 1 && enough(found[0]!.value)) return found[0]!.value;
        await sleep(50);
      }
      throw new Error(`prometheus never said enough of ${expression}: ${JSON.stringify(seen)}`);
    },
    targets: async () => (await ask('targets')).activeTargets,
  };
}

export interface Pushgateway extends TestServer {
  /** The labels of each group that it holds. */
  groups(): Promise<Record<string, string>[]>;
  /** The text of everything that was pushed. */
  text(): Promise<string>;
}

export async function startPushgateway(program: DebianRoot): Promise<Pushgateway> {
  const folder = mkdtempSync(join(tmpdir(), 'rxfleet-pushgateway-'));
  const server = await startServer('prometheus-pushgateway', program, folder, (port) => [
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=error',
  ]);
  return {
    ...server,
    async groups() {
      const response = await fetch(`${server.url}/api/v1/metrics`);
      const { data } = (await response.json()) as { data: { labels: Record<string, string> }[] };
      return data.map(({ labels }) => labels);
    },
    text: async () => (await fetch(`${server.url}/metrics`)).text(),
  };
}

async function startServer(
  name: string,
  program: DebianRoot,
  folder: string,
  flags: (port: number) => readonly string[],
): Promise<TestServer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const server: TestServer = {
    port,
    url,
    async kill() {
      const running = child;
      child = undefined;
      if (!running || running.exitCode !== null || running.signalCode !== null) return;
      running.kill('SIGKILL');
      await once(running, 'exit');
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async start() {
      let said = '';
      const started = spawn(program.program(name), flags(port), { cwd: folder, env: program.env, stdio: 'pipe' });
      child = started;
      for (const stream of [started.stdout, started.stderr]) {
        stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
      }
      for (let tries = 0; ; tries++) {
        const ready = await fetch(`${url}/-/ready`).catch(() => undefined);
        await ready?.text();
        if (ready?.ok) return;
        if (started.exitCode !== null || tries > 600) throw new Error(`${name} did not start: ${said}`);
        await sleep(25);
      }
    },
    async close() {
      await server.kill();
      process.off('exit', stopAtExit);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const stopAtExit = (): void => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', stopAtExit);
  try {
    await server.start();
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
