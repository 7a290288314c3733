/** A small gRPC server that owns its sockets, so that a test can end one call, one connection or all of them at once. */

import { fromBinary, toBinary, type Message } from '@bufbuild/protobuf';
import { createServer, type Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { Metadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { FleetError } from '../../core/fleetError.js';
import { grpcStatusNames, type StatusName } from '../../core/errorCodes.js';
import type { Method } from '../../core/method.js';

/** One call as the server sees it; the same for every kind of method. */
export interface ServerCall<I = unknown, O = unknown> {
  /** The messages of the client, read as they are taken; ends at its half-close, or when the call is cancelled. */
  readonly requests: AsyncIterable<I>;
  /** Aborted when the client cancels, its connection breaks, or its deadline passes. */
  readonly signal: AbortSignal;
  /** How many messages the wire has taken. */
  readonly written: number;
  /** The first value of a request header. */
  header(name: string): string | undefined;
  /** Sends a message, and waits while the wire is full. */
  send(message: O): Promise<void>;
  /** Sends bytes as they are, after all messages: no frame is put around them. */
  sendRaw(bytes: Uint8Array): Promise<void>;
  /** Waits until the wire has taken everything that was sent. */
  flushed(): Promise<void>;
  /** Ends the call. Default `OK`. Later calls do nothing. */
  end(code?: StatusName, message?: string, trailers?: Readonly<Record<string, string>>): void;
  /** Breaks the connection that the call came over. */
  breakConnection(): void;
}

/** What serves a method. Its end is the end of the call; a `FleetError` that it throws becomes the status. */
export type Serve<I, O> = (call: ServerCall<I, O>) => Promise<void> | void;

/** A method with what serves it; made by `serve()`. */
export interface ServedMethod {
  readonly method: Method;
  readonly handle: Serve<unknown, unknown>;
}

/** Keys and certificates as PEM. */
export interface ServerTls {
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
  /** The authority that signs client certificates; given, clients must have one. */
  readonly clientCa?: string | Buffer;
}

export interface GrpcServerOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly methods: readonly ServedMethod[];
  /** Larger messages of clients end the call as `RESOURCE_EXHAUSTED`. Default 4,194,304 (4 MiB). */
  readonly maxReceiveBytes?: number;
  /** Default: plain text. */
  readonly tls?: ServerTls;
}

export interface GrpcServer {
  readonly host: string;
  readonly port: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Messages of answers that the wire has taken, over all calls. */
  readonly written: number;
  /** While true, new connections are accepted and never spoken to. */
  silent: boolean;
  /** Takes no more connections and calls, waits for the calls in flight, and after `graceMs` ends them. */
  close(graceMs: number): Promise<void>;
  /** Ends every connection at once, as when the process dies. */
  kill(): void;
}

/** Pairs a method with what serves it. */
export function serve<I, O>(method: Method<I, O>, handle: Serve<I, O>): ServedMethod {
  return { method: method as unknown as Method, handle: handle as Serve<unknown, unknown> };
}

/**
 * Opens a server.
 *
 * @throws FleetError `UNAVAILABLE` when the address cannot be listened on.
 */
export async function openGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { host = '127.0.0.1', port = 0, methods, maxReceiveBytes = 4_194_304, tls } = options;
  const server = new Server({
    'grpc.max_receive_message_length': maxReceiveBytes,
    'grpc.max_send_message_length': -1,
    'grpc.enable_channelz': 0,
  });
  const sockets = new Map<string, Socket>();
  const shared: Shared = { sockets, written: 0 };
  const handlers = Object.fromEntries(methods.map((served) => [served.method.path, handler(served, shared)]));
  const definition = Object.fromEntries(methods.map(({ method }) => [method.path, definitionOf(method)]));
  server.addService(definition, handlers);

  const injector = server.createConnectionInjector(credentialsOf(tls));
  let silent = false;
  const listener = createServer((socket) => {
    const key = `${socket.remoteAddress}:${socket.remotePort}`;
    sockets.set(key, socket);
    socket.on('close', () => sockets.delete(key));
    socket.on('error', nothing);
    if (!silent) injector.injectConnection(socket);
  });
  const bound = await listen(listener, host, port);
  const kill = (): void => {
    listener.close();
    for (const socket of sockets.values()) socket.destroy();
    server.forceShutdown();
  };

  return {
    host,
    port: bound,
    get connections() {
      return sockets.size;
    },
    get written() {
      return shared.written;
    },
    get silent() {
      return silent;
    },
    set silent(value) {
      silent = value;
    },
    kill,
    close: (graceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(kill, graceMs);
        // Connections that were never spoken to have no session that could end them.
        const silentOnes = silent ? [...sockets.values()] : [];
        const whenOver = (): void => {
          // The listener may count a socket out just before that says so itself.
          const [last] = sockets.values();
          if (last) {
            last.once('close', whenOver);
            return;
          }
          clearTimeout(timer);
          resolve();
        };
        listener.close(whenOver);
        server.tryShutdown(nothing);
        for (const socket of silentOnes) socket.destroy();
      }),
  };
}

