/** The nodes of the cases. */

import type { PickContext, Requirement } from '../../balancer/picker.js';
import { createNode, type Node, type NodeInit } from '../../core/node.js';

export function node(id: string, init: NodeInit = {}): Node {
  return createNode({ address: '10.0.0.1:50051', ...init, id });
}

export function nodes(count: number): Node[] {
  return Array.from({ length: count }, (_, i) => node(`n${i}`));
}

/** A node that meets the requirement of the cases. */
export function reader(id: string, init: NodeInit = {}): Node {
  return node(id, { ...init, tags: { task: 'ocr' } });
}

/** One node for each reason not to take calls. */
export function barred(prefix = 'x'): Node[] {
  return [
    node(`${prefix}1`, { availability: 'connecting' }),
    node(`${prefix}2`, { availability: 'unavailable' }),
    node(`${prefix}3`, { availability: 'draining' }),
    node(`${prefix}4`, { compatibility: 'pending' }),
    node(`${prefix}5`, { compatibility: 'incompatible' }),
    node(`${prefix}6`, { health: 'notServing' }),
    node(`${prefix}7`, { health: 'ejected' }),
    node(`${prefix}8`, { weight: 0 }),
  ];
}

/** What `reader` offers. */
export const task: Requirement = { name: 'task ocr', test: (node) => node.tags.task === 'ocr' };

export function keyed(i: number): PickContext {
  return { key: `key-${i}` };
}
