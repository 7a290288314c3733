/** What a balancer over groups decides: who is in which group, and how the calls spread over them. */

import type { Observable } from 'rxjs';
import type { Node } from '../../core/node.js';
import type { NodeSet } from '../../core/nodeSet.js';
import type { Balancer, Requirement } from '../picker.js';

export interface Grouping {
  /** For `why`: by its name in gRPC or Envoy where it has one. */
  readonly name: string;
  /**
   * With what keys are hashed before a group is drawn. Each grouping has its own, also other than the balancers within
   * the groups have: else one within another would see only a part of the keys.
   */
  readonly seed: number;
  /** Chance for the calls without a key, from 0 up to 1. */
  readonly random: () => number;
  /** The group of a node; undefined for none. */
  readonly groupOf: (node: Node) => string | undefined;
  /** These groups and no others, also while nobody is in them. Default: those that nodes are in, by `compare`. */
  readonly names?: readonly string[];
  readonly compare?: (a: string, b: string) => number;
  /** Whether there is one more group, the last one, which holds every node. Default false. */
  readonly whole?: boolean;
  /** What picks within a group. */
  readonly balancerOf: (group: string) => Balancer;
  /** Asked for each set. */
  readonly spread: (parts: readonly Part[], set: NodeSet) => Spread;
  /** When `spread` is to be asked again although the set is the same. Its end and its errors change nothing. */
  readonly changed$?: Observable<unknown>;
  /** Where a node is that a call did not go to, such as `zone eu-2`. */
  readonly elsewhere: (node: Node) => string;
}

/** The nodes of one group in one set. */
export interface Part {
  readonly name: string;
  readonly nodes: NodeSet;
}

/** How the calls of one set spread over its groups. */
export interface Spread {
  /** What each group's balancer is shown in the place of its part. Default: the part. */
  readonly shown?: readonly NodeSet[];
  /** Asked once for each requirement, when a call brings it. */
  readonly sharesFor: (requires: Requirement | undefined) => Shares;
}

/** Figures in the order of the groups; at least 0, and relative to their sum. */
export interface Shares {
  /** Chances of the first draw. */
  readonly first: readonly number[];
  /** Chances of the draws that follow while a group has nobody; undefined where no other group takes over. */
  readonly next: readonly number[] | undefined;
  /** True: the others take over in their order, whatever their chances. Default false. */
  readonly inOrder?: boolean;
  /** What `why` calls each group. Default: its name. */
  readonly labels?: readonly string[];
}
