/** Each routable node in its turn: even by count, whatever the calls cost. */

import type { Node } from '../core/node.js';
import type { Balancer, Excluded } from './picker.js';
import { balancerOf, type Chooser } from './strategy.js';
import { carryTurn } from './turn.js';

export interface RoundRobinOptions {
  /**
   * Where the first turn falls. Default: at the first node. Give `Math.random` where many clients start at once,
   * or they all begin with the same node.
   */
  readonly random?: () => number;
}

/**
 * Takes the routable nodes in turn.
 *
 * Each new set yields a new picker; the turn carries over by identity, so a rolling restart does not favour the first
 * node, and a node that dies gives its turn to the next. Calls with a requirement have a turn of their own.
 * Use it where calls cost about the same; where they do not, `leastLoaded()` or `powerOfTwo()`.
 *
 *     nodes$   a---b--|      a = x y z   b = x z
 *     pick()   -x-y-z-|
 *
 * gRPC name: `round_robin`.
 */
export function roundRobin(options: RoundRobinOptions = {}): Balancer {
  const { random } = options;
  return balancerOf('round_robin', () => ({ chooser: () => new Rotation(random) }));
}

class Rotation implements Chooser {
  private nodes: readonly Node[] = [];
  private size = 0;
  private next = 0;
  private readonly random: (() => number) | undefined;

  constructor(random: (() => number) | undefined) {
    this.random = random;
  }

  update(nodes: readonly Node[]): void {
    const first = this.size === 0 && this.random;
    this.next = first ? Math.floor(first() * nodes.length) : carryTurn(this.nodes, this.next, nodes);
    this.nodes = nodes;
    this.size = nodes.length;
  }

  choose(): number {
    const index = this.next;
    this.next = index + 1 === this.size ? 0 : index + 1;
    return index;
  }

  chooseExcept(exclude: Excluded): number {
    let index = this.choose();
    while (exclude.has(this.nodes[index]!.id)) index = this.choose();
    return index;
  }
}
