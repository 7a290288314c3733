/** The node that the transport suite calls: it does as the `name` of the request says, and tells what it saw. */

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { formatAddress } from '../../core/address.js';
import { grpcStatusNames } from '../../core/errorCodes.js';
import { methodOf, type Method } from '../../core/method.js';
import {
  ChatMessageSchema,
  Greeter,
  HelloReplySchema,
  type HelloReply,
  type HelloRequest,
} from '../../gen/demo/greeter_pb.js';
import { openGrpcServer, serve, type GrpcServerOptions, type Serve, type ServedMethod } from '../grpcServer.js';
import type { ServerCall } from '../serverCall.js';

export interface TestNode {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly port: number;
  /** How many clients are connected. */
  readonly connections: number;
  /** How many calls were cancelled by the client. */
  readonly cancelled: number;
  /** How many messages of the `firehose` the wire has taken. */
  readonly poured: number;
  /** Calls of `hang` that have arrived. */
  readonly hanging: number;
  /** Lets `chat` read, after a chat began with `wait`. */
  listen(): void;
  /** Lets a call of `later` answer. */
  answer(): void;
  /** Dies: every connection is reset, and nothing listens any more. */
  kill(): void;
  /** Says goodbye (GOAWAY), lets running calls end, and resolves when all is closed. */
  close(): Promise<void>;
}

/** What `metadata` sends in a binary trailer. */
export const bytes = Uint8Array.of(0, 1, 254, 255);

/** Listens on 127.0.0.1, on any free port unless one is given. */
export async function startTestNode(options: Pick<GrpcServerOptions, 'port' | 'tls'> = {}): Promise<TestNode> {
  const seen = { cancelled: 0, poured: 0, hanging: 0 };
  let listen = nothing;
  let answer = nothing;

  const sayHello: Serve<HelloRequest, HelloReply> = async (call) => {
    const { name, payload, replies } = await requestOf(call);
    const [word, ...rest] = name.split(':');
    switch (word) {
      case 'fail':
        return call.end(grpcStatusNames[Number(rest[0])], rest[1], { 'x-why': 'asked to' });
      case 'hang':
        seen.hanging++;
        return waitFor(call.signal);
      case 'later':
        seen.hanging++;
        await waitFor(call.signal, (told) => (answer = told));
        return call.send(reply({ message: 'late' }));
      case 'size':
        return call.send(reply({ payload: new Uint8Array(replies) }));
      case 'deadline':
        return call.send(reply({ message: String(call.deadline - Date.now()) }));
      case 'metadata':
        call.sendHeaders(Object.fromEntries(Object.entries(call.metadata).filter(([key]) => key.startsWith('x-'))));
        await call.send(reply({}));
        return call.end('OK', '', { 'x-trailer': 'last', 'x-trailer-bin': bytes });
      default:
        return call.send(reply({ message: `hello ${name}`, payload }));
    }
  };

  const lotsOfReplies: Serve<HelloRequest, HelloReply> = async (call) => {
    const { name, replies } = await requestOf(call);
    const pours = name === 'firehose';
    const rest = pours ? { payload: new Uint8Array(64 * 1024) } : { message: name };
    for (let seq = 0; seq < replies && !call.signal.aborted; seq++) {
      if (pours) seen.poured++;
      await call.send(reply({ seq, ...rest }));
    }
    if (name === 'fail') call.end('ABORTED', 'broke off');
    if (name === 'hang') await waitFor(call.signal);
  };

  const lotsOfGreetings: Serve<HelloRequest, HelloReply> = async (call) => {
    let seq = 0;
    for await (const _request of call.requests) seq++;
    await call.send(reply({ seq }));
  };

  const chat: Serve<{ text: string }, unknown> = async (call) => {
    for await (const { text } of call.requests) {
      const listened = text === 'wait' ? waitFor(call.signal, (told) => (listen = told)) : undefined;
      await call.send(create(ChatMessageSchema, { text: text.slice(0, 10) }));
      await listened;
    }
  };

  const watched = <I, O>(method: Method<I, O>, body: Serve<I, O>): ServedMethod =>
    serve(method, (call) => {
      call.signal.addEventListener('abort', () => seen.cancelled++);
      return body(call);
    });

  const { method } = Greeter;
  const server = await openGrpcServer({
    ...options,
    maxReceiveBytes: 64 * 1024 * 1024,
    methods: [
      watched(methodOf(method.sayHello), sayHello),
      watched(methodOf(method.lotsOfReplies), lotsOfReplies),
      watched(methodOf(method.lotsOfGreetings), lotsOfGreetings),
      watched(methodOf(method.chat), chat),
    ],
  });
  return {
    address: formatAddress(server),
    port: server.port,
    get connections() {
      return server.connections;
    },
    get cancelled() {
      return seen.cancelled;
    },
    get poured() {
      return seen.poured;
    },
    get hanging() {
      return seen.hanging;
    },
    listen: () => listen(),
    answer: () => answer(),
    kill: () => server.reset(),
    close: () => server.close(10_000),
  };
}

function reply(message: MessageInitShape<typeof HelloReplySchema>): HelloReply {
  return create(HelloReplySchema, message);
}

async function requestOf<I>(call: ServerCall<I, unknown>): Promise<I> {
  for await (const request of call.requests) return request;
  throw new Error('the call has no request');
}

/** Until somebody tells it, if `keep` is given to keep the telling; or until the call is cancelled. */
function waitFor(cancelled: AbortSignal, keep?: (told: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    keep?.(resolve);
    if (cancelled.aborted) resolve();
    cancelled.addEventListener('abort', () => resolve());
  });
}

function nothing(): void {}
