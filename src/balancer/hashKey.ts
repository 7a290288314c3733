/** The name by which a node is hashed, where other clients must come to the same. */

import type { Node } from '../core/node.js';

/** The `hash_key` of its metadata (gRFC A76; Envoy: `envoy.lb` metadata); undefined where there is none. */
export function hashKeyOf({ metadata }: Node): string | undefined {
  return metadata.hash_key || undefined;
}

/** Whether two lists name the same nodes with the same weights in the same order. */
export function sameKeys(before: readonly Node[], after: readonly Node[], keyOf: (node: Node) => string): boolean {
  if (before.length !== after.length) return false;
  for (let i = 0; i < after.length; i++) {
    const a = before[i]!;
    const b = after[i]!;
    if (a !== b && (a.id !== b.id || a.weight !== b.weight || keyOf(a) !== keyOf(b))) return false;
  }
  return true;
}
