/** When a breaker opens, for how long, and what closes it. */

import { exponentialBackoff, type Backoff } from '../../core/backoff.js';
import { requireOption } from '../../core/requireOption.js';
import type { TrialRules } from './trial.js';

/** What every circuit breaker can be told. It opens for failures in a row or for a rate of failures, whichever comes first. */
export interface BreakerOptions {
  /** So many failures in a row open it; `false`: it goes by the rate alone. Default 5. Envoy: `consecutive_5xx`. */
  readonly consecutiveFailures?: number | false;
  /** So many failures among the attempts of late open it. Default: it goes by failures in a row alone. */
  readonly failureRate?: FailureRateOptions;
  /**
   * An answer that took longer than this is a failure, in milliseconds; of a stream, its first answer. Default: any answer is
   * a success. Resilience4j: `slowCallDurationThreshold`, with slow calls and failures in one rate.
   */
  readonly slowCallMs?: number;
  /** How long it stays open, in milliseconds, from 1 to a day. Default 30,000. Envoy: `base_ejection_time`. */
  readonly cooldownMs?: number;
  /** Each opening that follows a failed trial lasts this many times the one before, at least 1. Default 2. */
  readonly cooldownMultiplier?: number;
  /**
   * The longest that it stays open, in milliseconds, before jitter. Default 300,000, or `cooldownMs` where that is more.
   * Envoy: `max_ejection_time`.
   */
  readonly maxCooldownMs?: number;
  /** Each cooldown is spread evenly over ± this fraction, so that clients do not all come back at once. Default 0.1. */
  readonly jitter?: number;
  /** How it finds out whether it may close. */
  readonly halfOpen?: HalfOpenOptions;
}

export interface FailureRateOptions {
  /** This share of the attempts must have failed, above 0, at most 1. Resilience4j: `failureRateThreshold`. */
  readonly ratio: number;
  /** Of those that ended in so many milliseconds, at least 10, within a tenth. Default 10,000. */
  readonly windowMs?: number;
  /** As long as there are fewer, the rate means nothing. Default 10. Resilience4j: `minimumNumberOfCalls`. */
  readonly minimumCalls?: number;
}

export interface HalfOpenOptions {
  /** So many attempts are let through at once. Default 1. */
  readonly probes?: number;
  /**
   * So many successes close it, and it opens again once they cannot be reached any more. Up to the number of `probes`: so many
   * of them must succeed, as 2 of 3. More: so many in a row. Default: all `probes`.
   */
  readonly successes?: number;
  /** After so many milliseconds without an answer a probe has failed, and gives its place back. Default 30,000. */
  readonly probeTimeoutMs?: number;
}

/** The same, complete. */
export interface BreakerRules extends TrialRules {
  /** `Infinity`: it does not go by failures in a row. */
  readonly consecutiveFailures: number;
  readonly failureRate: Required<FailureRateOptions> | undefined;
  /** `Infinity`: no answer is too slow. */
  readonly slowCallMs: number;
  /** How long its first opening lasts, its second, … */
  readonly cooldown: Backoff;
}

const dayMs = 86_400_000;

/**
 * The rules that these options mean.
 *
 * @param of the name of the factory, for the message.
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function breakerRules(options: BreakerOptions, of: string): BreakerRules {
  const { consecutiveFailures = 5, failureRate, slowCallMs = Infinity, halfOpen = {} } = options;
  const { cooldownMs = 30_000, cooldownMultiplier = 2, jitter = 0.1 } = options;
  const { maxCooldownMs = Math.max(300_000, cooldownMs) } = options;
  const { probes = 1, successes = probes, probeTimeoutMs = 30_000 } = halfOpen;
  const check = (ok: boolean, field: string, rule: string, value: unknown) =>
    requireOption(ok, `${of}.${field}`, rule, value);

  const opens = consecutiveFailures !== false || failureRate !== undefined;
  check(opens, 'consecutiveFailures', 'set where there is no failureRate, or it could never open', consecutiveFailures);
  const inARow = consecutiveFailures === false || isCount(consecutiveFailures);
  check(inARow, 'consecutiveFailures', 'a whole number from 1, or false', consecutiveFailures);
  check(slowCallMs > 0, 'slowCallMs', 'above 0', slowCallMs);
  check(cooldownMs >= 1 && cooldownMs <= dayMs, 'cooldownMs', 'from 1 to 86,400,000', cooldownMs);
  check(cooldownMultiplier >= 1, 'cooldownMultiplier', 'at least 1', cooldownMultiplier);
  const max = maxCooldownMs >= cooldownMs && maxCooldownMs <= dayMs;
  check(max, 'maxCooldownMs', 'from cooldownMs to 86,400,000', maxCooldownMs);
  check(jitter >= 0 && jitter <= 1, 'jitter', 'from 0 to 1', jitter);
  check(isCount(probes), 'halfOpen.probes', 'a whole number from 1', probes);
  check(isCount(successes), 'halfOpen.successes', 'a whole number from 1', successes);
  const timeout = probeTimeoutMs >= 1 && probeTimeoutMs <= dayMs;
  check(timeout, 'halfOpen.probeTimeoutMs', 'from 1 to 86,400,000', probeTimeoutMs);

  return {
    consecutiveFailures: consecutiveFailures === false ? Infinity : consecutiveFailures,
    failureRate: failureRate && checkedRate(failureRate, check),
    slowCallMs,
    cooldown: exponentialBackoff({
      initialBackoffMs: cooldownMs,
      maxBackoffMs: maxCooldownMs,
      backoffMultiplier: cooldownMultiplier,
      jitter,
    }),
    ...{ probes, successes, probeTimeoutMs },
  };
}

function checkedRate(
  { ratio, windowMs = 10_000, minimumCalls = 10 }: FailureRateOptions,
  check: (ok: boolean, field: string, rule: string, value: unknown) => void,
): Required<FailureRateOptions> {
  check(ratio > 0 && ratio <= 1, 'failureRate.ratio', 'above 0, at most 1', ratio);
  check(windowMs >= 10 && windowMs < Infinity, 'failureRate.windowMs', 'at least 10', windowMs);
  check(isCount(minimumCalls), 'failureRate.minimumCalls', 'a whole number from 1', minimumCalls);
  return { ratio, windowMs, minimumCalls };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}
