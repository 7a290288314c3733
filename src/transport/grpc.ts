/**
 * gRPC over @grpc/grpc-js.
 *
 * It uses grpc-js for what is below a call (HTTP/2, TLS, framing, keepalive) and nothing above it: no client classes, no
 * streams, no interceptors, no retries, no name resolution. Dialling is the `Dialer`'s, one grpc-js channel an address.
 */

import * as grpc from '@grpc/grpc-js';
import { isIPv6, type Address } from '../core/address.js';
import type { ActiveCall, CallContext, CallSink, Channel, Transport } from '../core/channel.js';
import type { StatusName } from '../core/errorCodes.js';
import { emptyMetadata, type Metadata, type MetadataValue } from '../core/metadata.js';
import type { Method } from '../core/method.js';
import type { Node } from '../core/node.js';
import { dialFailure } from './dialFailure.js';
import { Dialer, type Dial, type Session } from './dialer.js';
import { grpcFailure } from './grpcFailure.js';
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
  const dial = grpcDial(resolved, credentialsOf(resolved));
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

/** One grpc-js channel to one address, and the calls on it. */
class GrpcSession implements Session {
  readonly calls = new Set<GrpcCall<never, never>>();
  readonly channel: grpc.Channel;
  /** As `host:port`, or what the user named it by. */
  readonly authority: string;
  readonly #hangUp = new AbortController();
  #retired: (() => void) | undefined;

  constructor(address: Address, options: ResolvedTransportOptions, credentials: grpc.ChannelCredentials) {
    this.authority = authorityOf(address);
    this.channel = new grpc.Channel(`${scheme}:${this.authority}`, credentials, {
      ...channelOptions(options),
      // net.connect takes these as they are; the signal ends the socket even where TCP would go on trying.
      [endpointOption]: { host: address.host, port: address.port, signal: this.#hangUp.signal },
    });
  }

  retire(ended: () => void): void {
    // The calls that have a stream keep it; those that have none end unsent.
    this.channel.close();
    this.#retired = ended;
    this.#endWhenEmpty();
  }

  forget(call: GrpcCall<never, never>): void {
    this.calls.delete(call);
    if (this.#retired) this.#endWhenEmpty();
  }

  close(): void {
    this.#retired = undefined;
    for (const call of this.calls) call.abandon();
    const connecting = this.channel.getConnectivityState(false) === grpc.connectivityState.CONNECTING;
    this.channel.close();
    // RST_STREAM and GOAWAY get a moment to leave; a node that does not answer must not keep the socket.
    if (connecting) this.#hangUp.abort();
    else this.#hangUpLater();
  }

  #endWhenEmpty(): void {
    if (this.calls.size > 0) return;
    this.#retired?.();
    this.#retired = undefined;
    this.#hangUpLater();
  }

  #hangUpLater(): void {
    setTimeout(() => this.#hangUp.abort(), hangUpMs).unref();
  }
}

const hangUpMs = 500;

function grpcDial(options: ResolvedTransportOptions, credentials: grpc.ChannelCredentials): Dial<GrpcSession> {
  return (address, events) => {
    registerEndpointResolver();
    const session = new GrpcSession(address, options, credentials);
    const { channel } = session;
    let ready = false;
    const watch = (): void => {
      const state = channel.getConnectivityState(false);
      if (state === grpc.connectivityState.SHUTDOWN) return;
      channel.watchConnectivityState(state, Infinity, watch);
      if (ready) {
        if (state !== grpc.connectivityState.READY) events.lost();
      } else if (state === grpc.connectivityState.READY) {
        ready = true;
        events.ready(session);
      } else if (state === grpc.connectivityState.TRANSIENT_FAILURE) {
        whyFailed(channel, options, (reason) => events.failed(reason));
      }
    };
    watch();
    channel.getConnectivityState(true);
    return session;
  };
}

/** grpc-js tells why it cannot connect only to a call: so one is made, and fails without leaving the process. */
function whyFailed(channel: grpc.Channel, options: ResolvedTransportOptions, tell: (reason: string) => void): void {
  channel.createCall('/', Infinity, null, null, null).start(noMetadata(), {
    onReceiveMetadata() {},
    onReceiveMessage() {},
    onReceiveStatus({ details }) {
      const reason = /Last error: (?:\w*Error: )?(.*?)(?: \(\d{4}-\d\d-\d\dT[^)]*\))?\. Resolution note/s.exec(details);
      tell(dialFailure(reason?.[1] ?? details, options));
    },
  });
}

type GrpcCallHandle = ReturnType<grpc.Channel['createCall']>;

/** How many bytes may wait to be written before `send` asks for a pause. */
const highWaterMark = 64 * 1024;

const oneMessage = Object.freeze({});

class GrpcCall<I, O> implements ActiveCall<I> {
  private readonly call: GrpcCallHandle;
  private credit = 0;
  private held: Buffer | undefined;
  private handing = false;
  private status: grpc.StatusObject | undefined;
  private over = false;
  private halfClosed = false;
  private sentAny = false;
  private writing = false;
  private waiting: Buffer[] | undefined;
  private waitingBytes = 0;
  private full = false;
  private readonly written: { callback: () => void } | undefined;