function listen(listener: ReturnType<typeof createServer>, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    listener.once('error', (cause) => {
      const message = `cannot listen on ${host}:${port}: ${cause.message}; choose another port, or 0 for any`;
      reject(new FleetError('UNAVAILABLE', message, { cause }));
    });
    listener.listen({ host, port }, () => resolve((listener.address() as { port: number }).port));
  });
}

function credentialsOf(tls: ServerTls | undefined): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure();
  const pair = { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) };
  const ca = tls.clientCa === undefined ? null : Buffer.from(tls.clientCa);
  return ServerCredentials.createSsl(ca, [pair], ca !== null);
}

/** Every method is served as a stream both ways: on the wire the kinds differ only in how many messages go. */
function definitionOf({ path, descriptor: { input, output } }: Method) {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: (message: Message) => bufferOf(toBinary(input, message)),
    requestDeserialize: (bytes: Buffer) => fromBinary(input, bytes),
    responseSerialize: (message: Message) => bufferOf(toBinary(output, message)),
    responseDeserialize: (bytes: Buffer) => fromBinary(output, bytes),
  };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

type Stream = ServerDuplexStream<unknown, unknown>;

/** What the calls of a server have in common. */
interface Shared {
  readonly sockets: ReadonlyMap<string, Socket>;
  written: number;
}

function handler({ handle }: ServedMethod, shared: Shared) {
  return (stream: Stream): void => {
    const call = new RunningCall(stream, shared);
    (async () => handle(call))().then(
      () => call.end(),
      (thrown: unknown) => call.fail(thrown),
    );
  };
}

class RunningCall implements ServerCall {
  readonly #stream: Stream;
  readonly #shared: Shared;
  readonly #peer: string;
  readonly #aborted = new AbortController();
  #ended = false;
  #sent = 0;
  written = 0;
  readonly #waiting = new Set<() => void>();

  constructor(stream: Stream, shared: Shared) {
    this.#stream = stream;
    this.#shared = shared;
    this.#peer = stream.getPeer();
    // grpc-js says `cancelled` after every end, good or bad.
    stream.on('cancelled', () => {
      if (!this.#ended) this.#aborted.abort();
      this.#ended = true;
      this.#wake();
    });
    stream.on('drain', () => this.#wake());
  }

  get signal(): AbortSignal {
    return this.#aborted.signal;
  }

  get requests(): AsyncIterable<unknown> {
    return readUntilEnd(this.#stream);
  }

  header(name: string): string | undefined {
    return this.#stream.metadata.get(name)[0]?.toString();
  }

  async send(message: unknown): Promise<void> {
    if (this.#ended) return;
    this.#sent++;
    const more = this.#stream.write(message, () => {
      this.written++;
      this.#shared.written++;
      this.#wake();
    });
    while (!more && !this.#ended && this.#stream.writableNeedDrain) await this.#next();
  }

  async flushed(): Promise<void> {
    while (!this.#ended && this.written < this.#sent) await this.#next();
  }

  async sendRaw(bytes: Uint8Array): Promise<void> {
    await this.flushed();
    if (this.#ended) return;
    this.#stream.sendMetadata(new Metadata());
    // The HTTP/2 stream beneath is not part of the public surface of grpc-js, and there is no other way to a bad frame.
    const beneath = (this.#stream as unknown as { call?: { stream?: Writable } }).call?.stream;
    if (!beneath) throw new FleetError('INTERNAL', 'this version of @grpc/grpc-js hides its HTTP/2 stream');
    await new Promise<void>((resolve) => beneath.write(bytes, () => resolve()));
  }

  end(code: StatusName = 'OK', message = '', trailers: Readonly<Record<string, string>> = {}): void {
    if (this.#ended) return;
    this.#ended = true;
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
    if (code === 'OK') this.#stream.end(metadata);
    else this.#stream.emit('error', { code: grpcStatusNames.indexOf(code), details: message, metadata });
    this.#wake();
  }

  /** Ends the call with what its handler threw. */
  fail(thrown: unknown): void {
    const { code, detail } = FleetError.from(thrown, 'INTERNAL');
    const known = (grpcStatusNames as readonly string[]).includes(code);
    this.end(known ? (code as StatusName) : 'INTERNAL', detail);
  }

  breakConnection(): void {
    this.#shared.sockets.get(this.#peer)?.destroy();
  }

  #next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** The requests of a call; a cancelled one just ends. */
async function* readUntilEnd(stream: Stream): AsyncGenerator<unknown> {
  try {
    yield* stream.iterator({ destroyOnReturn: false });
  } catch (thrown) {
    if (!stream.destroyed) throw thrown;
  }
}

function nothing(): void {}
