/** The transports of connect-node, by what is spoken over which connection: the one file that loads it. */

import type { Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import type { ResolvedTransportOptions } from '../transportOptions.js';

/** Makes calls, and knows nothing of the connection that they go over. */
export type ConnectClient = Transport;

export type Protocol = 'grpc' | 'grpc-web' | 'connect';

/** Where connect-node gets its HTTP/2 streams. */
export type StreamSource = NonNullable<Parameters<typeof createGrpcTransport>[0]['sessionManager']>;

/** How connect-node makes its HTTP/1.1 requests. */
export type Http1Options = NonNullable<
  Extract<Parameters<typeof createConnectTransport>[0], { httpVersion: '1.1' }>['nodeOptions']
>;

/** Over the HTTP/2 connection that `streams` has. */
export function http2Client(
  protocol: Protocol,
  streams: StreamSource,
  options: ResolvedTransportOptions,
): ConnectClient {
  const common = { baseUrl: streams.authority, sessionManager: streams, ...limitsOf(options) };
  if (protocol === 'grpc') return createGrpcTransport(common);
  if (protocol === 'grpc-web') return createGrpcWebTransport({ ...common, httpVersion: '2' });
  return createConnectTransport({ ...common, httpVersion: '2' });
}

/** gRPC-Web or Connect: plain gRPC needs HTTP/2. */
export function http1Client(
  protocol: Protocol,
  baseUrl: string,
  nodeOptions: Http1Options,
  options: ResolvedTransportOptions,
): ConnectClient {
  const common = { baseUrl, httpVersion: '1.1' as const, nodeOptions, ...limitsOf(options) };
  return protocol === 'connect' ? createConnectTransport(common) : createGrpcWebTransport(common);
}

function limitsOf({ maxReceiveBytes, maxSendBytes }: ResolvedTransportOptions) {
  const most = 0xffffffff;
  return {
    readMaxBytes: Math.min(maxReceiveBytes, most),
    writeMaxBytes: Math.min(maxSendBytes, most),
    useBinaryFormat: true,
  };
}
