/** What is known of latencies while nobody says anything new of them. */

import { defer, filter, map, type Observable, type OperatorFunction, type SchedulerLike } from 'rxjs';

/**
 * Each answer, with those added that earlier ones had and this one lacks, until `keepMs` have passed since they were
 * last told. A round without an answer (`undefined`) is told only when it is found then that something is to be
 * forgotten.
 *
 *     rounds      a--b--u--u--u     a = {x: 1, y: 2}   b = {y: 3}   u: no answer      keep 5
 *     latencies   A--B--C-----D     A = a   B = {x: 1, y: 3}   C = {y: 3}   D = {}
 */
export function rememberLatencies(
  keepMs: number,
  scheduler: SchedulerLike,
): OperatorFunction<ReadonlyMap<string, number> | undefined, ReadonlyMap<string, number>> {
  return (round$) =>
    defer((): Observable<ReadonlyMap<string, number>> => {
      const known = new Map<string, { readonly ms: number; readonly at: number }>();
      return round$.pipe(
        map((answer) => {
          const now = scheduler.now();
          let changed = answer !== undefined;
          for (const [node, ms] of answer ?? []) known.set(node, { ms, at: now });
          for (const [node, { at }] of known) {
            if (now - at <= keepMs) continue;
            known.delete(node);
            changed = true;
          }
          return changed ? new Map([...known].map(([node, { ms }]) => [node, ms])) : undefined;
        }),
        filter((latencies) => latencies !== undefined),
      );
    });
}
