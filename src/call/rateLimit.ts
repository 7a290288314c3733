/**
 * No more calls, bytes or tokens a second than were agreed on.
 *
 * A server that sends calls away for coming too fast has read them first, and a caller who finds out by being sent away has
 * paid for the way. Where the rate is known (a quota of a tenant, a price, what a node can take) it is kept here, before
 * anything is sent. Calls go through at once while there are tokens; then they wait a little, or fail at once when the wait
 * would be longer than they may wait, with the time that it would have taken.
 *
 * Do not use it to find out what nodes can bear: a rate that is right today is wrong when a node is added or slows down.
 * `concurrencyLimit` follows what there is. And it knows of this client alone: ten processes with ten a second are a hundred.
 *
 * The algorithm is the token bucket, as in golang.org/x/time/rate and Envoy's local rate limit.
 */

import { requireOption } from '../core/requireOption.js';
import { checkTokenBucketOptions } from '../core/tokenBucket.js';
import type { FleetErrorCode } from '../core/errorCodes.js';
import type { CallInfo } from './call.js';
import type { Policy } from './policy.js';
import { CallRate } from './rateLimit/callRate.js';
import { NodeRate } from './rateLimit/nodeRate.js';
import { costOf, type CostBy, type RateRules } from './rateLimit/rateRules.js';

export interface RateLimitOptions {
  /** What comes each second, over 0; fractions are fine. Envoy: `tokens_per_fill` by `fill_interval`. */
  readonly perSecond: number;
  /**
   * What may pass at once after a pause; a call that costs more never passes. At least 1. Default `perSecond`, but at least 1.
   * Envoy: `max_tokens`.
   */
  readonly burst?: number;
  /**
   * How long a call may wait, in milliseconds. One that would wait longer, or past its deadline, is refused at once. Default
   * 0: nobody waits. `Infinity`: only the deadline counts.
   */
  readonly maxWaitMs?: number;
  /**
   * What is counted. `calls`: each as one. Else a unit of `CallOptions.cost`, such as `tokens`, in which calls cost nothing
   * that do not say; or a function, which must say the same each time it is asked for a call. Default `calls`.
   */
  readonly by?: CostBy;
  /**
   * What has a bucket of its own. `client`: one for all calls. `node`: one for each node, for each attempt on it. Or the key of
   * a call, one for each: its tenant, `({ metadata }) => String(metadata?.['x-tenant-id'])`, or what it requires, such as a
   * model, `({ options }) => options.requires?.name`. Default `client`.
   */
  readonly per?: 'client' | 'node' | ((call: CallInfo) => string | undefined);
  /**
   * What a call has cost beyond what it paid at first, told when it is over; below 0 gives back. Who comes next waits for what
   * was spent too much. For what is known only then, such as the tokens of an answer. With `per: 'node'`, of each attempt.
   */
  readonly settle?: (call: CallInfo, code: FleetErrorCode | 'OK') => number;
  /**
   * How many keys are told apart. Buckets that are full and that nobody waits for are forgotten for new ones; while there is
   * none, new keys share one bucket. Default 10,000.
   */
  readonly maxKeys?: number;
  /** As events and the snapshot call it, where a client has several. Default `rateLimit`. */
  readonly name?: string;
}

/**
 * Lets so many calls a second through.
 *
 *     calls     (abc)------      perSecond: 250, burst: 1, maxWaitMs: 4
 *     sent      a---b------
 *     refused   c----------      c would wait for 8 ms
 *
 * Those who wait are let in by their priority, then as they came; a caller who leaves gives the place back. A call counts once,
 * however many attempts it takes, unless it is the nodes that are limited. What is refused here never reached a node: it
 * counts against none of them, and is not tried again.
 *
 * ```ts
 * createFleet({ …, use: [rateLimit({ perSecond: 500, burst: 50, maxWaitMs: 100 })] });
 * rateLimit({ perSecond: 10_000, by: 'tokens', per: ({ metadata }) => String(metadata?.['x-tenant-id']) });
 * ```
 *
 * clientPool's `NewRateLimiterMiddleware(rps, burst, timeout)` is
 * `rateLimit({ perSecond: rps, burst, maxWaitMs: timeout > 0 ? timeout : Infinity })`: one bucket for the pool, a wait that is
 * refused at once when it would pass the timeout or the deadline, and no failure of a client when it is.
 *
 * Fails calls with `RATE_LIMITED`.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function rateLimit(options: RateLimitOptions): Policy {
  const rules = rulesOf(options);
  const { name = 'rateLimit' } = options;
  return {
    name,
    start: (ports) => (options.per === 'node' ? new NodeRate(rules, ports) : new CallRate(rules, ports)),
  };
}

function rulesOf(options: RateLimitOptions): RateRules {
  checkTokenBucketOptions(options, 'rateLimit');
  const { perSecond, burst = Math.max(1, perSecond), maxWaitMs = 0, by = 'calls', per = 'client', settle } = options;
  const { maxKeys = 10_000 } = options;
  const known = per === 'client' || per === 'node' || typeof per === 'function';
  requireOption(maxWaitMs >= 0, 'rateLimit.maxWaitMs', 'at least 0', maxWaitMs);
  requireOption(typeof by === 'function' || (typeof by === 'string' && by !== ''), 'rateLimit.by', 'a unit', by);
  requireOption(known, 'rateLimit.per', "'client', 'node' or a function", per);
  requireOption(settle === undefined || typeof settle === 'function', 'rateLimit.settle', 'a function', settle);
  requireOption(Number.isInteger(maxKeys) && maxKeys >= 1, 'rateLimit.maxKeys', 'a whole number from 1', maxKeys);
  return {
    ...{ perSecond, burst, maxWaitMs, settle },
    // Nodes are as many as there are.
    maxKeys: per === 'node' ? Infinity : maxKeys,
    unit: typeof by === 'function' ? 'units' : by,
    costOf: costOf(by),
    keyOf: typeof per === 'function' ? per : undefined,
  };
}
