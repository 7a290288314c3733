/** A wire between a client and a server on loopback that can be cut, held up and slowed down. */

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly endpoint: string;
  /** Connections that are open now. */
  readonly open: number;
  /** Connections that were ever accepted and led on. */
  readonly accepted: number;
  /** Breaks every connection and refuses new ones. */
  cut(): void;
  /** Carries again. */
  restore(): void;
  /** Holds back every byte, both ways, as a dead network does: nothing breaks, nothing arrives. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let isCut = false;
  let paused = false;
  let accepted = 0;
  let open = 0;

  const server = createServer((near) => {
    if (isCut) return void near.destroy();
    accepted++;
    open++;
    const far = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (chunk) => {
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => !paused && from.resume());
        }
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      if (paused) from.pause();
    }
    near.on('close', () => open--);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    port,
    endpoint: `127.0.0.1:${port}`,
    get open() {
      return open;
    },
    get accepted() {
      return accepted;
    },
    cut() {
      isCut = true;
      for (const socket of sockets) socket.resetAndDestroy();
    },
    restore: () => void (isCut = false),
    pause() {
      paused = true;
      for (const socket of sockets) socket.pause();
    },
    resume() {
      paused = false;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
