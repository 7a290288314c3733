/** The servers of one AIO platform: connections while somebody needs them, and the next server when one fails. */

import { catchError, defer, tap, throwError, timeout, using, type Observable, type ObservableInput } from 'rxjs';
import type { SchedulerLike, Subscription } from 'rxjs';
import { redacted } from '../../auth/redacted.js';
import { formatAddress, type Address } from '../../core/address.js';
import type { Channel, Transport } from '../../core/channel.js';
import { errorCodes } from '../../core/errorCodes.js';
import { FleetError } from '../../core/fleetError.js';
import type { Metadata } from '../../core/metadata.js';
import type { Method } from '../../core/method.js';
import { createNode, type Node } from '../../core/node.js';
import { rpc } from '../../core/rpc.js';

export interface EndpointsOptions {
  readonly addresses: readonly Address[];
  readonly transport: Transport;
  readonly callTimeoutMs: number;
  readonly scheduler: SchedulerLike;
  /** What must never be read in a message, whoever wrote it. */
  readonly secrets: () => readonly string[];
}

interface Endpoint {
  readonly address: string;
  readonly node: Node;
  channel: Channel | undefined;
  /** Calls in a row that had no answer in time. */
  unanswered: number;
}

/** So many calls in a row without an answer mean that the connection is dead, whatever TCP says, and is made anew. */
const mostUnanswered = 2;

/** How long connections stay open after the last call, in milliseconds: one exchange is often followed by another. */
const lingerMs = 100;

/** Calls go to the server that answered last; connections are closed when nobody holds them. */
export class Endpoints {
  /** `aio at 10.0.0.1:50051, 10.0.0.2:50051`, for messages. */
  readonly name: string;
  readonly #options: EndpointsOptions;
  readonly #endpoints: readonly Endpoint[];
  #current = 0;
  #holds = 0;
  #lingering: Subscription | undefined;
  #closed = false;

  constructor(options: EndpointsOptions) {
    this.#options = options;
    this.#endpoints = options.addresses.map((address) => ({
      address: formatAddress(address),
      node: createNode({ address, service: 'aio' }),
      channel: undefined,
      unanswered: 0,
    }));
    this.name = `aio at ${this.#endpoints.map(({ address }) => address).join(', ')}`;
  }

  /** `work`, with the connections kept open for as long as it runs, and a moment longer for what comes next. */
  held<T>(work: () => ObservableInput<T>): Observable<T> {
    const { scheduler } = this.#options;
    const hold = () => {
      this.#holds++;
      this.#lingering?.unsubscribe();
      const letGo = () => {
        if (--this.#holds > 0 || this.#closed) return;
        this.#lingering = scheduler.schedule(() => this.#hangUp(), lingerMs);
      };
      return { unsubscribe: letGo };
    };
    return using(hold, work) as Observable<T>;
  }

  /**
   * One call with one answer; one server that is unreachable, or does not answer in time, hands it on to the next.
   * Only for what may be done twice.
   */
  call<I, O>(method: Method<I, O>, request: I, metadata?: Metadata): Observable<O> {
    const { callTimeoutMs, scheduler } = this.#options;
    const count = this.#endpoints.length;
    const attempt = (index: number, left: number): Observable<O> =>
      defer(() => {
        const deadline = scheduler.now() + callTimeoutMs;
        return rpc(this.#channel(index), method, request, { deadline, metadata });
      }).pipe(
        tap(() => (this.#endpoints[index]!.unanswered = 0)),
        timeout({ first: callTimeoutMs, scheduler, with: () => throwError(() => tooSlow(callTimeoutMs)) }),
        catchError((error: unknown) => {
          const told = this.#told(error, index, method);
          if (!this.#movesOn(told, index)) throw told;
          if (left === 0) throw told;
          return attempt((index + 1) % count, left - 1);
        }),
      );
    return this.held(() => attempt(this.#current, count - 1));
  }

  /** One stream, on the server that answered last. */
  stream<I, O>(method: Method<I, O>, requests: ObservableInput<I>, metadata?: Metadata): Observable<O> {
    return this.held(() => {
      const index = this.#current;
      return defer(() => rpc(this.#channel(index), method, requests, { metadata })).pipe(
        catchError((error: unknown) => {
          const told = this.#told(error, index, method);
          this.#movesOn(told, index);
          throw told;
        }),
      );
    });
  }

  /** The server that answered last is asked over a new connection; and before it the next one, if there is one. */
  distrust(): void {
    this.#drop(this.#endpoints[this.#current]!);
    this.#current = (this.#current + 1) % this.#endpoints.length;
  }

  /** Ends every connection, and all that runs on them. */
  close(): void {
    this.#closed = true;
    this.#lingering?.unsubscribe();
    this.#hangUp();
  }

  #channel(index: number): Channel {
    if (this.#closed) throw new FleetError('CLOSED', 'the client was closed');
    const endpoint = this.#endpoints[index]!;
    return (endpoint.channel ??= this.#options.transport.open(endpoint.node));
  }

  #hangUp(): void {
    for (const endpoint of this.#endpoints) this.#drop(endpoint);
  }

  #drop(endpoint: Endpoint): void {
    const { channel } = endpoint;
    endpoint.channel = undefined;
    endpoint.unanswered = 0;
    channel?.close();
  }

  /** True when another server may do better: then it is the one for the next call, too. */
  #movesOn({ code, sent }: FleetError, index: number): boolean {
    const elsewhere = code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED' || (!sent && code !== 'CLOSED');
    if (!elsewhere || this.#closed) return false;
    const endpoint = this.#endpoints[index]!;
    if (code === 'DEADLINE_EXCEEDED' && ++endpoint.unanswered >= mostUnanswered) this.#drop(endpoint);
    // Whoever asks next need not wait for the backoff of the dialler.
    endpoint.channel?.connect();
    if (this.#current === index) this.#current = (index + 1) % this.#endpoints.length;
    return true;
  }

  /** The error with where, what and what to do; without a cause, since that could hold what must not be read. */
  #told<I, O>(thrown: unknown, index: number, method: Method<I, O>): FleetError {
    const { code, detail, sent } = FleetError.from(thrown);
    const text = redacted(detail, this.#options.secrets());
    const name = method.path.slice(method.path.lastIndexOf('/') + 1);
    const where = `aio at ${this.#endpoints[index]!.address}`;
    return new FleetError(code, `${where}: ${name}: ${text}; ${remedies[code] ?? errorCodes[code].remedy}`, { sent });
  }
}

const remedies: { readonly [code: string]: string } = {
  UNAUTHENTICATED: 'check clientKey and clientSecret, and that the client is enabled and has not expired',
  PERMISSION_DENIED: 'check that the client is enabled and has not expired',
  DEADLINE_EXCEEDED: 'raise callTimeoutMs, or look why the server is slow',
  UNAVAILABLE: 'check registryAddr, and that the server runs and is reachable',
  UNIMPLEMENTED: 'check that registryAddr is the gRPC port of an AIO server',
};

function tooSlow(ms: number): FleetError {
  return new FleetError('DEADLINE_EXCEEDED', `no answer within ${ms} ms`);
}
