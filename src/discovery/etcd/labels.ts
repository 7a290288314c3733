/** Facts that a layout has no field for, kept among its metadata by the names that its users have agreed on. */

import type { Node, NodeInit } from '../../core/node.js';

const reserved = ['version', 'weight', 'zone', 'region'] as const;

/** The metadata of a node, with its tags and the facts named by `facts`. */
export function labelsOf(node: Node, facts: readonly (typeof reserved)[number][]): Record<string, string> {
  const labels: Record<string, string> = { ...node.tags, ...node.metadata };
  for (const fact of facts) {
    const value = node[fact];
    if (value !== undefined && !(fact === 'weight' && value === 1)) labels[fact] = String(value);
  }
  return labels;
}

/**
 * What labels say of a node. They are its metadata, and its tags, too: systems with one kind of label select by it.
 * A weight that is no number counts as none.
 */
export function factsOf(labels: Readonly<Record<string, string>>): NodeInit {
  const { version, weight, zone, region, ...tags } = labels;
  const share = Number(weight);
  const facts: NodeInit = { tags, metadata: tags };
  return {
    ...facts,
    ...(version ? { version } : {}),
    ...(zone ? { zone } : {}),
    ...(region ? { region } : {}),
    ...(weight?.trim() && share >= 0 && Number.isFinite(share) ? { weight: share } : {}),
  };
}
