/**
 * All calls to one node, the first that can be reached.
 *
 * For clients to whom one connection is enough: a leader with its standbys in an order of preference, a control plane, a
 * proxy. It spreads nothing over nodes, so it is not for those who do the work.
 */

import { defer, map } from 'rxjs';
import { isPending, isRoutable } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import type { Balancer, NoPick, Pick, PickContext, Picker } from './picker.js';
import { pickerOf } from './pickerOf.js';
import { withTraits } from './strategy.js';

export interface PickFirstOptions {
  /** Tries the nodes in an order of chance, so that not all clients go to the same. Default false. gRPC name: `shuffleAddressList`. */
  readonly shuffle?: boolean;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Goes through the nodes in their order until one can be reached, and stays with it until it takes no calls any more; then
 * it begins anew from the first. Only the nodes that it tries are dialled, and calls wait meanwhile.
 *
 *     nodes$     a----b----c-----      a = x y (x is being dialled)   b = x cannot be reached   c = y is ready
 *     dialled    x----xy---y-----
 *     pick()     ------------y-y-
 *
 * A call that failed there, or that requires what this node does not offer, goes to the first of the others, which is dialled
 * for it.
 *
 * gRPC name: `pick_first`, https://github.com/grpc/grpc/blob/master/doc/load-balancing.md; order of chance: gRFC A62.
 */
export function pickFirst(options: PickFirstOptions = {}): Balancer {
  const { shuffle = false, random = Math.random } = options;
  return withTraits({ name, weighted: false, keyed: false }, (set$) =>
    defer(() => {
      const search = new Search(shuffle ? random : undefined);
      return set$.pipe(map((set) => search.on(set)));
    }),
  );
}

const name = 'pick_first';

/** The nodes in the order in which they are tried, and how far that has come. */
class Search {
  /** Places of chance, kept by id as long as a node is there. */
  private places = new Map<string, number>();
  private found: string | undefined = undefined;
  private tried: ReadonlySet<string> = new Set();

  constructor(private readonly random: (() => number) | undefined) {}

  on(set: NodeSet): Picker {
    const nodes = this.inOrder(set.nodes.filter(({ weight }) => weight > 0));
    const kept = nodes.find((node) => node.id === this.found && isRoutable(node));
    // Who was there and is gone may be the one to come back.
    if (!kept && this.found !== undefined) this.tried = new Set();
    const tried = kept ? [kept] : this.widened(nodes);
    const found = kept ?? tried.find((node) => isRoutable(node) && node.availability === 'ready');
    const reach = found ? [found] : tried;
    this.found = found?.id;
    this.tried = new Set(reach.map(({ id }) => id));
    return new FirstPicker(set, nodes, reach);
  }

  /** Those that were tried, and one more each time that all of them have failed. */
  private widened(nodes: readonly Node[]): readonly Node[] {
    const tried = nodes.filter(({ id }) => this.tried.has(id));
    for (const node of nodes) {
      if (tried.some((other) => isRoutable(other) || isPending(other))) break;
      if (!this.tried.has(node.id)) tried.push(node);
    }
    return tried;
  }

  private inOrder(nodes: readonly Node[]): readonly Node[] {
    const { random } = this;
    if (!random) return nodes;
    const before = this.places;
    this.places = new Map(nodes.map(({ id }) => [id, before.get(id) ?? random()]));
    return [...nodes].sort((a, b) => this.places.get(a.id)! - this.places.get(b.id)!);
  }
}

class FirstPicker implements Picker {
  readonly reach: NodeSet;
  private readonly picker: Picker;

  constructor(
    readonly set: NodeSet,
    nodes: readonly Node[],
    reach: readonly Node[],
  ) {
    this.reach = NodeSet.of(reach, set.stale);
    const first = reach.find(isRoutable);
    const awaited = !first && reach.some(isPending);
    this.picker = pickerOf(
      set,
      (offered, { requires, exclude }) => {
        if (first && !exclude?.has(first.id) && (!requires || requires.test(first))) return first;
        // The first may come yet, and what it offers is not in question.
        if (awaited && !requires && !exclude?.size) return undefined;
        const able = new Set(offered);
        const others = nodes.filter((node) => able.has(node));
        return others.find(({ availability }) => availability === 'ready') ?? others[0];
      },
      name,
    );
  }

  pick(context: PickContext): Pick | NoPick {
    return this.picker.pick(context);
  }
}
