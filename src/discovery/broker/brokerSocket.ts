/** The WebSocket of a broker, as an Observable: the one place that knows the WebSocket library. */

import { Observable, type Observer, type Subscription, type Unsubscribable } from 'rxjs';
import { WebSocket } from 'ws';
import type { FleetErrorCode } from '../../core/errorCodes.js';
import { FleetError } from '../../core/fleetError.js';
import { headersOf, tlsOf, type BrokerSource } from './brokerSource.js';
import { codeOfStatus } from './getText.js';

/** The handshake is done, or a message came. */
export type SocketEvent = { readonly type: 'open' } | { readonly type: 'text'; readonly text: string };

/** HTTP answers of servers that know no WebSocket under this path. */
const noWatch: readonly number[] = [200, 400, 404, 405, 426, 501];
const maxBytes = 16 * 2 ** 20;
/**
 * After so many connections without a single answer the broker is taken for one that does not know pings, as a server
 * that never reads; they go on all the same, in case it answers one. The keep-alive of TCP is always on.
 */
const patience = 3;

/**
 * One connection to `/v1/nodes/watch`. Always ends by an error: `UNIMPLEMENTED` when the server has no such thing,
 * `UNAUTHENTICATED`, `PERMISSION_DENIED`, else `UNAVAILABLE`.
 */
export function brokerSocket(source: BrokerSource): Observable<SocketEvent> {
  return new Observable((subscriber) => new Connection(source, subscriber));
}

class Connection implements Unsubscribable {
  readonly #source: BrokerSource;
  readonly #observer: Observer<SocketEvent>;
  readonly #socket: WebSocket;
  #closed = false;
  #quiet: Subscription | undefined;

  constructor(source: BrokerSource, observer: Observer<SocketEvent>) {
    this.#source = source;
    this.#observer = observer;
    const socket = new WebSocket(source.urls.watch, {
      headers: headersOf(source),
      handshakeTimeout: source.timeoutMs,
      maxPayload: maxBytes,
      perMessageDeflate: false,
      ...tlsOf(source),
    });
    this.#socket = socket;
    socket.on('upgrade', ({ socket: tcp }) => tcp.setKeepAlive(true, source.pingMs));
    socket.on('open', () => {
      this.#word();
      // Whether it knows pings is best found out while it is surely there.
      if (!source.pings.answered) socket.ping();
      this.#tell({ type: 'open' });
    });
    socket.on('message', (data, isBinary) => {
      this.#word();
      if (isBinary) source.skipped('a binary message is passed over');
      else this.#tell({ type: 'text', text: String(data) });
    });
    socket.on('pong', () => {
      source.pings.answered = true;
      this.#word();
    });
    socket.on('ping', () => this.#word());
    socket.on('unexpected-response', (_request, { statusCode = 0 }) => {
      const code = noWatch.includes(statusCode) ? 'UNIMPLEMENTED' : codeOfStatus(statusCode);
      this.#fail(code, `the WebSocket was answered with HTTP ${statusCode}`);
    });
    socket.on('error', (error) => this.#fail('UNAVAILABLE', `the WebSocket failed: ${error.message}`, error));
    socket.on('close', (code) => this.#fail('UNAVAILABLE', `the WebSocket was closed with code ${code}`));
  }

  unsubscribe(): void {
    this.#closed = true;
    this.#quiet?.unsubscribe();
    // Nobody waits for a polite end: the peer may be the one that does not answer.
    this.#socket.terminate();
  }

  /** The broker is there: the next ping is so much later. */
  #word(): void {
    if (this.#closed) return;
    const { scheduler, pingMs } = this.#source;
    this.#quiet?.unsubscribe();
    this.#quiet = scheduler.schedule(() => this.#ping(), pingMs);
  }

  #ping(): void {
    const { scheduler, pingTimeoutMs, pings } = this.#source;
    this.#socket.ping();
    if (!pings.answered && pings.ignored >= patience) return this.#word();
    this.#quiet = scheduler.schedule(() => {
      pings.ignored++;
      this.#fail('UNAVAILABLE', `no answer to a ping within ${pingTimeoutMs} ms`);
    }, pingTimeoutMs);
  }

  #tell(event: SocketEvent): void {
    if (!this.#closed) this.#observer.next(event);
  }

  #fail(code: FleetErrorCode, message: string, cause?: unknown): void {
    if (this.#closed) return;
    this.#observer.error(new FleetError(code, message, { cause }));
  }
}
