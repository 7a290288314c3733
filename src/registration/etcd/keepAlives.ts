/** The heartbeats of any number of leases over one stream. */

import { create } from '@bufbuild/protobuf';
import {
  defer,
  Observable,
  retry,
  Subscription,
  throwError,
  timeout,
  timer,
  type SchedulerLike,
  type Subscriber,
} from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { EtcdClient } from '../../discovery/etcd/etcdClient.js';
import { isStaleToken } from '../../discovery/etcd/etcdFailure.js';
import { Lease, LeaseKeepAliveRequestSchema, type LeaseKeepAliveRequest } from '../../gen/etcd/rpc_pb.js';
import { Outbox } from './outbox.js';

export interface KeepAlivesOptions {
  /** How long an answer may take before the stream counts as dead, in milliseconds. */
  readonly requestTimeoutMs: number;
  readonly scheduler: SchedulerLike;
}

interface Stream {
  readonly outbox: Outbox<LeaseKeepAliveRequest>;
  /** For each lease those that wait, in the order of their sending: answers come in that order. */
  readonly waiting: Map<bigint, Subscriber<number>[]>;
  readonly life: Subscription;
}

/** Opens its stream with the first heartbeat, and a new one after it broke. */
export class KeepAlives {
  readonly #client: EtcdClient;
  readonly #options: KeepAlivesOptions;
  #stream: Stream | undefined;

  constructor(client: EtcdClient, options: KeepAlivesOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** One heartbeat; emits the life that is left in milliseconds, 0 when the lease is gone, and completes. */
  renew(id: bigint): Observable<number> {
    const { requestTimeoutMs, scheduler } = this.#options;
    const silent = () => {
      const { endpoint } = this.#client;
      const error = new FleetError(
        'UNAVAILABLE',
        `etcd at ${endpoint} did not answer a heartbeat within ${requestTimeoutMs} ms: check that it is reachable`,
      );
      this.#client.leave();
      this.#end(this.#stream, error);
      return throwError(() => error);
    };
    return defer(() => this.#send(id)).pipe(
      timeout({ first: requestTimeoutMs, scheduler, with: silent }),
      // A token that has run out is renewed with the next stream; once, for a new one that is refused stays refused.
      retry({
        count: 1,
        delay: (error: FleetError) => (isStaleToken(error) ? timer(0, scheduler) : throwError(() => error)),
      }),
    );
  }

  /** Ends the stream, and the heartbeats that wait. */
  close(): void {
    this.#end(this.#stream, new FleetError('CANCELLED', 'the connection to etcd was closed'));
  }

  #send(id: bigint): Observable<number> {
    return new Observable((subscriber) => {
      const { outbox, waiting } = this.#stream ?? this.#open();
      const queue = waiting.get(id);
      // A place in the queue is kept when its owner leaves, since its answer will come all the same.
      if (queue) queue.push(subscriber);
      else waiting.set(id, [subscriber]);
      outbox.send(create(LeaseKeepAliveRequestSchema, { ID: id }));
    });
  }

  #open(): Stream {
    const stream: Stream = { outbox: new Outbox(), waiting: new Map(), life: new Subscription() };
    this.#stream = stream;
    const { outbox, waiting, life } = stream;
    life.add(
      this.#client.stream(Lease.method.leaseKeepAlive, outbox.messages$).subscribe({
        next: ({ ID: id, TTL: ttl }) => {
          const queue = waiting.get(id);
          const first = queue?.shift();
          if (queue?.length === 0) waiting.delete(id);
          first?.next(Math.max(0, Number(ttl) * 1_000));
          first?.complete();
        },
        error: (error: FleetError) => this.#end(stream, error),
        complete: () => {
          this.#end(stream, new FleetError('UNAVAILABLE', `etcd at ${this.#client.endpoint} ended the heartbeats`));
        },
      }),
    );
    return stream;
  }

  #end(stream: Stream | undefined, error: FleetError): void {
    if (!stream) return;
    if (this.#stream === stream) this.#stream = undefined;
    stream.life.unsubscribe();
    const waiting = [...stream.waiting.values()].flat();
    stream.waiting.clear();
    for (const subscriber of waiting) subscriber.error(error);
  }
}
