/** One connection for all registrations of a registry, open while one of them lives. */

import {
  dematerialize,
  materialize,
  Observable,
  of,
  ReplaySubject,
  share,
  switchMap,
  timer,
  type ObservableNotification,
} from 'rxjs';
import type { ResolvedConnection } from '../../discovery/etcd/connectionOptions.js';
import { EtcdClient, type EtcdPorts } from '../../discovery/etcd/etcdClient.js';
import { KeepAlives } from './keepAlives.js';

export interface OpenConnection {
  readonly client: EtcdClient;
  readonly keepAlives: KeepAlives;
}

/**
 * Opens with the first request, and closes when the last lease is given up and nothing is under way. A lease that is
 * neither renewed nor given up counts until its end, so that an owner who walks away leaves nothing open.
 */
export class SharedConnection {
  readonly #connection$: Observable<OpenConnection>;
  readonly #ends = new Map<bigint, number>();
  readonly #ports: EtcdPorts;

  constructor(connection: ResolvedConnection, ports: EtcdPorts) {
    this.#ports = ports;
    this.#connection$ = new Observable<OpenConnection>((subscriber) => {
      const client = new EtcdClient(connection, ports);
      const { requestTimeoutMs } = connection;
      const keepAlives = new KeepAlives(client, { requestTimeoutMs, scheduler: ports.scheduler });
      subscriber.next({ client, keepAlives });
      return () => {
        keepAlives.close();
        client.close();
      };
    }).pipe(
      share({
        connector: () => new ReplaySubject(1),
        resetOnRefCountZero: () => {
          const waitMs = this.#leftMs();
          return waitMs > 0 ? timer(waitMs, ports.scheduler) : of(0);
        },
      }),
    );
  }

  /** Runs requests over the connection. */
  use<T>(requests: (connection: OpenConnection) => Observable<T>): Observable<T> {
    return this.#connection$.pipe(
      switchMap((connection) => requests(connection).pipe(materialize())),
      // The connection itself never completes.
      dematerialize<ObservableNotification<T>>(),
    ) as Observable<T>;
  }

  /** The lease lives for this long from now. */
  holds(id: bigint, ttlMs: number): void {
    this.#ends.set(id, this.#ports.scheduler.now() + ttlMs);
  }

  /** The lease is over. */
  gaveUp(id: bigint): void {
    this.#ends.delete(id);
  }

  #leftMs(): number {
    const now = this.#ports.scheduler.now();
    let left = 0;
    for (const [id, end] of this.#ends) {
      if (end <= now) this.#ends.delete(id);
      else left = Math.max(left, end - now);
    }
    return left;
  }
}
