/** The least busy of all nodes: for calls of very unequal cost, such as inference. */

import type { Node, NodeLoad } from '../core/node.js';
import type { NodeStats } from '../core/nodeStats.js';
import { LoadJournal } from './loadJournal.js';
import type { Balancer, Excluded } from './picker.js';
import { sameWeights } from './sameWeights.js';
import { balancerOf, type Chooser } from './strategy.js';
import { WinnerTree } from './winnerTree.js';

export interface LeastLoadedOptions {
  /**
   * Where the first turn among equals falls. Default: at the first node. Give `Math.random` where many clients start
   * at once, or they all begin with the same node.
   */
  readonly random?: () => number;
}

/**
 * Takes the node with the lowest score, and among equals the one that was picked longest ago. The score is
 *
 *     (inFlight + 1 + others + charge) × (1 + max(cpu, memory)) / weight
 *
 * - `inFlight`: attempts of this client on the node now.
 * - `others`: what the node last reported as queued, and as in flight beyond our own at that time; so a report is not
 *   counted twice, and our own picks still add up between two reports.
 * - `cpu`, `memory`: as last reported, 0 to 1; a full node counts as twice as busy. Nothing reported is 0.
 * - `charge`: a node that fails at once looks idle and would draw all calls to it. So one that failed, by its own fault or the
 *   network's, counts as if it had the calls of the least busy other node as well; `2^k - 1` times, where its failures outnumber
 *   its successes by `k` of late, at most 63 times. Halved every `8n` picks (64 at least), and by each call after a success,
 *   with those of eight others: where all had failed, the first that answers again is not flooded.
 *
 * The form is Envoy's weighted least request, `weight / (active requests + 1)`, turned over; the factor for reported
 * load and the charge are ours. While nothing is in flight the heaviest nodes come first, and the light ones get calls once those
 * are busy; see `leastRequest()` for shares by weight at any load. A pick takes O(log n), an end a constant time. Use `powerOfTwo()` where
 * many clients share the nodes and none reports its load: they would all run to the node that each believes idle.
 *
 *     nodes$   a-----------|      a = x y
 *     pick()   -p-p-e-p----|      e: the call on y ends
 *     picked   -x-y---y----|
 *
 * gRPC name: none; nearest is `least_request_experimental` with an unlimited `choiceCount`.
 */
export function leastLoaded(options: LeastLoadedOptions = {}): Balancer {
  const { random } = options;
  const strategy = () => {
    const journal = new LoadJournal();
    return { chooser: () => new LoadOrder(journal, random), changed: journal.write };
  };
  return balancerOf('least_loaded', strategy, { weights: true });
}

/** So that every score is finite. */
const minWeight = 1e-100;
/** No node has more calls than that, whatever it reports. */
const mostCalls = 1e9;

class LoadOrder implements Chooser {
  private nodes: readonly Node[] = [];
  private stats: readonly NodeStats[] = [];
  private size = 0;
  private tree = new WinnerTree(0);
  /** Places by id, made when a change comes from another list. */
  private indexes: Map<string, number> | undefined;
  /** What each node last reported, and what of it counts. */
  private reports: (NodeLoad | undefined)[] = [];
  private others = new Float64Array(0);
  private factors = new Float64Array(0);
  private charges = new Float64Array(0);
  /** Failures of each node that were charged. */
  private failures = new Float64Array(0);
  /** Counts the picks. */
  private clock = 0;
  /** The node to look at next, whatever the journal says. */
  private visitor = 0;
  /** Changes of the journal that are in the tree. */
  private seen = 0;
  private readonly journal: LoadJournal;
  private readonly random: (() => number) | undefined;

  constructor(journal: LoadJournal, random: (() => number) | undefined) {
    this.journal = journal;
    this.random = random;
  }

  choose(): number {
    const { tree } = this;
    if (this.seen < this.journal.count) this.catchUp();
    if ((this.clock & 63) === 0) this.visit();
    let index = tree.first;
    // Another client of this process may have put calls on it.
    while (this.score(index) !== tree.scoreOf(index)) {
      this.refresh(index);
      index = tree.first;
    }
    this.take(index);
    return index;
  }

  chooseExcept(exclude: Excluded): number {
    const { tree, nodes } = this;
    this.catchUp();
    const aside: number[] = [];
    let index = tree.first;
    while (exclude.has(nodes[index]!.id)) {
      aside.push(index);
      tree.set(index, Infinity, tree.chosenAt[index]!);
      index = tree.first;
    }
    for (const back of aside) tree.set(back, this.score(back), tree.chosenAt[back]!);
    this.take(index);
    return index;
  }

  score(index: number, coming = 0): number {
    const busy = this.stats[index]!.inFlight + coming + 1 + this.others[index]! + this.charges[index]!;
    return busy * this.factors[index]!;
  }

  update(nodes: readonly Node[], stats: readonly NodeStats[]): void {
    const before = this.nodes;
    this.nodes = nodes;
    this.stats = stats;
    if (!sameWeights(before, nodes)) this.carry(before, nodes);
    for (let i = 0; i < nodes.length; i++) {
      const { load } = nodes[i]!;
      if (load !== this.reports[i]) this.report(i, load);
    }
    this.refreshAll();
  }

