/** A Greeter to call: every shape of call, counters for what the wire has seen, and faults. */

import { create } from '@bufbuild/protobuf';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StatusName } from '../../src/core/errorCodes.js';
import { FleetError } from '../../src/core/fleetError.js';
import { methodOf } from '../../src/core/method.js';
import {
  ChatMessageSchema,
  Greeter as GreeterService,
  HelloReplySchema,
  type HelloRequest,
} from '../../src/gen/demo/greeter_pb.js';
import { openGrpcServer, serve, type ServerTls } from '../../src/testing/grpcServer.js';
import type { ServerCall } from '../../src/testing/serverCall.js';

export interface GreeterFaults {
  /** Wait before each answer, in milliseconds. Default 0. */
  readonly latencyMs?: number;
  /** Every call ends with this, unanswered. */
  readonly failWith?: StatusName;
  /** Only every n-th call fails, and only so many in all. Default: every one, without end. */
  readonly failEvery?: number;
  readonly failTimes?: number;
  /** Trailers of a failure, such as `grpc-retry-pushback-ms`. */
  readonly trailers?: Readonly<Record<string, string>>;
  /** Calls are taken and never answered. */
  readonly hang?: boolean;
  /** New connections are accepted and never spoken to. */
  readonly silent?: boolean;
  /** The connection breaks after so many messages of an answer. */
  readonly breakAfter?: number;
  /** The call ends with `failWith` (default `UNAVAILABLE`) after so many messages of an answer. */
  readonly failAfter?: number;
}

export interface GreeterOptions {
  /** Goes as `node` in every reply. Default `greeter`. */
  readonly name?: string;
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default: plain text. */
  readonly tls?: ServerTls;
  /** Replies of `lotsOfReplies` when the request names none. Default 10. */
  readonly replies?: number;
  readonly maxReceiveBytes?: number;
  readonly faults?: GreeterFaults;
}

