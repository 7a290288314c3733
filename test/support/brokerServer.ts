/** A Lumen host broker for tests: it speaks the contract over real sockets, in the forms of several versions, and misbehaves on demand. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';

/** An entry as the wire has it. */
export type BrokerEntry = Readonly<Record<string, unknown>>;

export interface BrokerServerOptions {
  /**
   * `snapshots`: v1.4, a whole list at each change. `changes`: v1.3, a snapshot and then `added` and `removed`.
   * `silent`: v1.2.4, as `changes`, but without a snapshot while nobody is listed. `http`: before that, no WebSocket.
   */
  readonly speaks?: 'snapshots' | 'changes' | 'silent' | 'http';
  /** The form of `GET /v1/nodes`. Default `object`. */
  readonly list?: 'array' | 'object' | 'data';
  /** False: pings are not answered, as by a server that never reads. Default true. */
  readonly pongs?: boolean;
  /** Speaks TLS with this certificate and key, in PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** What `authorization` must be. Default: anything. */
  readonly authorization?: string;
}

/** Lists entries, over a port that stays the same from one life to the next. */
export class BrokerServer {
  readonly #options: BrokerServerOptions;
  #server: Server | undefined;
  #webSockets: WebSocketServer | undefined;
  #port = 0;
  readonly #sockets = new Set<Socket>();
  readonly #watchers = new Set<WebSocket>();
  readonly entries = new Map<string, BrokerEntry>();
  /** How often somebody connected, and asked by HTTP. */
  handshakes = 0;
  requests = 0;

  constructor(options: BrokerServerOptions = {}) {
    this.#options = options;
  }

  get url(): string {
    return `${this.#options.tls ? 'https' : 'http'}://127.0.0.1:${this.#port}`;
  }

  /** Open TCP connections. */
  get connections(): number {
    return this.#sockets.size;
  }

  async start(): Promise<void> {
    const { speaks = 'snapshots', pongs = true, tls } = this.#options;
    const answer = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response);
    const server = tls ? createTlsServer({ ...tls }, answer) : createServer(answer);
    const webSockets = new WebSocketServer({ noServer: true, autoPong: pongs });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const path = (request.url ?? '').split('?')[0];
      if (!this.#allowed(request)) return refuse(socket, '401 Unauthorized');
      if (speaks === 'http' || path !== '/v1/nodes/watch') return refuse(socket, '404 Not Found');
      webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#watched(webSocket));
    });
    await new Promise<void>((done) => server.listen(this.#port, '127.0.0.1', done));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#webSockets = webSockets;
  }

  /** As a crash: every connection is gone at once. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#webSockets?.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#watchers.clear();
    if (server) await new Promise<unknown>((done) => server.close(done));
  }

  /** As a cable that was pulled: the connections stay open, and nothing passes any more. New ones are as before. */
  halfOpen(): void {
    for (const socket of this.#sockets) socket.pause();
    this.#watchers.clear();
  }

  put(id: string, entry: BrokerEntry): void {
    this.entries.set(id, entry);
    const { speaks = 'snapshots' } = this.#options;
    if (speaks === 'snapshots') return this.say(this.#snapshot());
    // The older wire has no word for a change: the node is added in the place of the old one.
    this.say({ type: 'added', node: entry });
  }

  remove(id: string): void {
    const entry = this.entries.get(id);
    if (!this.entries.delete(id)) return;
    const { speaks = 'snapshots' } = this.#options;
    this.say(speaks === 'snapshots' ? this.#snapshot() : { type: 'removed', node_id: entry!.node_id });
  }

  /** Says anything to all who watch. */
  say(message: unknown): void {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    for (const watcher of this.#watchers) watcher.send(text);
  }

  #watched(webSocket: WebSocket): void {
    this.handshakes++;
    this.#watchers.add(webSocket);
    webSocket.on('close', () => this.#watchers.delete(webSocket));
    webSocket.on('error', () => webSocket.terminate());
    if (this.#options.speaks === 'silent' && this.entries.size === 0) return;
    webSocket.send(JSON.stringify(this.#snapshot()));
  }

  #snapshot(): object {
    return { type: 'snapshot', nodes: [...this.entries.values()] };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests++;
    if (!this.#allowed(request)) return void response.writeHead(401).end();
    if ((request.url ?? '').split('?')[0] !== '/v1/nodes') return void response.writeHead(404).end();
    // The list has other names for the same things.
    const nodes = [...this.entries.values()].map(({ node_id, txt, ...rest }) => {
      const { v, runtime } = (txt ?? {}) as { v?: unknown; runtime?: unknown };
      return { id: node_id, version: v, runtime, availability: 'ready', ...rest };
    });
    const { list = 'object' } = this.#options;
    const body = list === 'array' ? nodes : list === 'object' ? { nodes } : { success: true, data: { nodes } };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
  }

  #allowed({ headers }: IncomingMessage): boolean {
    const { authorization } = this.#options;
    return authorization === undefined || headers.authorization === authorization;
  }
}

function refuse(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
