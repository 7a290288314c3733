/** What priority and weight of SRV records come to as the weight of a node. */

/** Each group of a priority gets this share of the traffic of the group before it, while that one serves. */
const shareOfNext = 0.001;
/** "A very small chance" beside records with a weight (RFC 2782). */
const weightOfZero = 0.1;

/**
 * One weight for each record, in their order.
 *
 * Within the lowest priority the weights are as given; a 0 among others counts as 0.1, and only zeros as 1 each. Records
 * of higher priorities are kept as reserves: each group together weighs a thousandth of the one before, so that a
 * balancer that heeds weights all but ignores them, until the nodes before them do not serve and they are all there is.
 */
export function srvWeights(records: readonly { readonly priority: number; readonly weight: number }[]): number[] {
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
  const plain = new Map(
    priorities.map((priority) => {
      const group = records.filter((record) => record.priority === priority);
      const anyWeight = group.some(({ weight }) => weight > 0);
      const weightOf = (weight: number) => (anyWeight ? weight || weightOfZero : 1);
      return [priority, { weightOf, sum: group.reduce((sum, { weight }) => sum + weightOf(weight), 0) }];
    }),
  );
  const whole = plain.get(priorities[0]!)?.sum ?? 0;
  return records.map(({ priority, weight }) => {
    const rank = priorities.indexOf(priority);
    const { weightOf, sum } = plain.get(priority)!;
    return rank === 0 ? weightOf(weight) : (weightOf(weight) / sum) * whole * shareOfNext ** rank;
  });
}
