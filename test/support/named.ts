/** A name server of the real kind for the tests (BIND's `named`), and a relay to it that can be cut or silenced. */

import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { debian, type DebianRoot } from './debian.js';

/** The programs, or in one line why they are not to be had; with CI=true that is an error. */
export async function namedOrReason(): Promise<DebianRoot | string> {
  try {
    return await debian(['bind9', 'bind9-dnsutils', 'bind9-utils'], ['named', 'nsupdate']);
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    const reason = `no name server to test with: ${(error as Error).message}`;
    console.warn(`skipped: ${reason}`);
    return reason;
  }
}

export interface NameServer {
  readonly port: number;
  /** Sends these lines in one dynamic update, such as `add a.fleet.test. 1 A 127.0.0.1`. */
  update(...lines: readonly string[]): Promise<void>;
  /** As a crash would. What was updated stays, in its journal. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it for good. */
  close(): Promise<void>;
}

/** A server of the zone `fleet.test`, which is empty but for itself. What is not there lives for a second. */
export async function startNamed(programs: DebianRoot): Promise<NameServer> {
  const folder = mkdtempSync(join(tmpdir(), 'rxfleet-named-'));
  const port = await freePort();
  writeFileSync(
    join(folder, 'zone.db'),
    '$TTL 1\n@ SOA ns.fleet.test. root.fleet.test. 1 60 60 60 1\n@ NS ns.fleet.test.\nns A 127.0.0.1\n',
  );
  writeFileSync(
    join(folder, 'named.conf'),
    `options { directory "${folder}"; pid-file none; session-keyfile "${folder}/session.key"; recursion no;
       listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; dnssec-validation no; minimal-responses no; };
     controls { };
     zone "fleet.test" { type primary; file "${folder}/zone.db"; allow-update { 127.0.0.1; }; };`,
  );
  let child: ChildProcess | undefined;
  const stopAtExit = (): void => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  const server: NameServer = {
    port,
    async update(...lines) {
      const nsupdate = spawn(programs.program('nsupdate'), [], { env: programs.env, stdio: ['pipe', 'pipe', 'pipe'] });
      let said = '';
      nsupdate.stderr.on('data', (data: Buffer) => (said += data.toString()));
      const updates = lines.map((line) => `update ${line}`);
      nsupdate.stdin.end([`server 127.0.0.1 ${port}`, 'zone fleet.test', ...updates, 'send', ''].join('\n'));
      const [code] = (await once(nsupdate, 'exit')) as [number];
      if (code !== 0) throw new Error(`nsupdate: ${said}`);
    },
    async close() {
      await server.kill();
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
      const args = ['-g', '-n', '1', '-c', join(folder, 'named.conf')];
      child = spawn(programs.program('named'), args, { env: programs.env, stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr!.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-4_000)));
      for (let tries = 0; !/ running\n/.test(said); tries++) {
        if (tries > 600 || child?.exitCode != null) throw new Error(`named did not start:\n${said}`);
        await sleep(25);
      }
    },
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

/** A way to a name server, over UDP and TCP on one port, in the middle of which we stand. */
export interface DnsRelay {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** How many datagrams went to the server. */
  readonly queries: number;
  /** Ends it: its port is closed. */
  cut(): Promise<void>;
  restore(): Promise<void>;
  /** Swallows everything, as a dead network does. */
  silence(on: boolean): void;
  close(): Promise<void>;
}

export async function relayTo(target: number): Promise<DnsRelay> {
  let near: UdpSocket | undefined;
  let queries = 0;
  let silent = false;
  const tcp = createServer((socket) => {
    const far = connect(target, '127.0.0.1');
    socket.on('error', () => far.destroy());
    far.on('error', () => socket.destroy());
    if (!silent) socket.pipe(far).pipe(socket);
  });
  const port = await freePort();
  const open = async (): Promise<void> => {
    const socket = createSocket('udp4');
    socket.on('message', (bytes, from) => {
      queries++;
      if (silent) return;
      const far = createSocket('udp4');
      far.on('error', () => far.close());
      far.on('message', (answer) => {
        far.close();
        if (near === socket && !silent) socket.send(answer, from.port, from.address);
      });
      far.connect(target, '127.0.0.1', () => far.send(bytes));
      sleep(2_000, undefined, { ref: false }).then(() => {
        try {
          far.close();
        } catch {
          // It has answered.
        }
      }, String);
    });
    await Promise.all([
      once(socket.bind(port, '127.0.0.1'), 'listening'),
      once(tcp.listen(port, '127.0.0.1'), 'listening'),
    ]);
    near = socket;
  };
  const shut = async (): Promise<void> => {
    const socket = near;
    near = undefined;
    if (!socket) return;
    const closed = [once(socket, 'close'), once(tcp, 'close')];
    socket.close();
    tcp.close();
    await Promise.all(closed);
  };
  await open();
  return {
    address: `127.0.0.1:${port}`,
    get queries() {
      return queries;
    },
    cut: shut,
    restore: open,
    silence: (on) => void (silent = on),
    close: shut,
  };
}

/** A port that is free over TCP, and so over UDP in all likelihood. */
async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
