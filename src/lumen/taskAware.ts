/**
 * Nodes that suit the task best, more often.
 *
 * Lumen's first clients ranked the nodes for a task by a score: hardware, precisions, load, errors. Taken by rank,
 * every client of a network runs to the same node. Here the score is a weight: a node that suits twice as well takes
 * twice as many calls, and the others still take theirs. It guesses from what nodes say of themselves; where they
 * report their load, `leastLoaded()` knows better.
 *
 * The numbers are those of the task-aware strategies of the Lumen SDK for Go up to version 1.1
 * (`pkg/client/balancer.go`).
 */

import { CreditRing, startingPart } from '../balancer/creditRing.js';
import { drawExcept } from '../balancer/drawExcept.js';
import type { Balancer, Excluded, Requirement } from '../balancer/picker.js';
import { balancerOf, type Chooser } from '../balancer/strategy.js';
import { carryTurn } from '../balancer/turn.js';
import type { Capability } from '../core/capability.js';
import type { LoadReport } from '../core/loadReport.js';
import type { Node } from '../core/node.js';
import type { NodeStats } from '../core/nodeStats.js';
import { requireOption } from '../core/requireOption.js';
import { offerOf, type TaskDemand, type TaskRequirement } from './taskRequirement.js';

export interface TaskAwareOptions {
  /** Whether the nodes take turns or are drawn, by their scores. Default `roundRobin`. */
  readonly pick?: 'roundRobin' | 'random';
  /** Chance, from 0 up to 1: for the draws (default `Math.random`), or where the first turn falls (default: first). */
  readonly random?: () => number;
}

/**
 * Picks among the nodes that offer the task by their scores, times their weights. The score is
 *
 *     10 + 20 for the task + runtime + precisions + 0.1 × maxConcurrency − 5 × cpu − 5 × memory − 20 × errors
 *
 * - runtime: 10 for CUDA or TensorRT, 8 for Core ML or ANE, else 2; precisions: 2 for int8 and 1.5 for fp16. Of the
 *   service that offers the task; of the best one for calls that require none.
 * - `maxConcurrency` counts up to 100, since it is only what a node says.
 * - cpu and memory as the node last reported them, 0 to 1.
 * - errors: the share of failures among its last attempts, about ten: each new one weighs a tenth.
 *
 * A score under 1 counts as 1, so that a node that fails is asked again now and then. The scores stand in `why`.
 *
 *     nodes$   a---------|      a = x (score 40) y (score 20)
 *     pick()   -p-p-p-p--|
 *     picked   -x-x-y-x--|
 *
 * Lumen names: `task_aware_round_robin`, `task_aware_random`.
 *
 * @throws FleetError `INVALID_OPTION` for another way to pick.
 */
export function taskAware(options: TaskAwareOptions = {}): Balancer {
  const { pick = 'roundRobin', random } = options;
  requireOption(pick === 'roundRobin' || pick === 'random', 'pick', "'roundRobin' or 'random'", pick);
  const name = pick === 'roundRobin' ? 'task_aware_round_robin' : 'task_aware_random';
  const chooser = (requires: Requirement | undefined) =>
    pick === 'roundRobin'
      ? new TurnsByScore(demandOf(requires), random)
      : new DrawsByScore(demandOf(requires), random ?? Math.random);
  return balancerOf(name, () => ({ chooser }), { weights: true });
}

/** What a node is worth for a demand, but for its load and its errors. */
export function taskScore(node: Pick<Node, 'capabilities'>, demand: TaskDemand | undefined): number {
  const offer = demand && offerOf(node, demand);
  if (offer) return 30 + capabilityScore(offer.capability);
  return node.capabilities.reduce((best, each) => Math.max(best, 10 + capabilityScore(each)), 10);
}

const leastScore = 1;
const mostConcurrency = 100;
const decay = 0.1;

function capabilityScore({ runtime, precisions, maxConcurrency }: Capability): number {
  const words = new Set(runtime.toLowerCase().split(/[^a-z0-9]+/));
  const hardware = words.has('cuda') || words.has('tensorrt') ? 10 : words.has('coreml') || words.has('ane') ? 8 : 2;
  const precision = (precisions.includes('int8') ? 2 : 0) + (precisions.includes('fp16') ? 1.5 : 0);
  return hardware + precision + 0.1 * Math.min(mostConcurrency, Math.max(0, maxConcurrency));
}

function demandOf(requires: Requirement | undefined): TaskDemand | undefined {
  return requires && 'demand' in requires ? (requires as TaskRequirement).demand : undefined;
}

/** What is known of each node, by its place: side by side, since a pick looks at several. */
interface Figures {
  /** Its score, but for its errors and its load. */
  readonly bases: Float64Array;
  /** What its load takes off, and the report that this was reckoned from. */
  readonly loads: Float64Array;
  readonly reports: (LoadReport | undefined)[];
  /** Its weight, as a part of the greatest. */
  readonly parts: Float64Array;
  /** Attempts that were seen, and the share of failures among the last of them. */
  readonly successes: Float64Array;
  readonly failures: Float64Array;
  readonly errors: Float64Array;
}

function figuresOf(size: number): Figures {
  const zeros = () => new Float64Array(size);
  return {
    ...{ bases: zeros(), loads: zeros(), parts: zeros(), successes: zeros(), failures: zeros(), errors: zeros() },
    reports: new Array<LoadReport | undefined>(size).fill(undefined),
  };
}

