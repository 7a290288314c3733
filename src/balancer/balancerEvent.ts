/** What becomes of the figures that balancers go by, as it happens. */

import type { Node } from '../core/node.js';

/**
 * What the load reports of a node are good for: `usable`; `notYetUsable`: there was none, or not for long enough (gRFC A58:
 * the blackout period); `stale`: the last is too old.
 */
export type LoadWeightState = 'usable' | 'notYetUsable' | 'stale';

/** The weight of a node by its load reports. */
export interface NodeLoadWeight {
  readonly node: Node;
  readonly state: LoadWeightState;
  /** Before it is held within its bounds; 0 unless it is usable. */
  readonly weight: number;
}

/**
 * `weightedRoundRobin` by load reports has looked at them, as it does once a `weightUpdateMs`. Where it works within
 * another balancer, that of each group tells its own, so each node is told of once.
 */
export interface LoadWeightsUpdated {
  readonly type: 'loadWeightsUpdated';
  readonly at: number;
  /** Of the nodes that may take calls. */
  readonly weights: readonly NodeLoadWeight[];
  /** Whether all take plain turns, since fewer than two weights are usable. */
  readonly plain: boolean;
}

export type BalancerEvent = LoadWeightsUpdated;
