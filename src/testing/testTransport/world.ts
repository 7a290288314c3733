/** What a case of the transport suite runs in: a server, channels to it, and the calls that it makes. */

import { once } from 'node:events';
import * as net from 'node:net';
import { filter, firstValueFrom } from 'rxjs';
import type { Channel, ConnectivityState, Transport } from '../../core/channel.js';
import { methodOf } from '../../core/method.js';
import { createNode } from '../../core/node.js';
import { Greeter, type HelloReply, type HelloRequest } from '../../gen/demo/greeter_pb.js';
import type { TransportOptions } from '../../transport/transportOptions.js';
import { RecordedCall } from './recordedCall.js';
import { bytes, startTestNode, until, type TestNode } from './testNode.js';

export { bytes, RecordedCall, startTestNode, until };

export const sayHello = methodOf(Greeter.method.sayHello);
export const lotsOfReplies = methodOf(Greeter.method.lotsOfReplies);
export const lotsOfGreetings = methodOf(Greeter.method.lotsOfGreetings);
export const chat = methodOf(Greeter.method.chat);

/** What a case runs in. */
export class World {
  readonly channel: Channel;
  readonly #channels: Channel[] = [];
  readonly #holes: net.Server[] = [];

  private constructor(
    private readonly make: (options: TransportOptions) => Transport,
    readonly node: TestNode,
  ) {
    this.channel = this.open([node.address]);
  }

  static async start(make: (options: TransportOptions) => Transport): Promise<World> {
    return new World(make, await startTestNode());
  }

  readonly open = (addresses: readonly string[], options: TransportOptions = {}): Channel => {
    const channel = this.make(options).open(createNode({ addresses }));
    this.#channels.push(channel);
    return channel;
  };

  /** A server that accepts and says nothing. */
  readonly blackHole = async () => {
    const connections = new Set<net.Socket>();
    const hole = net.createServer((socket) => {
      connections.add(socket.resume());
      socket.on('error', () => undefined).on('close', () => connections.delete(socket));
    });
    this.#holes.push(hole);
    const connected = once(hole, 'connection');
    hole.listen(0, '127.0.0.1');
    await once(hole, 'listening');
    return {
      address: `127.0.0.1:${(hole.address() as net.AddressInfo).port}`,
      connected,
      connections: () => connections.size,
    };
  };

  end(): void {
    for (const channel of this.#channels) channel.close();
    for (const hole of this.#holes) hole.close();
    this.node.kill();
  }
}

type Context = ConstructorParameters<typeof RecordedCall>[2];

export function hello(
  channel: Channel,
  request: Partial<HelloRequest>,
  context?: Context,
): RecordedCall<HelloRequest, HelloReply> {
  const call = new RecordedCall(channel, sayHello, context);
  call.call.request(1);
  call.call.send(sayHello.message(request));
  call.call.halfClose();
  return call;
}

export function stream(channel: Channel, request: Partial<HelloRequest>): RecordedCall<HelloRequest, HelloReply> {
  const call = new RecordedCall(channel, lotsOfReplies);
  call.call.request(Infinity);
  call.call.send(lotsOfReplies.message(request));
  call.call.halfClose();
  return call;
}

export async function reached(channel: Channel, state: ConnectivityState): Promise<void> {
  await firstValueFrom(channel.state$.pipe(filter((now) => now === state)));
}

/** An address where nobody listens. */
export async function freeAddress(): Promise<string> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
}

/** Waits until a count stands still for 150 ms. */
export async function settled(count: () => number): Promise<void> {
  let last = -1;
  let since = Date.now();
  await until(() => {
    if (count() !== last) {
      last = count();
      since = Date.now();
    }
    return Date.now() - since > 150;
  }, 'the count stands still');
}

/** True when drain comes within 150 ms. */
export async function drained(call: { readonly drains: number }, before: number): Promise<boolean> {
  try {
    await until(() => call.drains > before, 'drain comes', 150);
    return true;
  } catch {
    return false;
  }
}

export function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /^(TCP|TLS)(Socket|Connect)?Wrap$|TCPConnect/.test(name))
    .length;
}
