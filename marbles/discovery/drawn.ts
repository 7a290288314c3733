/** How node sets are written in the diagrams of the discovery operators. */

import { map, type Observable } from 'rxjs';
import { createNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

let lastPort = 0;

/** A node of this id, at an address of its own. */
export const node = (id: string, init: NodeInit = {}): Node =>
  createNode({ id, address: `127.0.0.1:${(++lastPort % 60_000) + 1}`, ...init });

export const set = (...nodes: readonly Node[]): NodeSet => NodeSet.of(nodes);

export const stale = (...nodes: readonly Node[]): NodeSet => NodeSet.of(nodes, { since: 0, reason: 'cut off' });

/** `x y` are the nodes; a `!` behind them says that the set is stale. */
export const drawn = (set$: Observable<NodeSet>): Observable<string> =>
  set$.pipe(map((set) => (set.nodes.map(({ id }) => id).join(' ') || 'none') + (set.stale ? ' !' : '')));
