/** The node that the transport suite calls: it does as the `name` of the request says, and tells what it saw. */

import { setTimeout as wait } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import {
  ChatMessageSchema,
  Greeter,
  HelloReplySchema,
  type ChatMessage,
  type HelloRequest,
} from '../../gen/demo/greeter_pb.js';
import {
  grpcMetadata,
  startGrpcServer,
  type GrpcHandler,
  type GrpcServer,
  type GrpcServerOptions,
} from '../grpcServer.js';

export interface TestNode extends GrpcServer {
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
}

export async function startTestNode(options: Omit<GrpcServerOptions, 'services'> = {}): Promise<TestNode> {
  const seen = { cancelled: 0, poured: 0, hanging: 0 };
  let listen: (() => void) | undefined;
  let answer: (() => void) | undefined;

  const sayHello: GrpcHandler = (call, callback) => {
    const { name, payload, replies } = call.request as HelloRequest;
    call.on('cancelled', () => seen.cancelled++);
    const [word, ...rest] = name.split(':');
    switch (word) {
      case 'fail':
        return callback({ code: Number(rest[0]), details: rest[1], metadata: grpcMetadata({ 'x-why': 'asked to' }) });
      case 'hang':
        seen.hanging++;
        return;
      case 'later':
        seen.hanging++;
        answer = () => callback(null, create(HelloReplySchema, { message: 'late' }));
        return;
      case 'size':
        return callback(null, create(HelloReplySchema, { payload: new Uint8Array(replies) }));
      case 'deadline':
        return callback(null, create(HelloReplySchema, { message: String(Number(call.getDeadline()) - Date.now()) }));
      case 'metadata': {
        const own = Object.entries(call.metadata.toJSON()).filter(([key]) => key.startsWith('x-'));
        const echoed = grpcMetadata({});
        for (const [key, values] of own) for (const value of values as string[]) echoed.add(key, value);
        call.sendMetadata(echoed);
        return callback(null, create(HelloReplySchema), grpcMetadata({ 'x-trailer': 'last', 'x-trailer-bin': bytes }));
      }
      default:
        return callback(null, create(HelloReplySchema, { message: `hello ${name}`, payload }));
    }
  };

  const lotsOfReplies: GrpcHandler = (call) => {
    const { name, replies } = call.request as HelloRequest;
    call.on('cancelled', () => seen.cancelled++);
    if (name === 'firehose') {
      const payload = new Uint8Array(64 * 1024);
      let seq = 0;
      const pour = () => {
        while (seq < replies) {
          seen.poured++;
          if (!call.write(create(HelloReplySchema, { seq: seq++, payload }))) return void call.once('drain', pour);
        }
        call.end();
      };
      return pour();
    }
    for (let seq = 0; seq < replies; seq++) call.write(create(HelloReplySchema, { seq, message: name }));
    if (name === 'fail') call.emit('error', { code: 10, details: 'broke off' });
    else if (name !== 'hang') call.end();
  };

  const lotsOfGreetings: GrpcHandler = (call, callback) => {
    let count = 0;
    call.on('data', () => count++);
    call.on('end', () => callback(null, create(HelloReplySchema, { seq: count })));
  };

  const chat: GrpcHandler = (call) => {
    call.on('cancelled', () => seen.cancelled++);
    const echo = (message: ChatMessage) => {
      if (message.text === 'wait') {
        call.pause();
        listen = () => call.resume();
      }
      call.write(create(ChatMessageSchema, { text: message.text.slice(0, 10) }));
    };
    call.on('data', echo);
    call.on('end', () => call.end());
  };

  const server = await startGrpcServer({
    ...options,
    services: [{ service: Greeter, handlers: { sayHello, lotsOfReplies, lotsOfGreetings, chat } }],
  });
  return Object.defineProperties(server, {
    cancelled: { get: () => seen.cancelled },
    poured: { get: () => seen.poured },
    hanging: { get: () => seen.hanging },
    listen: { value: () => listen?.() },
    answer: { value: () => answer?.() },
  }) as TestNode;
}

/** What `metadata` sends in a binary trailer. */
export const bytes = Uint8Array.of(0, 1, 254, 255);

/** Waits until something holds; fails after `withinMs`. For what a server sees, since no event tells it. */
export async function until(holds: () => boolean, what: string, withinMs = 5_000): Promise<void> {
  const giveUp = Date.now() + withinMs;
  while (!holds()) {
    if (Date.now() > giveUp) throw new Error(`still not so after ${withinMs} ms: ${what}`);
    await wait(5);
  }
}
