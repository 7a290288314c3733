/**
 * gRPC over @grpc/grpc-js.
 *
 * It uses grpc-js for what is below a call (HTTP/2, TLS, framing, keepalive) and nothing above it: no client classes, no
 * streams, no interceptors, no retries, no name resolution. Dialling is the `Dialer`'s, one grpc-js channel an address.
 */

import type { Observable } from 'rxjs';
import type { ActiveCall, CallContext, CallSink, Channel, Transport } from '../core/channel.js';
import type { Method } from '../core/method.js';
import type { Node } from '../core/node.js';
import { Dialer, type Dial } from './dialer.js';
import { channelCredentials } from './grpc/channelOptions.js';
import { GrpcCall } from './grpc/grpcCall.js';
import { grpcDial } from './grpc/grpcDial.js';
import type { GrpcSession } from './grpc/grpcSession.js';
import { resolveTransportOptions, type ResolvedTransportOptions, type TransportOptions } from './transportOptions.js';
import { WaitingCall } from './waitingCall.js';

/**
 * The transport of choice for gRPC nodes.
 *
 *     const fleet = createFleet({ service: 'lumen', discovery: mdns(), transport: grpcTransport() });
 *
 * Requests go uncompressed; compressed answers (gzip, deflate) are understood.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option, or certificates that cannot be read.
 */
export function grpcTransport(options: TransportOptions = {}): Transport {
  const resolved = resolveTransportOptions(options);
  const dial = grpcDial(resolved, channelCredentials(resolved));
  return { name: 'grpc', open: (node) => new GrpcChannel(node, dial, resolved) };
}

class GrpcChannel implements Channel {
  readonly #dialer: Dialer<GrpcSession>;
  readonly state$: Channel['state$'];
  readonly #maxSendBytes: number;

  constructor(node: Node, dial: Dial<GrpcSession>, options: ResolvedTransportOptions) {
    this.#dialer = new Dialer(node.addresses, dial, options);
    this.state$ = this.#dialer.state$;
    this.#maxSendBytes = options.maxSendBytes;
  }

  get state() {
    return this.#dialer.state;
  }

  get lastError() {
    return this.#dialer.lastError;
  }

  get lastDisconnect() {
    return this.#dialer.lastDisconnect;
  }

  get failures$(): Observable<string> {
    return this.#dialer.failures$;
  }

  connect(): void {
    this.#dialer.connect();
  }

  close(): void {
    this.#dialer.close();
  }

  start<I, O>(method: Method<I, O>, context: CallContext, sink: CallSink<O>): ActiveCall<I> {
    const session = this.#dialer.session;
    if (session) return new GrpcCall(session, method, context, sink, this.#maxSendBytes);
    return new WaitingCall<I, O, GrpcSession>(
      this.#dialer,
      context,
      sink,
      (opened) => new GrpcCall(opened, method, context, sink, this.#maxSendBytes),
    );
  }
}
