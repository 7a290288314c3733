/**
 * The throttle of gRFC A6: no more retries and hedges while a good part of the attempts fails.
 *
 * A count of tokens begins full; each failure that a retry may mend takes one, each success gives `tokenRatio` back, any other
 * failure does neither, and at half or less nothing is retried. It looks at what became of attempts, a `RetryBudget` at how
 * many calls there are: where a service config asks for it, both must agree.
 */

import { requireOption } from './requireOption.js';
import type { RetryBudget } from './retryBudget.js';

/** gRPC name: `retryThrottling` of a service config. */
export interface RetryThrottleOptions {
  /** Tokens in all, over 0 and at most 1,000. */
  readonly maxTokens: number;
  /** What a success gives back, over 0; further than three places after the point counts for nothing. */
  readonly tokenRatio: number;
}

/**
 * The budget, throttled.
 *
 * @throws FleetError `INVALID_OPTION` for numbers that gRPC would refuse.
 */
export function retryThrottle(budget: RetryBudget, { maxTokens, tokenRatio }: RetryThrottleOptions): RetryBudget {
  requireOption(maxTokens > 0 && maxTokens <= 1_000, 'retryThrottling.maxTokens', 'above 0, at most 1,000', maxTokens);
  requireOption(tokenRatio >= 0.001, 'retryThrottling.tokenRatio', 'at least 0.001', tokenRatio);
  // In thousandths, so that what comes in and goes out adds up exactly.
  const full = maxTokens * 1_000;
  const gain = Math.floor(tokenRatio * 1_000);
  let tokens = full;
  return {
    deposit: (at) => budget.deposit(at),
    withdraw: () => tokens > full / 2 && budget.withdraw(),
    putBack: () => budget.putBack(),
    ended(ok) {
      if (ok === true) tokens = Math.min(full, tokens + gain);
      else if (ok === false) tokens = Math.max(0, tokens - 1_000);
      budget.ended?.(ok);
    },
    wasted: () => budget.wasted?.(),
    copiesAtOnce: (calls) => budget.copiesAtOnce(calls),
    get balance() {
      return tokens > full / 2 ? budget.balance : 0;
    },
  };
}
