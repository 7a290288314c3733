/** The nodes of a zone, and whom to take when there are none. */

import type { OperatorFunction } from 'rxjs';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { preferNodes, type Choice, type PreferNodesOptions } from './preferNodes.js';

export interface WhereZoneOptions extends PreferNodesOptions {
  /**
   * Whom to take while nobody of the zone can take calls: `true` for anybody, a list for these zones in turn, `false`
   * for nobody. Default false.
   */
  readonly fallback?: boolean | readonly string[];
}

/**
 * Keeps the nodes of this zone.
 *
 *     nodes$                            a---b---a--      a = x(eu) y(us)   b = y(us)
 *     ('eu', { fallback: true })        a---b---a--      a = x             b = y
 *
 * A fall back and the way back are as in `preferNodes`, and told to `onChoice`. Keeping traffic in the zone saves time
 * and money; mind that one zone must then be able to bear it.
 *
 * @throws FleetError `INVALID_OPTION` for an empty name.
 */
export function whereZone(zone: string, options: WhereZoneOptions = {}): OperatorFunction<NodeSet, NodeSet> {
  const { fallback = false } = options;
  const zones = [zone, ...(typeof fallback === 'boolean' ? [] : fallback)];
  requireOption(!zones.includes(''), 'whereZone', 'the name of a zone', JSON.stringify(zones));
  const choices = zones.map((name): Choice => ({ name: `zone ${name}`, test: (node) => node.zone === name }));
  if (fallback === true) choices.push({ name: 'any zone', test: () => true });
  return preferNodes(choices, options);
}
