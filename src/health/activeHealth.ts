/**
 * Asks a node again and again whether it serves.
 *
 * Active checks find a node that accepts connections and serves nobody before a call does. They cost a request an
 * interval and node; a watch (`grpcHealth`) costs nothing while nothing changes. What the calls themselves find out is
 * known faster, and is not the business of this folder.
 */

import { asyncScheduler, catchError, defer, of, repeat, switchMap, timeout, timer } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import type { Channel } from '../core/channel.js';
import { requireDuration } from '../core/requireDuration.js';
import { requireOption } from '../core/requireOption.js';
import { failedVerdict, type HealthCheck, type HealthTarget, type NodeHealth } from './healthCheck.js';
import { judged, type JudgedOptions } from './judged.js';

export interface ActiveHealthOptions extends JudgedOptions {
  /** From the end of one check to the start of the next, in milliseconds. Default 10,000. */
  readonly intervalMs?: number;
  /** A check with no verdict by then, in milliseconds, has failed. Default 5,000. */
  readonly timeoutMs?: number;
  /**
   * The first check comes within this time, evenly spread, in milliseconds, so that a client that finds a thousand
   * nodes does not ask all at once. Default 1,000. Envoy: `initial_jitter`.
   */
  readonly initialJitterMs?: number;
  /** Each interval is spread evenly over ± this fraction, from 0 to 1. Default 0.1. Envoy: `interval_jitter`. */
  readonly jitter?: number;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * The health of one node by a check, from the first verdict that counts; tells changes only, ends when unsubscribed.
 *
 *     check     -g|     -b|     -b|     -b|     g = good, b = bad; 3 out
 *     health    -s-----------------------n      s = serving, n = notServing
 *
 * @throws FleetError `INVALID_OPTION` for a time under 1 ms (`initialJitterMs`: under 0) or of many days, a jitter outside
 *   0 to 1, or a threshold under 1.
 */
export function activeHealth<C = Channel>(
  check: HealthCheck<C>,
  options: ActiveHealthOptions = {},
): (target: HealthTarget<C>) => Observable<NodeHealth> {
  const { intervalMs = 10_000, timeoutMs = 5_000, initialJitterMs = 1_000, jitter = 0.1 } = options;
  const { scheduler = asyncScheduler, random = Math.random } = options;
  requireDuration('intervalMs', intervalMs);
  requireDuration('timeoutMs', timeoutMs);
  requireDuration('initialJitterMs', initialJitterMs, 0);
  requireOption(jitter >= 0 && jitter <= 1, 'jitter', 'from 0 to 1', jitter);
  const judge = judged(options);
  const late = { serving: false, reason: `no answer within ${timeoutMs} ms` };

  return (target) =>
    defer(() => timer(random() * initialJitterMs, scheduler)).pipe(
      switchMap(() =>
        defer(() => check(target)).pipe(
          timeout({ first: timeoutMs, scheduler, with: () => of(late) }),
          catchError((error: unknown) => of(failedVerdict(error))),
          repeat({ delay: () => timer(intervalMs * (1 - jitter + 2 * jitter * random()), scheduler) }),
        ),
      ),
      judge,
    );
}
