/** The two clocks of a client: one that says when, and one that says how long. */

import { performance } from 'node:perf_hooks';
import { asyncScheduler, type SchedulerLike } from 'rxjs';

/** Milliseconds from some moment on, with fractions; never goes back. */
export type Stopwatch = () => number;

/**
 * A stopwatch for the latencies of calls. In real time it has fractions of a millisecond and does not care when the
 * time of day is set; under any other scheduler it is that scheduler's clock, so that latencies are virtual too.
 */
export function stopwatchOf(scheduler: SchedulerLike): Stopwatch {
  return scheduler === asyncScheduler ? () => performance.now() : () => scheduler.now();
}
