/** The rows about calls: each client under comparison does the same work against one server in another process. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { compare, keepInFlight, takeTurns, type Effort, type Row } from './measure.js';
import { startConnectNode } from './subjects/connectNode.js';
import { startGrpcJs } from './subjects/grpcJs.js';
import { startNiceGrpc } from './subjects/niceGrpc.js';
import { startNodeHttp2 } from './subjects/nodeHttp2.js';
import { startRxfleet } from './subjects/rxfleet.js';
import type { StartSubject, Subject } from './subjects/subject.js';

interface Work {
  readonly name: string;
  readonly unit: string;
  run(subject: Subject, ms: number): Promise<number>;
}

const unary = (size: number, label: string, inFlight: number): Work => {
  const payload = new Uint8Array(size).fill(7);
  return {
    name: `unary ${label} x${inFlight}`,
    unit: 'calls/s',
    run: (subject, ms) => keepInFlight(inFlight, ms, (done) => subject.unary(payload, done)),
  };
};

const serverStream = (replies: number): Work => ({
  name: 'server stream 16B',
  unit: 'messages/s',
  run: (subject, ms) => keepInFlight(1, ms, (done) => subject.stream(replies, done)),
});

const works = [unary(16, '16B', 64), unary(16, '16B', 1), serverStream(2_000), unary(65_536, '64KiB', 16)];

/** Those that we are measured against. */
const others: Readonly<Record<string, StartSubject>> = {
  'grpc-js': startGrpcJs,
  'connect-node': startConnectNode,
  'nice-grpc': startNiceGrpc,
  'node:http2': startNodeHttp2,
};

/** Ours: the whole client, on each of its transports. */
const ours: Readonly<Record<string, StartSubject>> = {
  'rxfleet grpc': startRxfleet('grpc'),
  'rxfleet connect': startRxfleet('connect'),
};

/** The rows of the works that are wanted: ours against each of the others, then the others against bare grpc-js. */
export async function* callRows(effort: Effort, wanted: (name: string) => boolean): AsyncGenerator<Row> {
  const server = await startServer();
  const subjects = new Map<string, Subject>();
  try {
    for (const [name, start] of Object.entries({ ...others, ...ours })) subjects.set(name, await start(server.address));
    for (const work of works.filter(({ name }) => wanted(name))) {
      const { speed, thrift } = await measure(work, subjects, effort);
      for (const subject of Object.keys(ours)) {
        for (const against of Object.keys(others)) yield compare(work.name, work.unit, speed, subject, against);
      }
      for (const subject of Object.keys(others).slice(1)) {
        yield compare(work.name, work.unit, speed, subject, 'grpc-js');
      }
      for (const subject of [...Object.keys(ours), ...Object.keys(others).slice(1)]) {
        yield compare(`${work.name} by CPU`, `${work.unit.split('/')[0]}/CPU s`, thrift, subject, 'grpc-js');
      }
    }
  } finally {
    for (const subject of subjects.values()) await subject.close();
    await server.stop();
  }
}

/**
 * What each does in a second, and in a second of processor time of this process: the second is what it costs the
 * user's program, and hardly changes when others keep the machine busy.
 */
async function measure(work: Work, subjects: ReadonlyMap<string, Subject>, effort: Effort) {
  const thrift = new Map<string, number[]>();
  const contenders = [...subjects].map(([name, subject]) => ({
    name,
    turn: async (ms: number) => {
      const start = performance.now();
      const before = process.cpuUsage();
      const rate = await work.run(subject, ms);
      const { user, system } = process.cpuUsage(before);
      const units = (rate * (performance.now() - start)) / 1_000;
      thrift.set(name, [...(thrift.get(name) ?? []), units / ((user + system) / 1e6)]);
      return rate;
    },
  }));
  const speed = await takeTurns(contenders, effort);
  // The first turn of each was its warm-up.
  for (const [name, values] of thrift) thrift.set(name, values.slice(1));
  return { speed, thrift };
}

async function startServer(): Promise<{ address: string; stop(): Promise<void> }> {
  const child = fork(fileURLToPath(new URL('./server.js', import.meta.url)), { stdio: 'inherit' });
  const exit = once(child, 'exit');
  const [{ port }] = await Promise.race([
    once(child, 'message'),
    exit.then(([code]) => Promise.reject(new Error(`the server of the benches ended at once, code ${code}`))),
  ]);
  return {
    address: `127.0.0.1:${port}`,
    stop: async () => {
      child.disconnect();
      await exit;
    },
  };
}