  constructor(
    private readonly session: GrpcSession,
    private readonly method: Method<I, O>,
    context: CallContext,
    private readonly sink: CallSink<O>,
    private readonly maxSendBytes: number,
  ) {
    this.call = session.channel.createCall(method.path, context.deadline ?? Infinity, null, null, null);
    if (method.kind === 'clientStreaming' || method.kind === 'bidiStreaming') {
      this.written = { callback: () => this.onWritten() };
    }
    session.calls.add(this as never);
    let metadata: grpc.Metadata;
    try {
      metadata = context.metadata ? toGrpcMetadata(context.metadata) : noMetadata();
    } catch (error) {
      // The handle is never started, so it holds nothing but its deadline timer.
      this.fail('INTERNAL', `cannot send the metadata of ${method.path}: ${textOf(error)}`);
      return;
    }
    this.call.start(metadata, this);
    // One message is always read ahead: grpc-js reads without bounds before the first demand, and reports the end of a
    // stream only to a reader.
    this.call.startRead();
  }

  send(message: I): boolean {
    if (this.over) return true;
    let bytes: Uint8Array;
    try {
      bytes = this.method.encode(message);
    } catch (error) {
      this.fail('INTERNAL', `cannot encode a request of ${this.method.path}: ${textOf(error)}`);
      return true;
    }
    if (bytes.length > this.maxSendBytes) {
      const size = `${bytes.length} bytes, more than maxSendBytes ${this.maxSendBytes}`;
      this.fail('RESOURCE_EXHAUSTED', `a request of ${this.method.path} has ${size}`);
      return true;
    }
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!this.writing) {
      this.write(buffer);
      this.full = this.writing && buffer.length >= highWaterMark;
      return !this.full;
    }
    // grpc-js loses a message that follows before its call has begun: so one is written at a time.
    (this.waiting ??= []).push(buffer);
    this.waitingBytes += buffer.length;
    this.full = this.waitingBytes >= highWaterMark || this.waiting.length >= 32;
    return !this.full;
  }

  halfClose(): void {
    if (this.halfClosed || this.over) return;
    this.halfClosed = true;
    if (!this.waiting?.length) this.call.halfClose();
  }

  request(count: number): void {
    this.credit += count;
    if (this.held === undefined || this.handing || this.credit <= 0) return;
    this.handing = true;
    // Never within the caller's own call.
    queueMicrotask(() => {
      this.handing = false;
      const message = this.held;
      this.held = undefined;
      if (message !== undefined) this.deliver(message);
    });
  }

  cancel(): void {
    if (this.over) return;
    this.finish();
    this.call.cancelWithStatus(grpc.status.CANCELLED, 'cancelled by the caller');
  }

  /** The channel goes away under the call. */
  abandon(): void {
    if (this.over) return;
    this.fail('UNAVAILABLE', `the channel to ${this.session.authority} was closed`);
  }

  onReceiveMetadata(metadata: grpc.Metadata): void {
    if (!this.over) this.sink.headers(fromGrpcMetadata(metadata));
  }

  onReceiveMessage(message: Buffer): void {
    if (this.over) return;
    if (this.credit > 0) this.deliver(message);
    else this.held = message;
  }

  onReceiveStatus(status: grpc.StatusObject): void {
    if (this.over) return;
    // What came before the end is handed out before it, but nobody waits past a deadline.
    if (this.held === undefined || status.code === grpc.status.DEADLINE_EXCEEDED) this.end(status);
    else this.status = status;
  }

  private deliver(bytes: Buffer): void {
    if (this.over) return;
    this.credit--;
    let message: O;
    try {
      message = this.method.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    } catch (error) {
      this.fail('INTERNAL', `cannot decode an answer of ${this.method.path}: ${textOf(error)}`, true);
      return;
    }
    this.sink.message(message);
    if (this.over) return;
    if (this.status) this.end(this.status);
    else this.call.startRead();
  }

  private write(buffer: Buffer): void {
    this.sentAny = true;
    if (this.written) {
      this.writing = true;
      this.call.sendMessageWithContext(this.written, buffer);
    } else this.call.sendMessageWithContext(oneMessage, buffer);
  }

  private onWritten(): void {
    this.writing = false;
    if (this.over) return;
    const next = this.waiting?.shift();
    if (next) {
      this.waitingBytes -= next.length;
      this.write(next);
      if (this.halfClosed && !this.waiting!.length) this.call.halfClose();
    }
    if (this.full && this.waitingBytes < highWaterMark / 2) {
      this.full = false;
      this.sink.drain();
    }
  }

  private end({ code, details, metadata }: grpc.StatusObject): void {
    this.finish();
    if (code === grpc.status.OK) {
      this.sink.end({ code: 'OK', message: details, sent: true, trailers: fromGrpcMetadata(metadata) });
      return;
    }
    const { name, message, sent } = grpcFailure(code, details, this.session.authority);
    this.sink.end({
      code: name,
      message,
      // A call that never got a stream names its channel as its peer.
      sent: sent && !this.call.getPeer().startsWith(scheme),
      trailers: fromGrpcMetadata(metadata),
    });
  }

  /** Ends it from this side. */
  private fail(code: StatusName, message: string, sent = this.sentAny): void {
    this.finish();
    queueMicrotask(() => this.sink.end({ code, message, sent, trailers: emptyMetadata }));
    this.call.cancelWithStatus(grpc.status.CANCELLED, message);
  }

  private finish(): void {
    this.over = true;
    this.held = undefined;
    this.waiting = undefined;
    this.session.forget(this as never);
  }
}

