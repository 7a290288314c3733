/** What the options of a rate limit come to. */

import { FleetError } from '../../core/fleetError.js';
import type { CallInfo } from '../call.js';
import type { GateEnd } from '../policy.js';

/** How costs are counted: each call as one, in a unit of `CallOptions.cost`, or by a function. */
export type CostBy = 'calls' | 'bytes' | 'tokens' | (string & {}) | ((call: CallInfo) => number);

export interface RateRules {
  readonly perSecond: number;
  readonly burst: number;
  readonly maxWaitMs: number;
  readonly maxKeys: number;
  /** What is counted, in words, such as `calls`. */
  readonly unit: string;
  /** Throws for a cost that makes no sense. */
  readonly costOf: (call: CallInfo) => number;
  /** The key of a call; undefined where there is one bucket for all. */
  readonly keyOf: ((call: CallInfo) => string | undefined) | undefined;
  /** What a call has cost beyond what it paid; undefined for nothing. */
  readonly settle: ((call: CallInfo, code: GateEnd['code']) => number) | undefined;
}

export function costOf(by: CostBy): RateRules['costOf'] {
  if (by === 'calls') return () => 1;
  const cost = typeof by === 'function' ? by : (call: CallInfo) => call.costIn(by);
  return (call) => {
    const found = cost(call);
    if (found >= 0) return found;
    const what = typeof by === 'function' ? 'what rateLimit.by says' : `its cost in ${by}`;
    throw new FleetError('INVALID_OPTION', `${call.name}: ${what} must be a number of at least 0, not ${found}`);
  };
}
