/** One connection to etcd at a time, over several endpoints, authenticated when asked: calls that survive a member. */

import { create, type DescMethodUnary, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import type { DescMethodBiDiStreaming } from '@bufbuild/protobuf';
import { catchError, defer, finalize, map, of, share, switchMap, throwError, type Observable } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { formatAddress } from '../../core/address.js';
import type { Channel } from '../../core/channel.js';
import { FleetError } from '../../core/fleetError.js';
import type { Metadata } from '../../core/metadata.js';
import { methodOf } from '../../core/method.js';
import { createNode } from '../../core/node.js';
import { rpc } from '../../core/rpc.js';
import { Auth, AuthenticateRequestSchema } from '../../gen/etcd/rpc_pb.js';
import type { ResolvedConnection } from './connectionOptions.js';
import { etcdFailure, isAuthDisabled, isStaleToken, isUnreachable } from './etcdFailure.js';

export interface EtcdPorts {
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

/** A channel to one endpoint, closed when it is no longer the current one and nothing runs on it. */
interface Member {
  readonly endpoint: string;
  readonly channel: Channel;
  running: number;
  retired: boolean;
}

/**
 * Calls to a cluster. Opens nothing before the first call.
 *
 * One member is used until it cannot be reached, does not answer in time or has no leader; then the next one, each at
 * most once for a call. Every request asks for a member that has a leader, so that one cut off from the others is left.
 */
export class EtcdClient {
  readonly #connection: ResolvedConnection;
  readonly #ports: EtcdPorts;
  #next: number;
  #member: Member | undefined;
  #token: string | undefined;
  #withoutAuth = false;
  #closed = false;
  readonly #authenticated$: Observable<Metadata>;

  constructor(connection: ResolvedConnection, ports: EtcdPorts) {
    this.#connection = connection;
    this.#ports = ports;
    // Each client starts elsewhere, so that a cluster shares the load.
    this.#next = Math.floor(ports.random() * connection.endpoints.length) % connection.endpoints.length;
    // One authentication in flight, whoever needs it.
    this.#authenticated$ = this.#authenticate().pipe(share());
  }

  /** Where calls go now, or where the last went, for messages. */
  get endpoint(): string {
    return this.#member?.endpoint ?? formatAddress(this.#connection.endpoints[this.#next]!);
  }

  /** A request with one answer; tried on each endpoint once. */
  unary<D extends DescMethodUnary>(
    descriptor: D,
    init: MessageInitShape<D['input']>,
  ): Observable<MessageShape<D['output']>> {
    const request = create(descriptor.input, init as never);
    return this.#authorised((metadata) =>
      this.#withFailover(descriptor, request as MessageShape<D['input']>, metadata),
    );
  }

  /** A stream both ways, on the current endpoint; when it fails for the sake of the endpoint the next is current. */
  stream<D extends DescMethodBiDiStreaming>(
    descriptor: D,
    requests$: Observable<MessageShape<D['input']>>,
  ): Observable<MessageShape<D['output']>> {
    return this.#credentials().pipe(
      switchMap((metadata) =>
        this.#onMember((member) => rpc(member.channel, methodOf(descriptor), requests$, { metadata })),
      ),
      catchError((error: FleetError) => {
        if (!this.#connection.login || !isStaleToken(error)) return throwError(() => error);
        this.#token = undefined;
        // Not for good, as the code would say: the next request logs in, or ends with what is really wrong.
        return throwError(() => new FleetError('UNAVAILABLE', error.detail, { sent: error.sent }));
      }),
    ) as Observable<MessageShape<D['output']>>;
  }

  /** Leaves the current endpoint: the next call goes to the next one. */
  leave(): void {
    const member = this.#member;
    if (!member) return;
    this.#member = undefined;
    this.#next = (this.#next + 1) % this.#connection.endpoints.length;
    member.retired = true;
    if (member.running === 0) member.channel.close();
  }

  /** The next request authenticates anew. */
  forgetToken(): void {
    this.#token = undefined;
  }

  close(): void {
    this.#closed = true;
    this.#member?.channel.close();
    this.#member = undefined;
  }

  #authorised<T>(request: (metadata: Metadata) => Observable<T>): Observable<T> {
    const attempt = () => this.#credentials().pipe(switchMap(request));
    return defer(attempt).pipe(
      catchError((error: FleetError) => {
        // Once a call: a token that is refused when it is new will not be taken later.
        if (!this.#connection.login || !isStaleToken(error)) return throwError(() => error);
        this.#token = undefined;
        this.#withoutAuth = false;
        return attempt();
      }),
    );
  }

  #credentials(): Observable<Metadata> {
    return defer(() => {
      if (!this.#connection.login || this.#withoutAuth) return of(requireLeader);
      return this.#token === undefined ? this.#authenticated$ : of({ ...requireLeader, token: this.#token });
    });
  }

  #authenticate(): Observable<Metadata> {
    return defer(() =>
      this.#withFailover(
        Auth.method.authenticate,
        create(AuthenticateRequestSchema, this.#connection.login!),
        requireLeader,
      ),
    ).pipe(
      map(({ token }): Metadata => {
        this.#token = token;
        return { ...requireLeader, token };
      }),
      catchError((error: FleetError) => {
        // A cluster without users serves everybody, and says so to who asks for a token.
        if (!isAuthDisabled(error)) return throwError(() => error);
        this.#withoutAuth = true;
        return of(requireLeader);
      }),
    );
  }

  #withFailover<D extends DescMethodUnary>(
    descriptor: D,
    request: MessageShape<D['input']>,
    metadata: Metadata,
  ): Observable<MessageShape<D['output']>> {
    const attempt = (left: number): Observable<MessageShape<D['output']>> =>
      defer(() => {
        const deadline = this.#ports.scheduler.now() + this.#connection.requestTimeoutMs;
        return this.#onMember((member) =>
          rpc(member.channel, methodOf(descriptor), request, { metadata, deadline }),
        ) as Observable<MessageShape<D['output']>>;
      }).pipe(
        catchError((error: FleetError) =>
          left > 1 && isUnreachable(error) && !this.#closed ? attempt(left - 1) : throwError(() => error),
        ),
      );
    return attempt(this.#connection.endpoints.length);
  }

  /** Runs a call on the current member, and leaves the member when that is to blame. */
  #onMember<T>(call: (member: Member) => Observable<T>): Observable<T> {
    return defer(() => {
      if (this.#closed) return throwError(() => new FleetError('CLOSED', 'the connection to etcd was closed'));
      const member = (this.#member ??= this.#open());
      member.running++;
      return call(member).pipe(
        catchError((error: unknown) => {
          const failure = etcdFailure(error, member.endpoint, this.#connection.login?.name);
          if (isUnreachable(failure) && this.#member === member) this.leave();
          return throwError(() => failure);
        }),
        finalize(() => {
          member.running--;
          if (member.retired && member.running === 0) member.channel.close();
        }),
      );
    });
  }

  #open(): Member {
    const address = this.#connection.endpoints[this.#next]!;
    const endpoint = formatAddress(address);
    const channel = this.#connection.transport.open(createNode({ id: endpoint, address, service: 'etcd' }));
    return { endpoint, channel, running: 0, retired: false };
  }
}

/** etcd's own name for it; a member without a leader answers `UNAVAILABLE`. */
const requireLeader: Metadata = Object.freeze({ hasleader: 'true' });
