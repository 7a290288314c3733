/**
 * gRPC, gRPC-Web and the Connect protocol over @connectrpc/connect-node.
 *
 * Take it for nodes that speak Connect or gRPC-Web, or stand behind an HTTP proxy that knows no trailers; for plain gRPC
 * `grpcTransport` is several times as fast.
 */

import * as http from 'node:http';
import * as https from 'node:https';
import { Code, ConnectError, type Transport as Client } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import type { DescMethodStreaming, DescMethodUnary } from '@bufbuild/protobuf';
import type { ActiveCall, CallContext, CallSink, CallStatus, Channel, Transport } from '../core/channel.js';
import { grpcStatusNames, type StatusName } from '../core/errorCodes.js';
import { emptyMetadata, type Metadata } from '../core/metadata.js';
import type { Method } from '../core/method.js';
import type { Node } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';
import { fromHeaders, toHeaders } from './toHeaders.js';
import { dialFailure } from './dialFailure.js';
import { Dialer, type Dial, type DialEvents, type Session } from './dialer.js';
import { dialSocket, Http2Session, originOf, tlsOptionsOf } from './http2Session.js';
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

type Protocol = NonNullable<ConnectTransportOptions['protocol']>;

/** A connection and the connect-node transport over it. */
interface ConnectSession extends Session {
  readonly authority: string;
  readonly client: Client;
  readonly calls: Set<ConnectCall<never, never>>;
  /** A call found that nothing answers any more. */
  broken(): void;
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

const notSent = 'was lost before the call was sent';

function http2Dial(options: ResolvedTransportOptions, protocol: Protocol): Dial<ConnectSession> {
  return (address, events) => {
    const calls = new Set<ConnectCall<never, never>>();
    const h2 = new Http2Session(address, options, {
      ready: () => events.ready(session),
      failed: (reason) => events.failed(reason),
      lost: () => events.lost(),
    });
    const { origin } = h2;
    const authority = origin.replace(/^https?:\/\//, '');
    const sessionManager = {
      authority: origin,
      request: async (method: string, path: string, headers: http.OutgoingHttpHeaders) => {
        try {
          return h2.request({ ...headers, ':method': method, ':path': path });
        } catch {
          throw new ConnectError(`the connection to ${authority} ${notSent}`, Code.Unavailable);
        }
      },
      notifyResponseByteRead: () => h2.alive(),
    };
    const common = { baseUrl: origin, sessionManager, ...limitsOf(options) };
    const client =
      protocol === 'grpc'
        ? createGrpcTransport(common)
        : protocol === 'grpc-web'
          ? createGrpcWebTransport({ ...common, httpVersion: '2' })
          : createConnectTransport({ ...common, httpVersion: '2' });
    const session: ConnectSession = {
      authority,
      client,
      calls,
      broken() {},
      retire: (ended) => h2.retire(ended),
      close() {
        for (const call of calls) call.abandon();
        h2.close();
      },
    };
    return session;
  };
}

function http1Dial(options: ResolvedTransportOptions, protocol: Protocol): Dial<ConnectSession> {
  return (address, events) => {
    const calls = new Set<ConnectCall<never, never>>();
    const baseUrl = originOf(address, options);
    const agent = new (options.tls ? https.Agent : http.Agent)({ keepAlive: true });
    const nodeOptions = {
      ...tlsOptionsOf(options),
      ...(options.tls?.serverName ? { servername: options.tls.serverName } : {}),
      host: address.host,
      agent,
    };
    const common = { baseUrl, httpVersion: '1.1' as const, nodeOptions, ...limitsOf(options) };
    const session: ConnectSession = {
      authority: baseUrl.replace(/^https?:\/\//, ''),
      client: protocol === 'connect' ? createConnectTransport(common) : createGrpcWebTransport(common),
      calls,
      broken: () => events.lost(),
      retire(ended) {
        agent.destroy();
        ended();
      },
      close() {
        probe.destroy();
        for (const call of calls) call.abandon();
        agent.destroy();
      },
    };
    const probe = probeSocket(address, options, events, () => session);
    return session;
  };
}

/** Over HTTP/1.1 a dial only asks whether somebody is there. */
function probeSocket(
  address: Parameters<typeof dialSocket>[0],
  options: ResolvedTransportOptions,
  events: DialEvents<ConnectSession>,
  session: () => ConnectSession,
) {
  const probe = dialSocket(address, options, 'http/1.1');
  probe.once(options.tls ? 'secureConnect' : 'connect', () => {
    probe.destroy();
    events.ready(session());
  });
  probe.on('error', (error) => events.failed(dialFailure(error.message, options)));
  return probe;
}

function limitsOf({ maxReceiveBytes, maxSendBytes }: ResolvedTransportOptions) {
  const most = 0xffffffff;
  return {
    readMaxBytes: Math.min(maxReceiveBytes, most),
    writeMaxBytes: Math.min(maxSendBytes, most),
    useBinaryFormat: true,
  };
}

class ConnectCall<I, O> implements ActiveCall<I>, AsyncIterableIterator<I> {
  readonly #abort = new AbortController();
  #over = false;
  #sent = false;
  // What is to be sent, and who waits for it.
  #queue: I[] = [];
  #halfClosed = false;
  #held = false;
  #taker: ((result: IteratorResult<I>) => void) | undefined;
  // What was read, and who may have it.
  #credit = 0;
  #creditor: (() => void) | undefined;

  constructor(
    private readonly session: ConnectSession,
    private readonly method: Method<I, O>,
    private readonly context: CallContext,
    private readonly sink: CallSink<O>,
    private readonly userAgent: string,
  ) {
    session.calls.add(this as never);
    void this.#run();
  }

  send(message: I): boolean {
    if (this.#over) return true;
    const taker = this.#taker;
    this.#taker = undefined;
    if (taker) taker({ value: message, done: false });
    else this.#queue.push(message);
    this.#held = this.#queue.length > 0;
    return !this.#held;
  }

  halfClose(): void {
    this.#halfClosed = true;
    this.#taker?.({ value: undefined, done: true });
    this.#taker = undefined;
  }

  request(count: number): void {
    this.#credit += count;
    const creditor = this.#creditor;
    this.#creditor = undefined;
    creditor?.();
  }

  cancel(): void {
    if (this.#over) return;
    this.#finish();
    this.#abort.abort();
  }

  /** The channel goes away under the call. */
  abandon(): void {
    if (this.#over) return;
    this.#end('UNAVAILABLE', `the channel to ${this.session.authority} was closed`, this.#sent, emptyMetadata);
    this.#abort.abort();
  }

  /** The wire asks for the next request. */
  next(): Promise<IteratorResult<I>> {
    const message = this.#queue.shift();
    if (message !== undefined) return Promise.resolve({ value: message, done: false });
    if (this.#halfClosed || this.#over) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.#taker = resolve;
      if (!this.#held) return;
      this.#held = false;
      this.sink.drain();
    });
  }

  /** The wire takes no more requests; why, the answer tells. */
  throw(error: unknown): Promise<IteratorResult<I>> {
    this.#queue = [];
    this.#halfClosed = true;
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #run(): Promise<void> {
    try {
      const trailers = await (this.method.kind === 'unary' ? this.#unary() : this.#stream());
      this.#end('OK', '', true, trailers);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #unary(): Promise<Metadata> {
    const { value, done } = await this.next();
    if (done) throw new ConnectError(`${this.method.path} was called without a request`, Code.Internal);
    const descriptor = this.method.descriptor as DescMethodUnary;
    const headers = toHeaders(this.context.metadata, this.userAgent);
    this.#sent = true;
    const answer = await this.session.client.unary(
      descriptor,
      this.#abort.signal,
      this.#left(),
      headers,
      value as never,
    );
    if (!this.#over) this.sink.headers(fromHeaders(answer.header));
    await this.#deliver(answer.message as O);
    return fromHeaders(answer.trailer);
  }

  async #stream(): Promise<Metadata> {
    const descriptor = this.method.descriptor as DescMethodStreaming;
    const headers = toHeaders(this.context.metadata, this.userAgent);
    this.#sent = true;
    const answer = await this.session.client.stream(
      descriptor,
      this.#abort.signal,
      this.#left(),
      headers,
      this as never,
    );
    if (!this.#over) this.sink.headers(fromHeaders(answer.header));
    for await (const message of answer.message) await this.#deliver(message as O);
    return fromHeaders(answer.trailer);
  }

  /** Waits for a credit, so that one message at most is read ahead. */
  async #deliver(message: O): Promise<void> {
    while (this.#credit <= 0 && !this.#over) {
      await new Promise<void>((resolve) => (this.#creditor = resolve));
    }
    if (this.#over) return;
    this.#credit--;
    this.sink.message(message);
  }

  #left(): number | undefined {
    if (this.context.deadline === undefined) return undefined;
    const left = this.context.deadline - Date.now();
    return left > 0x7fffffff ? undefined : Math.max(1, left);
  }

  #fail(thrown: unknown): void {
    if (this.#over) return;
    const error = ConnectError.from(thrown);
    const { code, rawMessage: message, metadata } = error;
    const at = this.session.authority;
    const trailers = fromHeaders(metadata);
    if (/REFUSED_STREAM/.test(message)) {
      this.#end('UNAVAILABLE', `${at} refused the call unprocessed`, false, trailers);
    } else if (code === Code.Canceled || isConnectionError(error)) {
      const what = code === Code.Canceled ? 'cancelled the call, which nobody here asked for' : 'broke the connection';
      this.#end('UNAVAILABLE', `${at} ${what}: ${message}`, true, trailers);
      this.session.broken();
    } else {
      const name = grpcStatusNames[code] ?? 'UNKNOWN';
      // A message that would have been too long has not left.
      const tooLong = name === 'RESOURCE_EXHAUSTED' && /writeMaxBytes/.test(message);
      this.#end(name, message, this.#sent && !tooLong && !message.endsWith(notSent), trailers);
    }
    this.#abort.abort();
  }

  #end(code: StatusName, message: string, sent: boolean, trailers: Metadata): void {
    if (this.#over) return;
    this.#finish();
    const status: CallStatus = { code, message, sent, trailers };
    this.sink.end(status);
  }

  #finish(): void {
    this.#over = true;
    this.#queue = [];
    this.session.calls.delete(this as never);
    this.#taker?.({ value: undefined, done: true });
    this.#taker = undefined;
    this.#creditor?.();
  }
}

/** What Node.js throws when the peer goes away, as connect-node wraps it. */
function isConnectionError({ code, cause, rawMessage }: ConnectError): boolean {
  if (code === Code.Unavailable) return false;
  const { code: errno } = (cause ?? {}) as { code?: string };
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ERR_HTTP2_(SESSION|INVALID_SESSION|STREAM_CANCEL|GOAWAY))/.test(errno ?? '') ||
    /session (has been )?(closed|destroyed)/i.test(rawMessage)
  );
}
