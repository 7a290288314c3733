/**
 * Reports of load beside the calls.
 *
 * A report with each answer tells nothing of a node that is not called, or whose calls last for minutes, such as
 * the streams of inference. Here each node is asked for a stream of reports, one every few seconds. It costs a stream
 * a node; where calls are short and many, the reports in their trailers come by themselves and are fresher.
 *
 * The protocol is ORCA's `OpenRcaService` (https://github.com/cncf/xds), by the rules of gRFC A51.
 */

import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import {
  asyncScheduler,
  concat,
  defer,
  EMPTY,
  map,
  retry,
  tap,
  throwError,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { exponentialBackoff, type BackoffOptions } from '../core/backoff.js';
import { FleetError } from '../core/fleetError.js';
import type { LoadReport } from '../core/loadReport.js';
import { methodOf } from '../core/method.js';
import { requireOption } from '../core/requireOption.js';
import { rpc } from '../core/rpc.js';
import { OpenRcaService, OrcaLoadReportRequestSchema } from '../gen/xds/orca_pb.js';
import type { HealthTarget } from './healthCheck.js';
import { readLoadReport } from './loadReportOf.js';

export interface OutOfBandLoadOptions {
  /**
   * How often a node is asked to report, in milliseconds. A node may do so less often: gRPC servers once in 30 s,
   * unless they are told otherwise. Default 10,000. gRFC A58: `oob_reporting_period`.
   */
  readonly intervalMs?: number;
  /** The wait before a stream that ended is opened again. Default 1 s, times 1.6, at most 120 s (as gRPC dials). */
  readonly backoff?: BackoffOptions;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Asks a node for a stream of load reports.
 *
 *     stream     -r---r---#        r = report
 *     reports    -r---r-------r    the stream is opened again after the backoff
 *     stream     -#                UNIMPLEMENTED
 *     reports    -|                this node is not asked again while it stays connected
 *
 * ```ts
 * createFleet({ …, loadReports: outOfBandLoad(), balancer: weightedRoundRobin({ loadReports: true }) });
 * ```
 *
 * A stream that ends, however it does, is opened again after the backoff; a report sets the backoff back to its first
 * wait. gRFC A51 has none after a report; then a node that ends its stream after each would be asked without a pause.
 *
 * @throws FleetError `INVALID_OPTION` for an interval that is no number above 0.
 */
export function outOfBandLoad(options: OutOfBandLoadOptions = {}): (target: HealthTarget) => Observable<LoadReport> {
  const { intervalMs = 10_000, scheduler = asyncScheduler, random = Math.random } = options;
  requireOption(intervalMs > 0 && Number.isFinite(intervalMs), 'intervalMs', 'above 0', intervalMs);
  const backoff = exponentialBackoff({
    initialBackoffMs: 1_000,
    backoffMultiplier: 1.6,
    maxBackoffMs: 120_000,
    ...options.backoff,
  });
  const method = methodOf(OpenRcaService.method.streamCoreMetrics);
  const request = create(OrcaLoadReportRequestSchema, { reportInterval: durationFromMs(Math.ceil(intervalMs)) });

  return ({ channel }) =>
    defer(() => {
      let failures = 0;
      return defer(() => concat(rpc(channel, method, request), streamEnded)).pipe(
        tap(() => (failures = 0)),
        map(readLoadReport),
        retry({
          delay: (error: unknown) =>
            error instanceof FleetError && error.code === 'UNIMPLEMENTED'
              ? EMPTY
              : timer(backoff(++failures, random), scheduler),
        }),
      );
    });
}

const streamEnded = throwError(() => new FleetError('UNAVAILABLE', 'the node ended its stream of load reports'));
