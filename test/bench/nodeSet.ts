/** What it costs to change one node of 10,000. */

import { createNode, updateNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

export interface NodeSetRow {
  readonly name: string;
  readonly subject: string;
  readonly against: string;
  /** How many times as fast as `against`. */
  readonly ratio: number;
  /** Of the subject. */
  readonly value: number;
  readonly unit: string;
}

/**
 * One node changes, the rest stay, and somebody asks what changed: derived from the snapshot before, against a snapshot
 * made anew of all nodes.
 */
export function nodeSetRows(quick: boolean): NodeSetRow[] {
  const rounds = quick ? 3_000 : 10_000;
  return [1_000, 10_000].map((count) => {
    const nodes = Array.from({ length: count }, (_, i) =>
      createNode({ id: `node-${i}`, address: `10.0.${i >> 8}.${i & 255}:1` }),
    );
    // The same changes, made beforehand: what is measured is the set.
    const changed = Array.from({ length: rounds }, (_, i) =>
      updateNode(nodes[(i * 7_919) % count]!, { weight: 2 + i }),
    );
    const derived = microseconds(changed, NodeSet.of(nodes), (set, node) => set.with(node));
    const list = [...nodes];
    const places = new Map(nodes.map(({ id }, i) => [id, i]));
    const rebuilt = microseconds(changed.slice(0, Math.ceil(rounds / 10)), NodeSet.of(nodes), (_, node) => {
      list[places.get(node.id)!] = node;
      return NodeSet.of(list);
    });
    return {
      name: `node set ${count} update`,
      subject: 'rxfleet',
      against: 'rebuilding the set',
      ratio: rebuilt / derived,
      value: derived,
      unit: 'µs',
    };
  });
}

/** Per change; the first third warms up. */
function microseconds(changed: readonly Node[], start: NodeSet, next: (set: NodeSet, node: Node) => NodeSet): number {
  let set = start;
  const warm = Math.floor(changed.length / 3);
  let startedAt = 0;
  let seen = 0;
  changed.forEach((node, i) => {
    if (i === warm) startedAt = performance.now();
    const before = set;
    set = next(set, node);
    seen += set.changesSince(before).updated.length;
  });
  const took = performance.now() - startedAt;
  if (seen !== changed.length || set.size !== start.size) throw new Error('the bench lost a change');
  return (took * 1_000) / (changed.length - warm);
}
