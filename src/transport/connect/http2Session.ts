/** An HTTP/2 connection to one address on `node:http2`: dialled, watched, kept alive and given up as the `Dialer` asks. */

import * as http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { Address } from '../../core/address.js';
import type { DisconnectError } from '../../core/channel.js';
import { dialFailure } from '../dialFailure.js';
import type { DialEvents, Session } from '../dialer.js';
import type { ResolvedTransportOptions } from '../transportOptions.js';
import { dialSocket } from './dialSocket.js';
import { originOf } from './originOf.js';

/** One connection; it takes requests once `ready` was told. */
export class Http2Session implements Session {
  /** `http://host:port`, with the address that was dialled. */
  readonly origin: string;
  readonly #socket: Socket;
  #session: http2.ClientHttp2Session | undefined;
  #ready = false;
  #over = false;
  #error: string | undefined;
  /** What was first seen of its end. */
  #end: DisconnectError | undefined;
  #ping: NodeJS.Timeout | undefined;
  #lastRead = 0;
  #streams = 0;

  constructor(
    address: Address,
    private readonly options: ResolvedTransportOptions,
    private readonly events: DialEvents<Http2Session>,
  ) {
    this.origin = originOf(address, options);
    this.#socket = dialSocket(address, options);
    this.#socket.once(options.tls ? 'secureConnect' : 'connect', () => this.#connected());
    this.#socket.on('error', (error: Error) => {
      this.#error ??= error.message;
      this.#end ??= disconnectErrorOf(error);
      // A node that refuses our certificate does so after the handshake, and the socket does not end of itself.
      this.#socket.destroy();
      this.#lost();
    });
    this.#socket.once('close', () => this.#lost());
  }

  /**
   * Opens a stream; the connection keeps the program running while it has one.
   *
   * @throws when the connection is no more.
   */
  request(headers: http2.OutgoingHttpHeaders): http2.ClientHttp2Stream {
    const session = this.#session!;
    const stream = session.request(headers);
    if (++this.#streams === 1) session.ref();
    stream.once('close', () => {
      if (--this.#streams === 0 && !session.destroyed) session.unref();
    });
    return stream;
  }

  /** Bytes have come, so the node is there. */
  alive(): void {
    this.#lastRead = performance.now();
  }

  retire(ended: () => void): void {
    clearTimeout(this.#ping);
    const session = this.#session!;
    if (session.destroyed) return ended();
    session.once('close', ended);
    session.close();
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#ping);
    if (!this.#ready) {
      this.#session?.destroy();
      this.#socket.destroy();
      return;
    }
    // What was just reset still leaves, then the socket goes whatever the node says.
    this.#session!.close();
    setTimeout(() => this.#socket.destroy(), hangUpMs).unref();
  }

  #connected(): void {
    const session = http2.connect(this.origin, { createConnection: () => this.#socket, maxSessionMemory: 1_000_000 });
    this.#session = session;
    session.once('remoteSettings', () => this.#opened());
    session.once('goaway', (code: number) => {
      this.#end ??= `GOAWAY ${goAwayNames.get(code) ?? code}`;
      this.#lost();
    });
    session.on('error', (error: Error) => {
      this.#error ??= error.message;
      this.#end ??= disconnectErrorOf(error);
    });
    session.once('close', () => this.#lost());
  }

  #opened(): void {
    if (this.#over) return;
    this.#ready = true;
    // An idle connection is no reason for a program to stay; a dial and a call are.
    this.#session!.unref();
    this.alive();
    this.#keepAlive();
    this.events.ready(this);
  }

  #lost(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#ping);
    if (this.#ready) return this.events.lost(this.#end ?? 'unknown');
    this.#session?.destroy();
    const reason = this.#error ?? 'the connection was closed during the HTTP/2 handshake';
    this.events.failed(dialFailure(reason, this.options));
  }

  /** Pings after `keepaliveMs` without a byte read, by gRFC A8. */
  #keepAlive(): void {
    const { keepaliveMs, keepaliveTimeoutMs, keepaliveWithoutCalls } = this.options;
    if (!Number.isFinite(keepaliveMs)) return;
    const wait = this.#lastRead + keepaliveMs - performance.now();
    if (wait > 0) {
      this.#ping = setTimeout(() => this.#keepAlive(), Math.min(wait, 0x7fffffff));
      this.#ping.unref();
      return;
    }
    this.alive();
    const session = this.#session!;
    // Its end is told in a later turn, and a ping would throw until then.
    if (session.destroyed) return;
    if (keepaliveWithoutCalls || this.#streams > 0) {
      const timeout = setTimeout(() => {
        this.#end ??= 'connection timed out';
        session.destroy(new Error('no answer to a ping'));
      }, keepaliveTimeoutMs);
      timeout.unref();
      session.ping(() => clearTimeout(timeout));
    }
    this.#keepAlive();
  }
}

const hangUpMs = 500;

/** The error codes of RFC 9113, 7, by their numbers. */
const goAwayNames: ReadonlyMap<number, string> = new Map(
  [
    ...['NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT', 'STREAM_CLOSED'],
    ...['FRAME_SIZE_ERROR', 'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR', 'CONNECT_ERROR', 'ENHANCE_YOUR_CALM'],
    ...['INADEQUATE_SECURITY', 'HTTP_1_1_REQUIRED'],
  ].map((name, code) => [code, name]),
);

function disconnectErrorOf({ code, syscall }: NodeJS.ErrnoException): DisconnectError {
  if (code === 'ECONNRESET') return 'connection reset';
  if (code === 'ETIMEDOUT') return 'connection timed out';
  if (code === 'ECONNABORTED') return 'connection aborted';
  return syscall === undefined ? 'unknown' : 'socket error';
}
