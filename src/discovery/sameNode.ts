/** When two forms of a node say the same, so that an unchanged node can keep its object. */

import type { Node } from '../core/node.js';

/** True when nothing differs but the times at which it was seen, and its live `stats`. */
export function sameNode(a: Node, b: Node): boolean {
  if (a === b) return true;
  for (const key of Object.keys(a) as (keyof Node)[]) {
    if (key === 'stats' || key === 'firstSeen' || key === 'lastSeen') continue;
    if (!sameValue(a[key], b[key])) return false;
  }
  return true;
}

function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && sameValue(a[key as never], b[key as never]));
}
