/** What the options of a concurrency limit come to. */

import type { Node } from '../../core/node.js';
import type { CallInfo } from '../call.js';
import type { LimitAlgorithm } from '../limit.js';

export interface PlaceRules {
  /** How many places there are where nothing is learned; `Infinity` where it is asked of each node. */
  readonly max: number;
  readonly maxOf: ((node: Node) => number | undefined) | undefined;
  readonly algorithm: LimitAlgorithm | undefined;
  /** The key of a call; undefined where there is one limit for all. */
  readonly keyOf: ((call: CallInfo) => string | undefined) | undefined;
  /** How many may wait; 0 for nobody. */
  readonly queueSize: number;
  readonly maxWaitMs: number;
  readonly maxKeys: number;
  /** True where latencies are those to the first answer. */
  readonly byFirstAnswer: boolean;
}