const scheme = 'rxfleet';

/** grpc-js keeps options of this prefix to the channel itself. */
const endpointOption = 'grpc.internal.no_subchannel.rxfleet';

let registered = false;

/** Hands the address of a channel to grpc-js as it is: IPv6 zones and host names pass, and no family is sorted out. */
function registerEndpointResolver(): void {
  if (registered) return;
  registered = true;
  grpc.experimental.registerResolver(
    scheme,
    class EndpointResolver implements grpc.experimental.Resolver {
      static getDefaultAuthority({ path }: grpc.experimental.GrpcUri): string {
        return path;
      }
      #told = false;
      constructor(
        _target: grpc.experimental.GrpcUri,
        private readonly listener: grpc.experimental.ResolverListener,
        private readonly options: grpc.ChannelOptions,
      ) {}
      updateResolution(): void {
        if (this.#told) return;
        this.#told = true;
        const endpoints = [{ addresses: [this.options[endpointOption] as grpc.experimental.SubchannelAddress] }];
        process.nextTick(() => this.listener(grpc.experimental.statusOrFromValue(endpoints), {}, null, ''));
      }
      destroy(): void {
        this.#told = false;
      }
    },
  );
}

/** `host:port` for the `:authority` header; a zone is nobody's business but ours (RFC 6874, 3). */
function authorityOf({ host, port }: Address): string {
  return isIPv6(host) ? `[${host.replace(/%.*$/, '')}]:${port}` : `${host}:${port}`;
}

function channelOptions(options: ResolvedTransportOptions): grpc.ChannelOptions {
  // grpc-js adds jitter to some of these, and must stay below what a timer holds.
  const longest = 1_000_000_000;
  return {
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.use_local_subchannel_pool': 1,
    // Nothing is kept for retries, so that a write ends when the wire has taken it.
    'grpc.per_rpc_retry_buffer_size': 0,
    // Dialling again is the dialer's, idling the pool's.
    'grpc.initial_reconnect_backoff_ms': longest,
    'grpc.max_reconnect_backoff_ms': longest,
    'grpc.client_idle_timeout_ms': longest,
    'grpc.max_receive_message_length': Number.isFinite(options.maxReceiveBytes) ? options.maxReceiveBytes : -1,
    'grpc.max_send_message_length': -1,
    'grpc.primary_user_agent': options.userAgent,
    ...(Number.isFinite(options.keepaliveMs)
      ? {
          'grpc.keepalive_time_ms': Math.min(options.keepaliveMs, longest),
          'grpc.keepalive_timeout_ms': Math.min(options.keepaliveTimeoutMs, longest),
          'grpc.keepalive_permit_without_calls': options.keepaliveWithoutCalls ? 1 : 0,
        }
      : {}),
    ...(options.tls?.serverName ? { 'grpc.ssl_target_name_override': options.tls.serverName } : {}),
  };
}

function credentialsOf({ tls }: ResolvedTransportOptions): grpc.ChannelCredentials {
  if (!tls) return grpc.credentials.createInsecure();
  const pem = (value: string | Uint8Array | undefined) =>
    value === undefined ? null : Buffer.from(value as Uint8Array);
  return grpc.credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert), {
    rejectUnauthorized: tls.rejectUnauthorized ?? true,
  });
}

let shared: grpc.Metadata | undefined;

/** grpc-js copies what it is given, so one empty object serves all calls. */
function noMetadata(): grpc.Metadata {
  return (shared ??= new grpc.Metadata());
}

function toGrpcMetadata(metadata: Metadata): grpc.Metadata {
  const result = new grpc.Metadata();
  for (const key in metadata) {
    for (const value of [metadata[key]!].flat() as MetadataValue[]) {
      result.add(key, typeof value === 'string' ? value : Buffer.from(value));
    }
  }
  return result;
}

/** The application's part: without what belongs to HTTP/2 and gRPC itself. */
function fromGrpcMetadata(metadata: grpc.Metadata): Metadata {
  let result: Record<string, MetadataValue | readonly MetadataValue[]> | undefined;
  const entries = metadata.toJSON() as Record<string, (string | Buffer)[]>;
  for (const key in entries) {
    if (key === 'content-type' || key === 'date') continue;
    const values = entries[key]!;
    (result ??= {})[key] = values.length === 1 ? values[0]! : values;
  }
  return result ?? emptyMetadata;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
