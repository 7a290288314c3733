/**
 * Shares of the calls for groups of nodes: canaries, A/B tests, blue and green.
 *
 * Weights of nodes cannot do this: ten new nodes among ninety old ones would take a tenth only while all of them are
 * up, and a user would meet both versions by turns. Here the group is drawn first, by its weight whatever its size, and
 * equal keys always draw the same group; then the group's own balancer picks the node. Where it is enough that a few
 * nodes take less, node weights are simpler.
 */

import type { Node } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';
import { grouped, traitsOver } from './grouped.js';
import type { Shares } from './grouped/grouping.js';
import { murmur3 } from './murmur3.js';
import type { Balancer } from './picker.js';
import { roundRobin } from './roundRobin.js';
import { withTraits } from './strategy.js';

export interface SplitByWeightOptions {
  /** The group that a node is in; undefined for none. Default: its tag `group`, else its metadata `group`. */
  readonly groupOf?: (node: Node) => string | undefined;
  /** The group of the nodes that are in none; `null` leaves them out. Default: the first one of the weights. */
  readonly ungrouped?: string | null;
  /** What picks within a group, or within each: `{ canary: leastLoaded() }`. Default `roundRobin()`. */
  readonly balancer?: Balancer | Readonly<Record<string, Balancer>>;
  /**
   * Whether a group in which nobody can take the call gives it to the others, by their weights. Default true; false fails
   * the call, for tests that would rather lose it than blur the groups.
   */
  readonly fallback?: boolean;
  /** Two splits with other salts draw independently for the same keys. Default `''`. */
  readonly salt?: string;
  /** Chance for the calls without a key, from 0 up to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Gives each group of nodes its share of the calls, and equal keys to one group.
 *
 *     nodes$     a------      a = s1 s2 (stable), c (canary)
 *     pick(k)    -k-l-k-      90 % of the keys draw stable, 10 % canary
 *     picked     -s-c-s-
 *
 * Shares are relative to their sum; a group of weight 0 takes nothing, also not as a fallback, and neither do nodes of a group
 * that has no weight. When weights change, only the keys at the borders move: put the group that grows last. A call whose
 * group has nobody for it, or nobody that was not tried already, falls to another group; `why` names both.
 * To force a group for a call, require it: `{ name: 'canary', test: (node) => node.tags.group === 'canary' }`.
 *
 *     fleet: balancer: splitByWeight({ stable: 90, canary: 10 }, { balancer: leastLoaded() })
 *
 * xDS name: `weighted_clusters` (gRFC A28), with a hash of the key in the place of chance.
 *
 * @throws FleetError `INVALID_OPTION` for a weight that is no number of at least 0, no weight at all, or an unknown group.
 */
export function splitByWeight(weights: Readonly<Record<string, number>>, options: SplitByWeightOptions = {}): Balancer {
  const { groupOf = taggedGroup, fallback = true, salt = '', random = Math.random, balancer = roundRobin() } = options;
  const all = Object.entries(weights);
  for (const [name, weight] of all) {
    requireOption(weight >= 0 && Number.isFinite(weight), `weights.${name}`, 'a number of at least 0', weight);
  }
  const shares = all.filter(([, weight]) => weight > 0);
  requireOption(shares.length > 0, 'weights', 'the weight of at least one group', JSON.stringify(weights));
  const { ungrouped = all[0]![0] } = options;
  requireOption(ungrouped === null || ungrouped in weights, 'ungrouped', 'one of the groups, or null', ungrouped);
  if (typeof balancer !== 'function') {
    for (const name of Object.keys(balancer)) requireOption(name in weights, `balancer.${name}`, 'of a group', name);
  }
  const balancerOf = (name: string) => (typeof balancer === 'function' ? balancer : (balancer[name] ?? roundRobin()));
  const names = shares.map(([name]) => name);
  const drawn = shares.map(([, weight]) => weight);
  const everyCall: Shares = { first: drawn, next: fallback ? drawn : undefined };
  const inGroup = (node: Node) => groupOf(node) ?? ungrouped ?? undefined;
  const elsewhere = (node: Node) => {
    const group = inGroup(node);
    if (group === undefined) return 'in no group';
    return names.includes(group) ? `in group ${group}` : `group ${group} has no share`;
  };

  return withTraits(traitsOver(policy, names.map(balancerOf)), (set$, ports) =>
    grouped(
      set$,
      {
        ...{ name: policy, seed: salt === '' ? seed : murmur3(salt, seed), random },
        ...{ groupOf: inGroup, names, balancerOf, elsewhere },
        spread: () => ({ sharesFor: () => everyCall }),
      },
      ports,
    ),
  );
}

const policy = 'split_by_weight';
/** The letters SPLT. */
const seed = 0x53504c54;

function taggedGroup({ tags, metadata }: Node): string | undefined {
  return tags.group ?? metadata.group;
}
