/** What a control plane asks to drop, and the throw of the dice. */

import type { DropFacts } from './readEndpoints.js';

/** A share of the calls to a cluster that the control plane asks to drop before they reach anybody. */
export interface XdsDrop extends DropFacts {
  readonly cluster: string;
}

/**
 * The category that a call is dropped for; undefined for a call that goes on. Each is thrown for in turn, so 10 % and
 * 10 % drop 19 % (gRFC A32).
 *
 * ```ts
 * const drops = new BehaviorSubject<readonly XdsDrop[]>([]);
 * const fleet = createFleet({ discovery: xds({ onDrops: (next) => drops.next(next) }), … });
 * ```
 */
export function dropCategory(drops: readonly DropFacts[], random: () => number = Math.random): string | undefined {
  return drops.find(({ fraction }) => random() < fraction)?.category;
}
