/** A gRPC server for tests, on @grpc/grpc-js: any protobuf-es services, its connections counted, and killed if asked. */

import { once } from 'node:events';
import * as net from 'node:net';
import { fromBinary, toBinary, type DescMessage, type DescMethod, type DescService } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';

// The one place of `testing/` that loads grpc-js; other servers here take its classes from this file.
export { Metadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';

/** A handler of grpc-js: `(call, callback)`, or `(call)` where answers are streamed. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shapes of grpc-js depend on the kind of the method
export type GrpcHandler = (
  call: any,
  callback: (error: unknown, answer?: unknown, trailers?: grpc.Metadata) => void,
) => void;

export interface GrpcServerOptions {
  /** Each service with its handlers, by the local names of the methods. */
  readonly services: readonly {
    readonly service: DescService;
    readonly handlers: Readonly<Record<string, GrpcHandler>>;
  }[];
  /** TLS; with `clientCa` the client must show a certificate signed by it. PEM. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
  /** Longest message taken, in bytes. Default 64 MiB. */
  readonly maxReceiveBytes?: number;
  /** Default: any free one. */
  readonly port?: number;
}

export interface GrpcServer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly port: number;
  /** How many clients are connected. */
  readonly connections: number;
  /** Dies: every connection is cut without a word, and nothing listens any more. */
  kill(): void;
  /** Says goodbye (GOAWAY), lets running calls end, and resolves when all is closed. */
  close(): Promise<void>;
}

/** Listens on 127.0.0.1. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { services, tls, maxReceiveBytes = 64 * 1024 * 1024, port = 0 } = options;
  const server = new grpc.Server({
    'grpc.max_receive_message_length': maxReceiveBytes,
    'grpc.max_send_message_length': -1,
  });
  for (const { service, handlers } of services) {
    const offered = service.methods.filter(({ localName }) => handlers[localName]);
    server.addService(
      Object.fromEntries(offered.map((method) => [method.localName, definitionOf(method)])),
      handlers as grpc.UntypedServiceImplementation,
    );
  }
  const injector = server.createConnectionInjector(
    tls
      ? grpc.ServerCredentials.createSsl(
          tls.clientCa ? Buffer.from(tls.clientCa) : null,
          [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }],
          tls.clientCa !== undefined,
        )
      : grpc.ServerCredentials.createInsecure(),
  );
  const sockets = new Set<net.Socket>();
  const listener = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    injector.injectConnection(socket);
  });
  listener.listen(port, '127.0.0.1');
  await once(listener, 'listening');
  const bound = (listener.address() as net.AddressInfo).port;

  const kill = () => {
    listener.close();
    for (const socket of sockets) socket.resetAndDestroy();
    server.forceShutdown();
  };
  return {
    address: `127.0.0.1:${bound}`,
    port: bound,
    get connections() {
      return sockets.size;
    },
    kill,
    async close() {
      listener.close();
      injector.drain(10_000);
      await Promise.all([...sockets].map((socket) => (socket.closed ? undefined : once(socket, 'close'))));
      server.forceShutdown();
    },
  };
}

function definitionOf(method: DescMethod): grpc.MethodDefinition<unknown, unknown> {
  const { input, output } = method as { input: DescMessage; output: DescMessage };
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: (message) => Buffer.from(toBinary(input, message as never)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(output, message as never)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

/** Metadata of grpc-js from a plain object. */
export function grpcMetadata(entries: Readonly<Record<string, string | Uint8Array>>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(entries)) {
    metadata.add(key, typeof value === 'string' ? value : Buffer.from(value));
  }
  return metadata;
}
