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
import { stopwatchOf } from '../core/stopwatch.js';
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
 * Watches `grpc.health.v1.Health`, by gRFC A17 (https://github.com/grpc/proposal/blob/master/A17-client-side-health-checking.md).
 *
 * What a watched node says counts at once. A watch that ends or fails is opened again: at once if the node had spoken and it lived
 * for a while, else with backoff. A node without `Watch` is asked by `Check`, once an interval. A node without either counts as
 * healthy, which its `healthReason` tells, and is not asked again.
 *
 * Where it differs from the gRFC:
 * - Until the first answer a node counts as healthy, unless the fleet has `awaitHealth`.
 * - A watch that fails is one bad verdict, of which `activeHealth` takes several, and not the end of the node at once: proxies
 *   end long streams, often all at the same time. While the watch is away its last word stands.
 * - No credential of the fleet goes with it, since credentials belong to calls there.
 */
export function grpcHealth(options: GrpcHealthOptions = {}): HealthCheck {
  const { service = '', scheduler = asyncScheduler, random = Math.random } = options;
  const backoff = exponentialBackoff({
    initialBackoffMs: 1_000,
    backoffMultiplier: 1.6,
    maxBackoffMs: 120_000,
    ...options.backoff,
  });
  // A node that speaks and ends at once would else be asked without a pause.
  const stableMs = options.backoff?.initialBackoffMs ?? 1_000;
  const clock = stopwatchOf(scheduler);
  const request = create(HealthCheckRequestSchema, { service });
  const verdict = (response: HealthCheckResponse) => verdictOf(response, service);
  const watchless = new WeakSet<Channel>();

  const checked = (channel: Channel): Observable<Verdict> =>
    rpc(channel, methodOf(Health.method.check), request).pipe(
      map(verdict),
      catchError((error: unknown) => {
        if (isCode(error, 'UNIMPLEMENTED')) return concat(of(healthless), NEVER);
        if (isCode(error, 'NOT_FOUND')) return of(unknownService(service));
        return throwError(() => error);
      }),
      // An answer to a question may be a slip; a watch is told when it changes.
      map(({ serving, reason }) => ({ serving, reason })),
    );

  const watched = (channel: Channel): Observable<Verdict> =>
    defer(() => {
      let failures = 0;
      let openedAt = 0;
      let spoke = false;
      const open = () => {
        openedAt = clock();
        spoke = false;
        return concat(rpc(channel, methodOf(Health.method.watch), request), watchEnded);
      };
      const waitMs = () => (spoke && clock() - openedAt >= stableMs ? 0 : backoff(failures, random));
      return defer(open).pipe(
        tap(() => {
          failures = 0;
          spoke = true;
        }),
        map((response) => ({ ...verdict(response), sure: true })),
        catchError((error: unknown) => {
          if (isCode(error, 'UNIMPLEMENTED')) {
            watchless.add(channel);
            return checked(channel);
          }
          failures++;
          return of(failedVerdict(error));
        }),
        repeat({ delay: () => (watchless.has(channel) ? EMPTY : timer(waitMs(), scheduler)) }),
      );
    });

  return ({ channel }) => defer(() => (watchless.has(channel) ? checked(channel) : watched(channel)));
}

const healthless: Verdict = { serving: true, reason: 'it has no health service, so it counts as healthy' };

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
