/**
 * gRPC, gRPC-Web and the Connect protocol over @connectrpc/connect-node.
 *
 * Take it for nodes that speak Connect or gRPC-Web, or stand behind an HTTP proxy that knows no trailers; for plain gRPC
 * `grpcTransport` is several times as fast.
 */

import type { Observable } from 'rxjs';
import type { ActiveCall, CallContext, CallSink, Channel, Transport } from '../core/channel.js';
import type { Method } from '../core/method.js';
import type { Node } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';
import { ConnectCall } from './connect/connectCall.js';
import type { ConnectSession } from './connect/connectSession.js';
import { http1Dial } from './connect/http1Dial.js';
import { http2Dial } from './connect/http2Dial.js';
import { Dialer, type Dial } from './dialer.js';
import { resolveTransportOptions, type ResolvedTransportOptions, type TransportOptions } from './transportOptions.js';
import { WaitingCall } from './waitingCall.js';

export interface ConnectTransportOptions extends TransportOptions {
  /** What is spoken. Default `grpc`. */
  readonly protocol?: 'grpc' | 'grpc-web' | 'connect';
  /** `1.1` for servers and proxies without HTTP/2, not with `grpc`; streams in both directions at once need `2`. Default `2`. */
  readonly httpVersion?: '1.1' | '2';
}

/**
 * A transport on connect-node, with the same contract as `grpcTransport`.
 *
 * Keepalive and the loss of a connection are noticed over HTTP/2; over 1.1 there is no connection to watch, so the
 * state is what the last dial and the last call have found.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option, or `grpc` over HTTP/1.1.
 */
export function connectTransport(options: ConnectTransportOptions = {}): Transport {
  const { protocol = 'grpc', httpVersion = '2' } = options;
  requireOption(['grpc', 'grpc-web', 'connect'].includes(protocol), 'protocol', 'grpc, grpc-web or connect', protocol);
  requireOption(httpVersion === '2' || httpVersion === '1.1', 'httpVersion', '2 or 1.1', httpVersion);
  requireOption(protocol !== 'grpc' || httpVersion === '2', 'httpVersion', '2 for grpc', httpVersion);
  const resolved = resolveTransportOptions(options);
  const dial = httpVersion === '2' ? http2Dial(resolved, protocol) : http1Dial(resolved, protocol);
  return { name: 'connect', open: (node) => new ConnectChannel(node, dial, resolved) };
}

class ConnectChannel implements Channel {
  readonly #dialer: Dialer<ConnectSession>;
  readonly state$: Channel['state$'];
  readonly #userAgent: string;

  constructor(node: Node, dial: Dial<ConnectSession>, options: ResolvedTransportOptions) {
    this.#dialer = new Dialer(node.addresses, dial, options);
    this.state$ = this.#dialer.state$;
    this.#userAgent = `${options.userAgent} connect-node`;
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
    const begin = (session: ConnectSession) => new ConnectCall(session, method, context, sink, this.#userAgent);
    const session = this.#dialer.session;
    return session ? begin(session) : new WaitingCall<I, O, ConnectSession>(this.#dialer, context, sink, begin);
  }
}
