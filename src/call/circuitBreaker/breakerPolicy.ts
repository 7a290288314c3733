/** A policy of circuit breakers: what `circuitBreaker()` and its presets are. */

import { defer, map, startWith, Subject, type Observable } from 'rxjs';
import type { Outcome } from '../../core/nodeStats.js';
import type { Policy } from '../policy.js';
import type { BreakerFigures } from './breakerFigures.js';
import type { BreakerRules } from './breakerOptions.js';
import { Breakers } from './breakers.js';

/** Circuit breakers, to be put into `use`. */
export interface CircuitBreakerPolicy extends Policy {
  /**
   * The breakers that are not closed, of all clients that it serves: as they are now, then at each change. What changed, and
   * why, is told by `breakerChanged` in the events of each client.
   */
  readonly states$: Observable<readonly BreakerFigures[]>;
}

/** What differs from one to the other. */
export interface BreakerPolicyOptions {
  readonly rules: BreakerRules;
  readonly perMethod?: boolean;
  readonly countsAsFailure?: ((outcome: Outcome) => boolean) | undefined;
}

export function breakerPolicy({
  rules,
  perMethod = false,
  countsAsFailure,
}: BreakerPolicyOptions): CircuitBreakerPolicy {
  const judgement = { rules, perMethod, countsAsFailure: countsAsFailure ? orElse(countsAsFailure) : isBlamed };
  const running = new Set<Breakers>();
  const changed$ = new Subject<void>();
  return {
    name: 'circuitBreaker',
    states$: defer(() =>
      changed$.pipe(
        startWith(undefined),
        map(() => [...running].flatMap((breakers) => breakers.figures())),
      ),
    ),
    start(ports) {
      const breakers = new Breakers(judgement, ports, {
        changed: () => changed$.next(),
        ended() {
          running.delete(breakers);
          changed$.next();
        },
      });
      running.add(breakers);
      return breakers;
    },
  };
}

function isBlamed({ blame }: Outcome): boolean {
  return blame === 'node' || blame === 'network';
}

/** The caller's own judgement; the usual one where that throws. */
function orElse(countsAsFailure: (outcome: Outcome) => boolean): (outcome: Outcome) => boolean {
  return (outcome) => {
    try {
      return countsAsFailure(outcome);
    } catch {
      return isBlamed(outcome);
    }
  };
}
