/**
 * A node that fails is left alone for a while, and let in again carefully.
 *
 * A call to a node that is down costs its caller a wait and an attempt, and the node, if it is only overloaded, the chance to
 * recover. After some failures the breaker opens: no call goes there. After a cooldown it is half-open: a few calls go
 * there, to see. It closes when they succeed; else the next cooldown is longer.
 *
 * It goes by the calls that fail, so it needs calls; a node that nobody calls is found out by health checks
 * (`activeHealth()`). It judges each node alone and opens for all of them, if all of them fail: then calls fail at once with
 * `CIRCUIT_OPEN`, which is what protects callers and nodes in an outage. Where nobody takes calls any more, the first breaker that
 * closes again has the others looked at, too: else its node would get the calls of all, be late with them, and be shut out anew
 * (`npm run scenarios` plays it). Set `panic` wherever a bad node is better than none: in a panic the breakers that are open let
 * calls through. Do not use it beside `consecutiveFailures()` of `eject`, which does the same under a budget that keeps most
 * nodes in.
 *
 * States and names are those of M. Nygard's "Release It!"; that attempts count only in the state in which they began is the
 * generation of https://github.com/sony/gobreaker; the rate, its minimum and slow calls are Resilience4j's
 * (https://resilience4j.readme.io/docs/circuitbreaker); failures in a row or a rate, whichever comes first, and a longest
 * cooldown of five minutes are Finagle's failure accrual; the 30 s and their growth are Envoy's outlier detection. Probes
 * are bounded and time out, since a breaker that waits for one that never ends stays half-open for ever
 * (https://github.com/resilience4j/resilience4j/issues/903, https://github.com/nodeshift/opossum/issues/276).
 */

import type { Outcome } from '../core/nodeStats.js';
import { requireOption } from '../core/requireOption.js';
import { breakerRules, type BreakerOptions } from './circuitBreaker/breakerOptions.js';
import { breakerPolicy, type CircuitBreakerPolicy } from './circuitBreaker/breakerPolicy.js';

export interface CircuitBreakerOptions extends BreakerOptions {
  /**
   * A breaker for each method on each node, in the place of one for each node. Such a breaker takes no node out; a call that
   * is picked for a node whose breaker is shut for it goes to another. Default false.
   */
  readonly perMethod?: boolean;
  /**
   * Whether a failed attempt is a failure of its node. What is none counts for nothing; if it throws, the default counts.
   * Default: by the blame of its code, `node` or `network`.
   */
  readonly countsAsFailure?: (outcome: Outcome) => boolean;
}

/**
 * A circuit breaker for each node. For what is no call of a fleet or pool there is `createCircuitBreaker()`.
 *
 *     attempts on x   f-f-f---------s---     f: fails, s: succeeds; 3 failures, a cooldown of 8
 *     x               c---o-------h-c---     c: closed, o: open, h: half-open
 *
 * ```ts
 * const fleet = createFleet({ …, use: [circuitBreaker({ consecutiveFailures: 5, cooldownMs: 30_000 })] });
 * ```
 *
 * What counts: an attempt that answered is a success, also when its caller leaves amid the answers. A stream counts at its
 * end, but a probe at its first answer, so that no breaker waits for the end of a stream. One that its caller gave up before
 * it answered, or that was outrun by a copy, counts for nothing, and so does one that failed by the fault of the request, that
 * ran out of the time of its call after it had come with less than half of it, or that began before the breaker last changed
 * its state.
 *
 * While it is open its node is ejected: it costs no pick anything. While it is half-open it passes over all but the probes.
 * Calls for which nobody is left fail with `CIRCUIT_OPEN`; those with `waitForReady` wait. The ejection budget is not asked,
 * but counts the node. A node that leaves, and one that comes back under the same id, is forgotten.
 *
 * `breaker.states$` and `fleet.snapshot().policies.circuitBreaker` tell who is not closed; `breakerChanged` in
 * `fleet.events$` tells each change. One value may serve several clients; each has breakers of its own.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): CircuitBreakerPolicy {
  const { perMethod = false, countsAsFailure } = options;
  const callable = countsAsFailure === undefined || typeof countsAsFailure === 'function';
  requireOption(callable, 'circuitBreaker.countsAsFailure', 'a function', typeof countsAsFailure);
  return breakerPolicy({ rules: breakerRules(options, 'circuitBreaker'), perMethod, countsAsFailure });
}
