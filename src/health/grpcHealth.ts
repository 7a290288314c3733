/** The health protocol of gRPC: the node says itself whether a service of it serves, and tells when that changes. */

import { create } from '@bufbuild/protobuf';
import {
  asyncScheduler,
  catchError,
  concat,
  defer,
  EMPTY,
  map,
  NEVER,
  of,
  repeat,
  tap,
  throwError,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { exponentialBackoff, type BackoffOptions } from '../core/backoff.js';
import type { Channel } from '../core/channel.js';
import { FleetError } from '../core/fleetError.js';
import { methodOf } from '../core/method.js';
import { rpc } from '../core/rpc.js';
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Status,
  type HealthCheckResponse,
} from '../gen/grpc/health_pb.js';
import { failedVerdict, type HealthCheck, type Verdict } from './healthCheck.js';

export interface GrpcHealthOptions {
  /** The service to ask for. Default `''`: the node as a whole. */
  readonly service?: string;
  /** The wait before a watch that failed is opened again. Default 1 s, times 1.6, at most 120 s (gRPC's own for connections). */
  readonly backoff?: BackoffOptions;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Watches `grpc.health.v1.Health`, by gRFC A17.
 *
 * What a watched node says counts at once. A watch that fails is a bad verdict, of which it takes several, and is opened
 * again with backoff; the first message sets the backoff back. A node without `Watch` is asked by `Check`, once an
 * interval. A node without either counts as healthy and is not asked again.
 */
export function grpcHealth(options: GrpcHealthOptions = {}): HealthCheck {
  const { service = '', scheduler = asyncScheduler, random = Math.random } = options;
  const backoff = exponentialBackoff({
    initialBackoffMs: 1_000,
    backoffMultiplier: 1.6,
    maxBackoffMs: 120_000,
    ...options.backoff,
  });
  const request = create(HealthCheckRequestSchema, { service });
  const verdict = (response: HealthCheckResponse) => verdictOf(response, service);
  const watchless = new WeakSet<Channel>();

  const checked = (channel: Channel): Observable<Verdict> =>
    rpc(channel, methodOf(Health.method.check), request).pipe(
      map(verdict),
      catchError((error: unknown) => {
        if (isCode(error, 'UNIMPLEMENTED')) return concat(of<Verdict>({ serving: true }), NEVER);
        if (isCode(error, 'NOT_FOUND')) return of(unknownService(service));
        return throwError(() => error);
      }),
      // An answer to a question may be a slip; a watch is told when it changes.
      map(({ serving, reason }) => ({ serving, reason })),
    );

  const watched = (channel: Channel): Observable<Verdict> =>
    defer(() => {
      let failures = 0;
      return defer(() => concat(rpc(channel, methodOf(Health.method.watch), request), watchEnded)).pipe(
        tap(() => (failures = 0)),
        map((response) => ({ ...verdict(response), sure: true })),
        catchError((error: unknown) => {
          if (isCode(error, 'UNIMPLEMENTED')) {
            watchless.add(channel);
            return checked(channel);
          }
          failures++;
          return of(failedVerdict(error));
        }),
        repeat({ delay: () => (watchless.has(channel) ? EMPTY : timer(backoff(failures, random), scheduler)) }),
      );
    });

  return ({ channel }) => defer(() => (watchless.has(channel) ? checked(channel) : watched(channel)));
}

const watchEnded = throwError(() => new FleetError('UNAVAILABLE', 'the node ended the watch of its health'));

function verdictOf({ status }: HealthCheckResponse, service: string): Verdict {
  if (status === Status.SERVING) return { serving: true };
  if (status === Status.SERVICE_UNKNOWN) return unknownService(service);
  return { serving: false, reason: `it says that ${named(service)} is ${Status[status] ?? status}` };
}

function unknownService(service: string): Verdict {
  return { serving: false, reason: `it does not know ${named(service)}` };
}

function named(service: string): string {
  return service ? `service ${service}` : 'the node';
}

function isCode(error: unknown, code: FleetError['code']): boolean {
  return error instanceof FleetError && error.code === code;
}