  /** What is remembered of each node, to its place in the new list. */
  private carry(before: readonly Node[], nodes: readonly Node[]): void {
    const { tree, reports, others, charges, failures } = this;
    const places = new Map(before.map((node, index) => [node.id, index]));
    const size = nodes.length;
    this.size = size;
    this.visitor = 0;
    this.indexes = undefined;
    this.tree = new WinnerTree(size);
    this.reports = new Array<NodeLoad | undefined>(size).fill(undefined);
    this.others = new Float64Array(size);
    this.factors = new Float64Array(size);
    this.charges = new Float64Array(size);
    this.failures = new Float64Array(size);
    const start = before.length === 0 && this.random ? Math.floor(this.random() * size) : 0;
    for (let i = 0; i < size; i++) {
      const { id, weight, stats, load } = nodes[i]!;
      const place = places.get(id);
      if (place === undefined) {
        // Before everybody who was ever picked, and in turn from the start.
        this.tree.chosenAt[i] = i < start ? 0 : -1;
        this.failures[i] = stats.failures;
        this.report(i, load);
        continue;
      }
      this.tree.chosenAt[i] = tree.chosenAt[place]!;
      this.charges[i] = charges[place]!;
      this.failures[i] = failures[place]!;
      this.others[i] = others[place]!;
      this.reports[i] = reports[place];
      this.factors[i] = factorOf(reports[place] ?? {}, weight);
    }
  }

  private report(index: number, load: NodeLoad): void {
    const { stats, weight } = this.nodes[index]!;
    this.reports[index] = load;
    this.others[index] = callsOf(load.queue) + Math.max(0, callsOf(load.inFlight) - stats.inFlight);
    this.factors[index] = factorOf(load, weight);
  }

  private take(index: number): void {
    // As it will stand when the pick is counted, which is the next thing that the journal tells.
    this.tree.set(index, this.score(index, 1), ++this.clock);
    this.seen = this.journal.count + 1;
  }

  /** Puts what the node stands at now into the tree. */
  private refresh(index: number): void {
    this.charge(index);
    const score = this.score(index);
    if (score !== this.tree.scoreOf(index)) this.tree.set(index, score, this.tree.chosenAt[index]!);
  }

  private charge(index: number): void {
    const stats = this.stats[index]!;
    if (stats.failures !== this.failures[index]) {
      const failed = stats.failures > this.failures[index]!;
      this.failures[index] = stats.failures;
      if (failed) this.charges[index] = Math.max(this.charges[index]!, this.penalty(index, stats.failureLevel));
    } else if (this.charges[index] !== 0 && stats.consecutiveFailures === 0) {
      this.charges[index] = Math.floor(this.charges[index]! / 2);
    }
  }

  /** What the least busy of the others carries, or up to 63 times as much: its calls, not its charge, or they would add up. */
  private penalty(index: number, failureLevel: number): number {
    const { tree, factors } = this;
    tree.set(index, Infinity, tree.chosenAt[index]!);
    const { first } = tree;
    if (tree.scoreOf(first) === Infinity) return 0;
    const carried = ((this.stats[first]!.inFlight + 1 + this.others[first]!) * factors[first]!) / factors[index]!;
    return Math.ceil(carried) * (2 ** Math.max(1, failureLevel) - 1);
  }

  /**
   * Looks at eight nodes in turn, at every 64th pick: their charges fade, and what other clients of this process
   * finished on them is seen, of which nobody tells.
   */
  private visit(): void {
    for (let i = Math.min(8, this.size); i > 0; i--) {
      const index = this.visitor;
      this.visitor = index + 1 === this.size ? 0 : index + 1;
      this.charges[index] = Math.floor(this.charges[index]! / 2);
      this.refresh(index);
    }
  }

  private catchUp(): void {
    const { journal } = this;
    if (!journal.reaches(this.seen)) return this.refreshAll();
    while (this.seen < journal.count) {
      const node = journal.nodeAt(this.seen);
      const index = this.place(node, journal.indexAt(this.seen++));
      if (index === undefined) continue;
      const before = this.charges[index]!;
      this.refresh(index);
      // It answers again, and perhaps the others do: if all had failed they would else not be asked until this one is flooded.
      if (this.charges[index]! < before) this.visit();
    }
  }

  private refreshAll(): void {
    this.seen = this.journal.count;
    this.tree.build(this.size, (index) => this.score(index));
    for (let i = 0; i < this.size; i++) {
      if (this.charges[i] !== 0 || this.stats[i]!.failures !== this.failures[i]) this.refresh(i);
    }
  }

  /** The place of a node here; `index` is its place in the list that it was picked from, mostly this one. */
  private place(node: Node, index: number): number | undefined {
    if (index < this.size && this.stats[index] === node.stats) return index;
    this.indexes ??= new Map(this.nodes.map(({ id }, at) => [id, at]));
    return this.indexes.get(node.id);
  }
}

function factorOf({ cpu, memory }: NodeLoad, weight: number): number {
  return (1 + Math.min(1, Math.max(atLeast0(cpu), atLeast0(memory)))) / Math.max(weight, minWeight);
}

function callsOf(reported: number | undefined): number {
  return Math.min(atLeast0(reported), mostCalls);
}

/** Reports come from nodes: what is missing or senseless counts as nothing. */
function atLeast0(reported: number | undefined): number {
  return reported !== undefined && reported > 0 && Number.isFinite(reported) ? reported : 0;
}
