/** The circuit breaker of fyer-rpc, for programs that come from it. */

import { requireOption } from '../core/requireOption.js';
import { breakerRules } from './circuitBreaker/breakerOptions.js';
import { breakerPolicy, type CircuitBreakerPolicy } from './circuitBreaker/breakerPolicy.js';

/** Names and defaults of its `failover.Config`. */
export interface FyerBreakerOptions {
  /** So many failures in a row of an instance open its breaker. Default 5. */
  readonly circuitBreakThreshold?: number;
  /** How long its first opening lasts, in milliseconds; no later one more than ten times that. Default 30,000. */
  readonly circuitBreakTimeoutMs?: number;
  /** So many calls are let through while it is half-open. Default 3. */
  readonly halfOpenMaxCalls?: number;
  /** This share of them must succeed, from 0 to 1. Default 0.5. */
  readonly halfOpenSuccessThreshold?: number;
}

/**
 * `SimpleCircuitBreaker` of https://github.com/fyerfyer/fyer-rpc: failures in a row; openings of 1, 2, 3, 4.5, 6.75 and at
 * most 10 times the first, anew after it has closed; some calls to see, of which a share must succeed.
 *
 * What is not reproduced:
 * - The first call of a half-open time was let through beside the others and not counted, so that one more than the maximum
 *   ran, and its success could not close the breaker.
 * - The count of half-open calls was never taken back: when one of them was cancelled or never ended, the breaker stayed
 *   half-open and refused everything. Here it gives its place back, after 30 s in any case.
 * - Any failure opened it again, and the first success after an uncounted call closed it, so the share meant nothing. Here it
 *   closes with as many successes as the share of the maximum asks for, and opens once they cannot be reached any more.
 * - Failures that began before it opened were charged to the half-open time. They count for nothing.
 * - Every error counted, also those of the caller and of the request. Here the node or the network must be to blame.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function fyerBreaker(options: FyerBreakerOptions = {}): CircuitBreakerPolicy {
  const { circuitBreakThreshold = 5, circuitBreakTimeoutMs = 30_000 } = options;
  const { halfOpenMaxCalls = 3, halfOpenSuccessThreshold = 0.5 } = options;
  const isCount = (value: number) => Number.isInteger(value) && value >= 1;
  const check = (ok: boolean, field: keyof FyerBreakerOptions, rule: string) =>
    requireOption(ok, `fyerBreaker.${field}`, rule, options[field]);
  check(isCount(circuitBreakThreshold), 'circuitBreakThreshold', 'a whole number from 1');
  const timeout = circuitBreakTimeoutMs >= 1 && circuitBreakTimeoutMs <= dayMs / 10;
  check(timeout, 'circuitBreakTimeoutMs', 'from 1 to 8,640,000');
  check(isCount(halfOpenMaxCalls), 'halfOpenMaxCalls', 'a whole number from 1');
  const share = halfOpenSuccessThreshold >= 0 && halfOpenSuccessThreshold <= 1;
  check(share, 'halfOpenSuccessThreshold', 'from 0 to 1');

  // A hair less, since 0.07 × 100 is a hair more than 7 in binary.
  const successes = Math.max(1, Math.ceil(halfOpenMaxCalls * halfOpenSuccessThreshold - 1e-9));
  const rules = breakerRules(
    { consecutiveFailures: circuitBreakThreshold, halfOpen: { probes: halfOpenMaxCalls, successes } },
    'fyerBreaker',
  );
  return breakerPolicy({ rules: { ...rules, cooldown: (opening) => circuitBreakTimeoutMs * factor(opening) } });
}

const dayMs = 86_400_000;

/** Twice as long after the first opening, then one and a half times as long after each. */
function factor(opening: number): number {
  return opening === 1 ? 1 : Math.min(2 * 1.5 ** (opening - 2), 10);
}
