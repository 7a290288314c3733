/** When the network is asked for a service: at once, then ever less often. */

import { defer, expand, map, timer, type Observable, type SchedulerLike } from 'rxjs';

export interface QueryScheduleOptions {
  /** Wait between the first two questions, in milliseconds. */
  readonly initialIntervalMs: number;
  readonly maxIntervalMs: number;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

/**
 * The number of each question (0 is the first) at the time to ask it, without end: the first after 20 to 120 ms, so
 * that clients that start together do not ask together, then after 1 s, 2 s, 4 s … up to an hour (RFC 6762, 5.2).
 *
 *     questions   -0-1--2----3--------4
 */
export function querySchedule(options: QueryScheduleOptions): Observable<number> {
  const { initialIntervalMs, maxIntervalMs, scheduler, random } = options;
  return defer(() => timer(startDelay(random), scheduler)).pipe(
    expand((asked) => {
      const wait = Math.min(initialIntervalMs * 2 ** asked, maxIntervalMs);
      return timer(wait, scheduler).pipe(map(() => asked + 1));
    }),
  );
}

/** 20 to 120 ms: the wait before a first question, and before an answer that others may give too (RFC 6762, 5.2 and 6). */
export function startDelay(random: () => number): number {
  return 20 + 100 * random();
}
