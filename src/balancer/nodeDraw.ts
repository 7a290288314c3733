/** Draws a few different nodes of a list, each as likely as its weight says. */

import type { Node } from '../core/node.js';
import { aliasTable, drawFrom, type AliasTable } from './aliasTable.js';
import { drawExcept } from './drawExcept.js';
import type { Excluded } from './picker.js';
import { sameWeights } from './sameWeights.js';

export class NodeDraw {
  size = 0;
  private nodes: readonly Node[] = [];
  /** Undefined while all weights are equal: then a draw need not look anything up. */
  private table: AliasTable | undefined = undefined;
  /** What `several` drew, in that order; and in order of place. */
  readonly drawn: Int32Array;
  private readonly sorted: Int32Array;
  private readonly random: () => number;

  /** @param most how many are drawn at once, at most. */
  constructor(random: () => number, most = 2) {
    this.random = random;
    this.drawn = new Int32Array(most);
    this.sorted = new Int32Array(most);
  }

  update(nodes: readonly Node[]): void {
    const before = this.nodes;
    this.nodes = nodes;
    this.size = nodes.length;
    if (sameWeights(before, nodes)) return;
    const weights = nodes.map(({ weight }) => weight);
    this.table = weights.every((weight) => weight === weights[0]) ? undefined : aliasTable(weights);
  }

  first(): number {
    return this.table === undefined ? Math.floor(this.random() * this.size) : drawFrom(this.table, this.random);
  }

  /** A second one. */
  other(first: number): number {
    if (this.table !== undefined) {
      const index = drawFrom(this.table, this.random);
      if (index !== first) return index;
    }
    const index = Math.floor(this.random() * (this.size - 1));
    return index < first ? index : index + 1;
  }

  /** So many at once, the first of which is given, into `drawn`. */
  several(first: number, count: number): void {
    const { drawn, sorted } = this;
    drawn[0] = first;
    sorted[0] = first;
    for (let known = 1; known < count; known++) {
      const index = this.another(known);
      drawn[known] = index;
      let place = known;
      for (; place > 0 && sorted[place - 1]! > index; place--) sorted[place] = sorted[place - 1]!;
      sorted[place] = index;
    }
  }

  /** One that is not excluded, as likely as its weight says; there must be one. */
  except(exclude: Excluded): number {
    return drawExcept(
      this.nodes,
      exclude,
      () => this.first(),
      this.random,
      (node) => node.weight,
    );
  }

  private another(known: number): number {
    const { sorted } = this;
    if (this.table !== undefined) {
      const index = drawFrom(this.table, this.random);
      let isNew = true;
      for (let i = 0; i < known; i++) if (sorted[i] === index) isNew = false;
      if (isNew) return index;
    }
    // Each of the rest as likely: counted off along those that are drawn already.
    let index = Math.floor(this.random() * (this.size - known));
    for (let i = 0; i < known && sorted[i]! <= index; i++) index++;
    return index;
  }
}
