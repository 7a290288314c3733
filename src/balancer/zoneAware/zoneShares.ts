/** How Envoy spreads the calls of one zone over the zones of the nodes. */

/** How many nodes, or how much weight, a zone has for a call. */
export interface ZoneCapacity {
  readonly name: string;
  readonly capacity: number;
}

/** Sums of weights that are this near count as equal. */
const tolerance = 1e-9;

/**
 * The share of each zone in the calls of the callers in `local`. A zone whose share of the nodes is at least its share
 * of the callers serves all of its own. Else it serves as many as its share allows, and the others get the rest in
 * proportion to what they have left beyond their own callers.
 *
 * @param zones those that have nodes; some capacity in all.
 * @param clients the callers in each zone; some in `local`.
 */
export function zoneShares(
  zones: readonly ZoneCapacity[],
  local: string,
  clients: ReadonlyMap<string, number>,
): readonly number[] {
  const capacity = zones.reduce((sum, zone) => sum + zone.capacity, 0);
  const callers = [...clients.values()].reduce((sum, count) => sum + count, 0);
  const has = (zone: ZoneCapacity | undefined) => (zone?.capacity ?? 0) / capacity;
  const needs = (name: string) => (clients.get(name) ?? 0) / callers;
  const own = has(zones.find(({ name }) => name === local));
  const kept = own > 0 && own >= needs(local) - tolerance ? 1 : own / needs(local);
  const spare = zones.map((zone) => (zone.name === local ? 0 : Math.max(0, has(zone) - needs(zone.name))));
  const allSpare = spare.reduce((sum, each) => sum + each, 0);
  return zones.map(({ name }, i) =>
    name === local ? kept : kept === 1 || allSpare === 0 ? 0 : ((1 - kept) * spare[i]!) / allSpare,
  );
}
