/** What a balancer yields: a value that picks a node for each call, at once. */

import type { Observable } from 'rxjs';
import type { EventSink } from '../core/eventSink.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { Outcome } from '../core/nodeStats.js';
import type { Refusal, Why } from '../core/why.js';
import type { BalancerEvent } from './balancerEvent.js';

/**
 * A strategy: from node sets to pickers. `nodes$.pipe(roundRobin())` yields a picker per set; what the strategy
 * remembers (whose turn it is, the ring) survives the sets, but not the subscription.
 */
export interface Balancer {
  /** @param ports what a client gives to its balancer, and a balancer to those within it. */
  (set$: Observable<NodeSet>, ports?: BalancerPorts): Observable<Picker>;
  /** What can be said of it before it picks. Default: nothing is known. */
  readonly traits?: BalancerTraits;
}

/** What a balancer needs of the client around it. */
export interface BalancerPorts {
  readonly events: EventSink<BalancerEvent>;
}

/** What a strategy heeds, so that an option that would have no effect on it can be refused. */
export interface BalancerTraits {
  /** By its gRPC name where it has one, as in `why`. */
  readonly name: string;
  /** Whether the weights of nodes count. */
  readonly weighted: boolean;
  /** Whether equal keys of calls go to one node. */
  readonly keyed: boolean;
}

/** Picks for the nodes of one snapshot. Replaced whenever the set changes. */
export interface Picker {
  /** The snapshot it picks from. */
  readonly set: NodeSet;
  /** The nodes that are dialled before a call asks for them, where they are not all. */
  readonly reach?: NodeSet;
  /**
   * A node in the form in which it picks from it, where that need not be the one in `set`: balancers within may be shown
   * some as if nothing were known of their health. Undefined for one that is out of its reach.
   */
  shown?(id: string): Node | undefined;
  /** Synchronous. A pick counts as in flight on its node until its `end`. */
  pick(context: PickContext): Pick | NoPick;
  /**
   * To be told of a call on one of its nodes that it did not pick, as it begins and, with the outcome, as it ends; there
   * where it keeps account of calls or learns from them.
   */
  readonly noted?: (node: Node, outcome: Outcome | undefined) => void;
}

/** What one call asks of its node. */
export interface PickContext {
  /** Key of the call for strategies that send equal keys to one node, such as `consistentHash`. */
  readonly key?: string;
  /** What the node must offer, such as a task. */
  readonly requires?: Requirement;
  /**
   * Nodes to pass over, such as those that were tried already: taken all the same when nobody else is left, unless
   * `strict`.
   */
  readonly exclude?: Excluded;
  /** Nobody is picked rather than a node of `exclude`. */
  readonly strict?: boolean;
}

/** Ids of nodes, and for the account of the pick why each is passed over; a plain `Set` means that they were tried. */
export type Excluded = ReadonlySet<string> | ReadonlyMap<string, Refusal>;

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
  /** The node is not used after all: the pick ends as if it had never been. */
  release(): void;
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
