/** What a case of the transport suite runs in: a node, and channels to it. */

import { once } from 'node:events';
import * as net from 'node:net';
import type { Channel, Transport } from '../../core/channel.js';
import { createNode } from '../../core/node.js';
import type { TransportOptions } from '../../transport/transportOptions.js';
import { startTestNode, type TestNode } from './testNode.js';

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

/** An address where nobody listens. */
export async function freeAddress(): Promise<string> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
}