/** The nodes with their scores, each looked at anew when it is visited. */
abstract class Scored implements Chooser {
  protected nodes: readonly Node[] = [];
  protected ring = new CreditRing(new Float64Array(0), startingPart);
  private stats: readonly NodeStats[] = [];
  private figures = figuresOf(0);
  private draws = 0;
  private readonly demand: TaskDemand | undefined;

  constructor(demand: TaskDemand | undefined) {
    this.demand = demand;
  }

  abstract choose(): number;
  protected abstract startOf(before: readonly Node[], nodes: readonly Node[]): number;

  chooseExcept(exclude: Excluded): number {
    return drawExcept(
      this.nodes,
      exclude,
      () => this.choose(),
      () => startingPart(++this.draws),
      (_, index) => this.look(index),
    );
  }

  score(index: number): number {
    const { bases, loads, reports, successes, failures, errors } = this.figures;
    const stats = this.stats[index]!;
    if (stats.successes !== successes[index] || stats.failures !== failures[index]) this.note(index, stats);
    if (stats.report !== reports[index]) this.weighLoad(index, stats.report);
    return Math.max(leastScore, bases[index]! - loads[index]! - 20 * errors[index]!);
  }

  update(nodes: readonly Node[], stats: readonly NodeStats[]): void {
    const { nodes: before, stats: statsBefore, figures: old, ring } = this;
    const places = new Map(before.map(({ id }, index) => [id, index]));
    const next = this.startOf(before, nodes);
    const heaviest = nodes.reduce((most, { weight }) => Math.max(most, weight), 0);
    const { bases, parts, successes, failures, errors } = (this.figures = figuresOf(nodes.length));
    this.nodes = nodes;
    this.stats = stats;
    for (let i = 0; i < nodes.length; i++) {
      const { id, weight } = nodes[i]!;
      const place = places.get(id);
      const known = place !== undefined && statsBefore[place] === stats[i] ? place : -1;
      bases[i] = taskScore(nodes[i]!, this.demand);
      parts[i] = weight / heaviest;
      successes[i] = known < 0 ? stats[i]!.successes : old.successes[known]!;
      failures[i] = known < 0 ? stats[i]!.failures : old.failures[known]!;
      errors[i] = known < 0 ? 1 - (1 - decay) ** stats[i]!.consecutiveFailures : old.errors[known]!;
      this.weighLoad(i, stats[i]!.report);
    }
    // The most that each may come to; a turn is the most of all.
    const weights = bases.map((base, i) => base * parts[i]!);
    this.ring = new CreditRing(weights, (i) => {
      const place = places.get(nodes[i]!.id);
      return place === undefined ? startingPart(i) : ring.part(place);
    });
    this.ring.next = next;
  }

  /** The weight of a node as it stands. */
  protected look(index: number): number {
    return (this.ring.weights[index] = this.score(index) * this.figures.parts[index]!);
  }

  /** Takes in what was counted since. */
  private note(index: number, stats: NodeStats): void {
    const { successes, failures, errors } = this.figures;
    const failed = stats.failures - failures[index]!;
    const ended = failed + stats.successes - successes[index]!;
    const kept = (1 - decay) ** ended;
    errors[index] = errors[index]! * kept + (1 - kept) * (failed / ended);
    successes[index] = stats.successes;
    failures[index] = stats.failures;
  }

  /** What a snapshot says of the load of a node, else what the node tells with its answers. */
  private weighLoad(index: number, report: LoadReport | undefined): void {
    const { cpu = report?.cpuUtilization, memory = report?.memoryUtilization } = this.nodes[index]!.load;
    this.figures.loads[index] = 5 * fraction(cpu) + 5 * fraction(memory);
    this.figures.reports[index] = report;
  }
}

class TurnsByScore extends Scored {
  private readonly random: (() => number) | undefined;

  constructor(demand: TaskDemand | undefined, random: (() => number) | undefined) {
    super(demand);
    this.random = random;
  }

  choose(): number {
    const { ring } = this;
    for (;;) {
      this.look(ring.next);
      const index = ring.visit();
      if (index >= 0) return index;
    }
  }

  protected startOf(before: readonly Node[], nodes: readonly Node[]): number {
    if (before.length > 0) return carryTurn(before, this.ring.next, nodes);
    return this.random ? Math.floor(this.random() * nodes.length) : 0;
  }
}

/** After so many draws that chance refused, the last one is taken; nobody weighs so little that it matters. */
const mostDraws = 1_000;

class DrawsByScore extends Scored {
  private readonly random: () => number;

  constructor(demand: TaskDemand | undefined, random: () => number) {
    super(demand);
    this.random = random;
  }

  /** Any node, and kept with the chance of its weight: so a weight may change at any time and no table has to. */
  choose(): number {
    const { random, ring, nodes } = this;
    let index = 0;
    for (let i = 0; i < mostDraws; i++) {
      index = Math.floor(random() * nodes.length);
      if (random() * ring.turn < this.look(index)) break;
    }
    return index;
  }

  protected startOf(): number {
    return 0;
  }
}

/** Reports come from nodes: what is missing or senseless counts as nothing. */
function fraction(reported: number | undefined): number {
  return reported !== undefined && reported > 0 ? Math.min(1, reported) : 0;
}
