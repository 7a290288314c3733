/** What a balancer yields: a value that picks a node for each call, at once. */

import type { OperatorFunction } from 'rxjs';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { Outcome } from '../core/nodeStats.js';

/**
 * A strategy: from node sets to pickers. `nodes$.pipe(roundRobin())` yields a picker per set; what the strategy
 * remembers (whose turn it is, the ring) survives the sets, but not the subscription.
 */
export type Balancer = OperatorFunction<NodeSet, Picker>;

/** Picks for the nodes of one snapshot. Replaced whenever the set changes. */
export interface Picker {
  /** The snapshot it picks from. */
  readonly set: NodeSet;
  /** Synchronous. A pick counts as in flight on its node until its `end`. */
  pick(context: PickContext): Pick | NoPick;
}

/** What one call asks of its node. */
export interface PickContext {
  /** Key of the call for strategies that send equal keys to one node, such as `consistentHash`. */
  readonly key?: string;
  /** What the node must offer, such as a task. */
  readonly requires?: Requirement;
  /** Ids of nodes that were tried already: taken again only when nobody else is left. */
  readonly exclude?: ReadonlySet<string>;
}

/** A condition on nodes. Equal names mean equal conditions, so that pickers can keep the list of those who meet it. */
export interface Requirement {
  /** In words, for messages and as the key of the list: `task ocr`, `task ocr, model pp-ocr`. */
  readonly name: string;
  readonly test: (node: Node) => boolean;
}

/** A node for a call. */
export interface Pick {
  readonly node: Node;
  /** Tells how it ended, exactly once; later calls do nothing. */
  end(outcome: Outcome): void;
  /** Why this one, and why not the others; computed when read. */
  readonly why: Why;
}

/** No node for a call. */
export interface NoPick {
  readonly node?: undefined;
  /** `pending`: waiting can help, since nodes are being dialled or asked. */
  readonly pending: boolean;
  /** `NO_NODE_FOR_TASK` when there are routable nodes but none meets the requirement. */
  readonly code: 'NO_NODES' | 'NO_NODE_FOR_TASK';
  readonly why: Why;
}

/** The account of one pick. */
export interface Why {
  /** The strategy, by its gRPC name where it has one. */
  readonly strategy: string;
  /** How many nodes could have taken the call. */
  readonly candidates: number;
  /** The others, each with its reason. */
  readonly leftOut: readonly { readonly node: string; readonly reason: string }[];
}
