/** From single verdicts to a health that does not flap. */

import { distinctUntilChanged, map, scan, skipWhile, type Observable } from 'rxjs';
import { requireOption } from '../core/requireOption.js';
import type { NodeHealth, Verdict } from './healthCheck.js';

export interface JudgedOptions {
  /** So many bad verdicts in a row take a node out. Default 3. Envoy: `unhealthy_threshold`. */
  readonly failuresOut?: number;
  /** So many good verdicts in a row take it in again. Default 2. Envoy: `healthy_threshold`. */
  readonly successesIn?: number;
}

interface Judgement extends NodeHealth {
  readonly successes: number;
  readonly failures: number;
}

/**
 * A health for a row of verdicts; tells changes only.
 *
 *     verdicts    g-b-b-b-g-g-g      g = good, b = bad; 3 out, 2 in
 *     health      s-----n---s--      s = serving, n = notServing
 *
 * Of a node that was never judged one good verdict is enough, as with Envoy; until then its health is `unknown` and
 * nothing is told. A verdict that is `sure` counts at once.
 *
 * @throws FleetError `INVALID_OPTION` for a threshold that is no whole number of at least 1.
 */
export function judged(options: JudgedOptions = {}): (verdict$: Observable<Verdict>) => Observable<NodeHealth> {
  const { failuresOut = 3, successesIn = 2 } = options;
  requireOption(Number.isInteger(failuresOut) && failuresOut >= 1, 'failuresOut', 'at least 1', failuresOut);
  requireOption(Number.isInteger(successesIn) && successesIn >= 1, 'successesIn', 'at least 1', successesIn);
  return (verdict$) =>
    verdict$.pipe(
      scan((before, verdict) => judge(before, verdict, failuresOut, successesIn), unjudged),
      skipWhile(({ health }) => health === 'unknown'),
      distinctUntilChanged((a, b) => a.health === b.health),
      map(({ health, reason }) => ({ health, reason })),
    );
}

const unjudged: Judgement = { health: 'unknown', reason: undefined, successes: 0, failures: 0 };

function judge(before: Judgement, verdict: Verdict, failuresOut: number, successesIn: number): Judgement {
  if (verdict.serving) {
    const successes = before.successes + 1;
    const enough = verdict.sure || before.health !== 'notServing' || successes >= successesIn;
    return enough
      ? { health: 'serving', reason: verdict.reason, successes, failures: 0 }
      : { ...before, successes, failures: 0 };
  }
  const failures = before.failures + 1;
  const why = verdict.reason ?? 'the health check failed';
  if (verdict.sure) return { health: 'notServing', reason: why, successes: 0, failures };
  if (failures < failuresOut) return { ...before, successes: 0, failures };
  const reason = failures === 1 ? why : `${failures} health checks failed in a row, the last: ${why}`;
  return { health: 'notServing', reason, successes: 0, failures };
}
