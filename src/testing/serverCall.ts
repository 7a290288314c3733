/** A call as a server sees it: its requests as they are read, answers that wait for the wire, and ways to end it badly. */

import type { Metadata as GrpcMetadata, ServerDuplexStream } from '@grpc/grpc-js';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { grpcStatusNames, type StatusName } from '../core/errorCodes.js';
import { FleetError } from '../core/fleetError.js';
import { emptyMetadata, type Metadata } from '../core/metadata.js';

/** One call as the server sees it; the same for every kind of method. */
export interface ServerCall<I = unknown, O = unknown> {
  /** The messages of the client, read as they are taken; ends at its half-close, or when the call is cancelled. */
  readonly requests: AsyncIterable<I>;
  /** Aborted when the client cancels, its connection breaks, or its deadline passes. */
  readonly signal: AbortSignal;
  /** How many messages the wire has taken. */
  readonly written: number;
  /** The headers of the request, each with all its values. */
  readonly metadata: Metadata;
  /** When the client stops waiting, in milliseconds since the epoch; `Infinity` when it said nothing. */
  readonly deadline: number;
  /** The first value of a request header. */
  header(name: string): string | undefined;
  /** Sends headers, before any message. */
  sendHeaders(metadata: Metadata): void;
  /** Sends a message, and waits while the wire is full. */
  send(message: O): Promise<void>;
  /** Sends bytes as they are, after all messages: no frame is put around them. */
  sendRaw(bytes: Uint8Array): Promise<void>;
  /** Waits until the wire has taken everything that was sent. */
  flushed(): Promise<void>;
  /** Ends the call. Default `OK`. Later calls do nothing. */
  end(code?: StatusName, message?: string, trailers?: Metadata): void;
  /** Breaks the connection that the call came over. */
  breakConnection(): void;
}

/** What the calls of a server have in common. */
export interface SharedByCalls {
  readonly sockets: ReadonlyMap<string, Socket>;
  written: number;
  /** Nothing but the server loads grpc-js itself. */
  readonly toGrpcMetadata: (metadata: Metadata) => GrpcMetadata;
}

type Stream = ServerDuplexStream<unknown, unknown>;

/** A call of grpc-js in these terms. */
export class RunningCall implements ServerCall {
  readonly #stream: Stream;
  readonly #shared: SharedByCalls;
  readonly #peer: string;
  readonly #aborted = new AbortController();
  #ended = false;
  #sent = 0;
  written = 0;
  readonly #waiting = new Set<() => void>();

  constructor(stream: Stream, shared: SharedByCalls) {
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

  get metadata(): Metadata {
    return this.#stream.metadata.toJSON() as Metadata;
  }

  get deadline(): number {
    return Number(this.#stream.getDeadline());
  }

  header(name: string): string | undefined {
    return this.#stream.metadata.get(name)[0]?.toString();
  }

  sendHeaders(metadata: Metadata): void {
    if (!this.#ended) this.#stream.sendMetadata(this.#shared.toGrpcMetadata(metadata));
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
    this.sendHeaders(emptyMetadata);
    // The HTTP/2 stream beneath is not part of the public surface of grpc-js, and there is no other way to a bad frame.
    const beneath = (this.#stream as unknown as { call?: { stream?: Writable } }).call?.stream;
    if (!beneath) throw new FleetError('INTERNAL', 'this version of @grpc/grpc-js hides its HTTP/2 stream');
    await new Promise<void>((resolve) => beneath.write(bytes, () => resolve()));
  }

  end(code: StatusName = 'OK', message = '', trailers: Metadata = emptyMetadata): void {
    if (this.#ended) return;
    this.#ended = true;
    const metadata = this.#shared.toGrpcMetadata(trailers);
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