export interface Greeter {
  readonly name: string;
  /** `host:port` */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** Calls that arrived. */
  readonly calls: number;
  /** Calls that arrived, by method name such as `SayHello`. */
  readonly callsOf: Readonly<Record<string, number>>;
  /** Calls in flight. */
  readonly active: number;
  /** Calls that the client cancelled, or whose connection broke. */
  readonly cancelled: number;
  /** Messages of answers that the wire has taken. */
  readonly written: number;
  /** Messages of requests that were read. */
  readonly received: number;
  /** Connections that are open. */
  readonly connections: number;
  /** A request header of the last call. */
  lastHeader(name: string): string | undefined;
  /** Replaces all faults. */
  faults(faults: GreeterFaults): void;
  /** Takes no more calls, waits up to `graceMs` (default 1,000) for those in flight. */
  close(graceMs?: number): Promise<void>;
  /** Breaks every connection at once. */
  kill(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

type Call = ServerCall<unknown, unknown>;

/** Starts a Greeter on a loopback port. */
export async function startGreeter(options: GreeterOptions = {}): Promise<Greeter> {
  const { name = 'greeter', replies = 10, tls, maxReceiveBytes } = options;
  let faults = options.faults ?? {};
  let calls = 0;
  let active = 0;
  let cancelled = 0;
  let received = 0;
  let failures = 0;
  let counter = 0;
  let last: Call | undefined;
  const callsOf: Record<string, number> = {};
  const hung = new Set<() => void>();

  const reply = (message: string, rest: { payload?: Uint8Array; seq?: number } = {}) =>
    create(HelloReplySchema, { message, node: name, ...rest });

  const fault = async (call: Call): Promise<void> => {
    const { latencyMs = 0, failWith, failEvery = 1, failTimes = Infinity, trailers, hang, failAfter } = faults;
    if (latencyMs > 0) await sleep(latencyMs, undefined, { signal: call.signal });
    if (hang) {
      await new Promise<void>((resolve) => {
        hung.add(resolve);
        call.signal.addEventListener('abort', () => resolve());
      });
      call.end('UNAVAILABLE', `${name} closed`);
    }
    if (failWith && failAfter === undefined && calls % failEvery === 0 && failures < failTimes) {
      failures++;
      call.end(failWith, `${name} was told to fail`, trailers);
    }
  };

  const send = async (call: Call, message: unknown): Promise<void> => {
    const { breakAfter = Infinity, failAfter = Infinity, failWith = 'UNAVAILABLE', trailers } = faults;
    await call.send(message);
    if (breakAfter < Infinity || failAfter < Infinity) await call.flushed();
    if (call.written >= breakAfter) call.breakConnection();
    else if (call.written >= failAfter) call.end(failWith, `${name} was told to fail`, trailers);
  };

  const served = <I, O>(method: Parameters<typeof serve<I, O>>[0], body: (call: ServerCall<I, O>) => Promise<void>) =>
    serve<I, O>(method, async (call) => {
      const short = method.descriptor.name;
      calls++;
      callsOf[short] = (callsOf[short] ?? 0) + 1;
      active++;
      last = call as Call;
      call.signal.addEventListener('abort', () => cancelled++);
      try {
        await fault(call as Call);
        const { breakAfter } = faults;
        if (breakAfter === 0) call.breakConnection();
        else await body(call);
      } catch (thrown) {
        if (!call.signal.aborted) throw thrown;
      } finally {
        active--;
      }
    });

  const first = async (call: ServerCall<HelloRequest, unknown>): Promise<HelloRequest | undefined> => {
    for await (const request of call.requests) {
      received++;
      return request;
    }
    return undefined;
  };

  const { sayHello, count, lotsOfReplies, lotsOfGreetings, chat } = GreeterService.method;
  const server = await openGrpcServer({
    host: options.host,
    port: options.port,
    tls,
    maxReceiveBytes,
    methods: [
      served(methodOf(sayHello), async (call) => {
        const request = await first(call);
        if (!request) throw new FleetError('INVALID_ARGUMENT', 'SayHello needs a request');
        await send(call as Call, reply(`Hello, ${request.name}`, { payload: request.payload }));
      }),
      served(methodOf(count), async (call) => {
        await first(call);
        await send(call as Call, reply(String(++counter), { seq: counter }));
      }),
      served(methodOf(lotsOfReplies), async (call) => {
        const request = await first(call);
        const total = request?.replies || replies;
        for (let seq = 0; seq < total && !call.signal.aborted; seq++) {
          await send(call as Call, reply(`Hello, ${request?.name} ${seq}`, { payload: request?.payload, seq }));
        }
      }),
      served(methodOf(lotsOfGreetings), async (call) => {
        const names: string[] = [];
        for await (const request of call.requests) {
          received++;
          names.push(request.name);
        }
        if (!call.signal.aborted) await send(call as Call, reply(`Hello, ${names.join(', ')}`, { seq: names.length }));
      }),
      served(methodOf(chat), async (call) => {
        for await (const { text } of call.requests) {
          received++;
          await send(call as Call, create(ChatMessageSchema, { text }));
        }
      }),
    ],
  });
  const setFaults = (next: GreeterFaults): void => {
    faults = next;
    failures = 0;
    server.silent = next.silent ?? false;
  };
  setFaults(faults);
  const close = (graceMs = 1_000): Promise<void> => {
    for (const resume of hung) resume();
    return server.close(graceMs);
  };

  return {
    name,
    host: server.host,
    port: server.port,
    address: `${server.host}:${server.port}`,
    get calls() {
      return calls;
    },
    callsOf,
    get active() {
      return active;
    },
    get cancelled() {
      return cancelled;
    },
    get written() {
      return server.written;
    },
    get received() {
      return received;
    },
    get connections() {
      return server.connections;
    },
    lastHeader: (header) => last?.header(header),
    faults: setFaults,
    close,
    kill: () => server.kill(),
    [Symbol.asyncDispose]: () => close(),
  };
}
