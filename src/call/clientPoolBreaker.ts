/** The circuit breaker of clientPool, for programs that come from it. */

import { requireOption } from '../core/requireOption.js';
import { breakerRules } from './circuitBreaker/breakerOptions.js';
import { breakerPolicy, type CircuitBreakerPolicy } from './circuitBreaker/breakerPolicy.js';

export interface ClientPoolBreakerOptions {
  /** So many failures in a row of a client open its breaker; 0: it never opens. Default 3, as its README has it. */
  readonly maxFails?: number;
  /** How long it stays open, in milliseconds. Default 5,000, as its README has it. */
  readonly cooldownMs?: number;
}

/**
 * `NewClientPool(maxFails, cooldown, …)` of https://github.com/bighu630/clientPool: failures in a row, and a cooldown of one
 * length.
 *
 * What is not reproduced:
 * - After the cooldown all calls came back at once, and `maxFails` of them had to fail again. Its README promises a try, so one
 *   call is let through: it closes the breaker, or opens it for another cooldown.
 * - Attempts that had begun before it opened prolonged the cooldown when they failed, and ended it when they succeeded. They
 *   count for nothing.
 * - Every error counted as a failure of the client: a call that its caller gave up, and an error of a limiter if it was
 *   wrapped. Here the node or the network must be to blame. An error that has no code, as those of pools, blames the node.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function clientPoolBreaker(options: ClientPoolBreakerOptions = {}): CircuitBreakerPolicy {
  const { maxFails = 3, cooldownMs = 5_000 } = options;
  const whole = Number.isInteger(maxFails) && maxFails >= 0;
  requireOption(whole, 'clientPoolBreaker.maxFails', 'a whole number from 0', maxFails);
  const rules = breakerRules(
    { consecutiveFailures: maxFails || 1, cooldownMs, cooldownMultiplier: 1, maxCooldownMs: cooldownMs, jitter: 0 },
    'clientPoolBreaker',
  );
  return breakerPolicy({ rules: maxFails === 0 ? { ...rules, consecutiveFailures: Infinity } : rules });
}
