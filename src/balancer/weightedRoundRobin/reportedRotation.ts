/** Turns by weights that change while nobody picks. */

import type { Node } from '../../core/node.js';
import { CreditRing, startingPart } from '../creditRing.js';
import { drawExcept } from '../drawExcept.js';
import type { Excluded } from '../picker.js';
import type { Chooser } from '../strategy.js';
import { carryTurn } from '../turn.js';
import type { LoadWeights, ReportedLoad } from './loadWeights.js';

/** A weight counts for at most so many times the mean, and at least for such a part of it; gRPC's numbers. */
const mostOfMean = 10;
const leastOfMean = 0.01;

export class ReportedRotation implements Chooser {
  private nodes: readonly Node[] = [];
  private loads: readonly (ReportedLoad | undefined)[] = [];
  private ring = new CreditRing(new Float64Array(0), startingPart);
  private epoch = -1;
  private draws = 0;
  private readonly weights: LoadWeights;
  private readonly random: (() => number) | undefined;

  constructor(weights: LoadWeights, random: (() => number) | undefined) {
    this.weights = weights;
    this.random = random;
  }

  choose(): number {
    if (this.epoch !== this.weights.epoch) this.weigh((index) => this.ring.part(index), this.ring.next);
    return this.ring.take();
  }

  chooseExcept(exclude: Excluded): number {
    return drawExcept(
      this.nodes,
      exclude,
      () => this.choose(),
      () => startingPart(++this.draws),
      (_, index) => this.ring.weights[index]!,
    );
  }

  score(index: number): number {
    return this.ring.weights[index]!;
  }

  update(nodes: readonly Node[]): void {
    const { nodes: before, ring, random } = this;
    this.nodes = nodes;
    this.loads = nodes.map(({ id }) => this.weights.of(id));
    if (before.length === 0) {
      this.weigh(startingPart, random ? Math.floor(random() * nodes.length) : 0);
    } else if (sameIds(before, nodes)) {
      this.weigh((index) => ring.part(index), ring.next);
    } else {
      const parts = new Map(before.map(({ id }, index) => [id, ring.part(index)]));
      this.weigh((index) => parts.get(nodes[index]!.id) ?? startingPart(index), carryTurn(before, ring.next, nodes));
    }
  }

  private weigh(parts: (index: number) => number, next: number): void {
    this.epoch = this.weights.epoch;
    this.ring = new CreditRing(weightsOf(this.loads), parts);
    this.ring.next = next;
  }
}

/** Who has no weight of its own gets the mean; where only one has, that is the same for all. */
function weightsOf(loads: readonly (ReportedLoad | undefined)[]): Float64Array {
  const weights = new Float64Array(loads.length);
  let sum = 0;
  let count = 0;
  for (let i = 0; i < loads.length; i++) {
    const weight = loads[i]?.weight ?? 0;
    weights[i] = weight;
    sum += weight;
    if (weight > 0) count++;
  }
  if (count === 0) return weights.fill(1);
  const mean = sum / count;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i]!;
    weights[i] = weight > 0 ? Math.min(mostOfMean * mean, Math.max(leastOfMean * mean, weight)) : mean;
  }
  return weights;
}

function sameIds(before: readonly Node[], after: readonly Node[]): boolean {
  if (before.length !== after.length) return false;
  for (let i = 0; i < after.length; i++) {
    if (before[i] !== after[i] && before[i]!.id !== after[i]!.id) return false;
  }
  return true;
}
