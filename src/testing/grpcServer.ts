/** A small gRPC server that owns its sockets, so that a test can end one call, one connection or all of them at once. */

import { fromBinary, toBinary, type Message } from '@bufbuild/protobuf';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Metadata as GrpcMetadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { FleetError } from '../core/fleetError.js';
import type { Metadata, MetadataValue } from '../core/metadata.js';
import type { Method } from '../core/method.js';
import { RunningCall, type ServerCall, type SharedByCalls } from './serverCall.js';

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
  /** As it was given. */
  readonly host: string;
  /** The address that it came to. */
  readonly boundHost: string;
  readonly port: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Messages of answers that the wire has taken, over all calls. */
  readonly written: number;
  /** While true, new connections are accepted and never spoken to. */
  silent: boolean;
  /** Says goodbye (GOAWAY) and takes no more calls, waits for those in flight, and after `graceMs` ends them. */
  close(graceMs: number): Promise<void>;
  /** Ends every connection at once, as when the process dies. */
  kill(): void;
  /** Resets every connection at once, without a word: what is under way is lost. */
  reset(): void;
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
  const shared: SharedByCalls = { sockets, written: 0, toGrpcMetadata };
  const handlers = Object.fromEntries(methods.map((served) => [served.method.path, handler(served, shared)]));
  const definition = Object.fromEntries(methods.map(({ method }) => [method.path, definitionOf(method)]));
  server.addService(definition, handlers);

  const injector = server.createConnectionInjector(credentialsOf(tls));
  let silent = false;
  const unspoken = new Set<Socket>();
  const listener = createServer((socket) => {
    const key = `${socket.remoteAddress}:${socket.remotePort}`;
    sockets.set(key, socket);
    socket.on('close', () => sockets.delete(key));
    socket.on('error', nothing);
    if (silent) unspoken.add(socket.on('close', () => unspoken.delete(socket)));
    else injector.injectConnection(socket);
  });
  const { address: boundHost, port: bound } = await listen(listener, host, port);
  const cut = (end: (socket: Socket) => void): void => {
    listener.close();
    for (const socket of sockets.values()) end(socket);
    server.forceShutdown();
  };
  const kill = (): void => cut((socket) => socket.destroy());

  return {
    host,
    boundHost,
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
    reset: () => cut((socket) => socket.resetAndDestroy()),
    close: (graceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(kill, graceMs);
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
        // They have no session that could end them.
        for (const socket of unspoken) socket.destroy();
      }),
  };
}

function listen(listener: ReturnType<typeof createServer>, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    listener.once('error', (cause) => {
      const message = `cannot listen on ${host}:${port}: ${cause.message}; choose another port, or 0 for any`;
      reject(new FleetError('UNAVAILABLE', message, { cause }));
    });
    listener.listen({ host, port }, () => resolve(listener.address() as AddressInfo));
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

function toGrpcMetadata(metadata: Metadata): GrpcMetadata {
  const result = new GrpcMetadata();
  for (const [key, values] of Object.entries(metadata)) {
    for (const value of [values].flat() as MetadataValue[]) {
      result.add(key, typeof value === 'string' ? value : Buffer.from(value));
    }
  }
  return result;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function handler({ handle }: ServedMethod, shared: SharedByCalls) {
  return (stream: ServerDuplexStream<unknown, unknown>): void => {
    const call = new RunningCall(stream, shared);
    (async () => handle(call))().then(
      () => call.end(),
      (thrown: unknown) => call.fail(thrown),
    );
  };
}

function nothing(): void {}
