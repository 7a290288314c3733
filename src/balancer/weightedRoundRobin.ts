/** Each routable node in its turn, as often as its weight says. */

import { asyncScheduler, defer, tap, using, type SchedulerLike } from 'rxjs';
import type { Node } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';
import { CreditRing, startingPart } from './creditRing.js';
import { drawExcept } from './drawExcept.js';
import { FairTurns } from './fairTurns.js';
import type { Balancer, Excluded } from './picker.js';
import { sameWeights } from './sameWeights.js';
import { balancerOf, withTraits, type Chooser } from './strategy.js';
import { carryTurn } from './turn.js';
import { LoadWeights } from './weightedRoundRobin/loadWeights.js';
import { ReportedRotation } from './weightedRoundRobin/reportedRotation.js';

/** How load reports become weights. The names and defaults are those of gRFC A58. */
export interface LoadReportWeights {
  /**
   * For how long a node must have been reporting before its weight counts, in milliseconds: from its first report on,
   * after it became ready, and after its weight expired. Default 10,000; 0: at once. gRPC: `blackout_period`.
   */
  readonly blackoutPeriodMs?: number;
  /**
   * For how long a weight counts without a new report, in milliseconds. Default 180,000. gRPC:
   * `weight_expiration_period`.
   */
  readonly weightExpirationMs?: number;
  /** How often reports are looked at, in milliseconds, at least 100. Default 1,000. gRPC: `weight_update_period`. */
  readonly weightUpdateMs?: number;
  /** How much failures weigh against a node, at least 0. Default 1. gRPC: `error_utilization_penalty`. */
  readonly errorUtilizationPenalty?: number;
}

export interface WeightedRoundRobinOptions {
  /**
   * Where the first turn falls among nodes of equal weight. Default: at the first of them. Give `Math.random` where
   * many clients start at once, or they all begin with the same nodes.
   */
  readonly random?: () => number;
  /** Weights from what the nodes report of their load, in the place of those that discovery gives. Default false. */
  readonly loadReports?: boolean | LoadReportWeights;
  /** The scheduler of the client, by which the age of reports is measured. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Takes the routable nodes in turn, each as often as its weight says, and as evenly spread: no bursts.
 *
 * Over a cycle (as many picks as the weights add up to) whole weights are kept exactly. Nodes of equal weight form a
 * ring in which they take turns, and the rings share the picks (`FairTurns`). Past 32 different weights a ring holds
 * all from one power of two to the next, and passes a node over until what its visits are worth adds up to a turn (as
 * gRPC's static stride scheduler does): so a pick takes about the same time whatever the number of nodes and weights.
 * The turns carry over when the set changes. All weights equal: the same as `roundRobin()`.
 *
 *     nodes$   a---------------|      a = x (weight 5) y (weight 1) z (weight 1)
 *     pick()   -p-p-p-p-p-p-p--|
 *     picked   -x-y-x-x-z-x-x--|
 *
 * **With `loadReports`** a node's weight is what it can bear, by its own reports:
 *
 *     qps / (utilization + eps / qps × errorUtilizationPenalty)
 *
 * The utilization is that of the application where the node tells one, else that of its processors. Reports come in the
 * trailers of calls, or beside them (`outOfBandLoad()`). Until a node has been reporting for the blackout period, and
 * when it has fallen silent for longer than the expiration, it gets the mean weight of the others; with fewer than two
 * weights all take plain turns. A weight counts for at most ten times the mean and at least a hundredth of it, as in
 * gRPC. What discovery says of weights does not count then (nor does `slowStart`, which works by it): a node that is
 * three times as strong and says so twice would get nine times the calls.
 *
 * A node that fails everything fast has little to do, but no great weight: each failure that it reports counts like a
 * busy processor. One that fails without a report keeps its last weight until that expires, then gets the mean, which is
 * no more than others get, but as much; an outlier detector takes it out.
 *
 * All nodes form one ring then, and no `FairTurns`: those remember by weight, and here every weight changes every
 * second. gRPC describes earliest deadline first with random first deadlines, and uses static strides; the ring keeps
 * the same shares, and what a node is owed lasts from one second to the next, so that a client with a call a second
 * does not always begin with the same node.
 *
 * gRPC name: `weighted_round_robin` (gRFC A58), with `loadReports`; xDS: `client_side_weighted_round_robin`.
 *
 * @throws FleetError `INVALID_OPTION` for a period or a penalty that makes no sense.
 */
export function weightedRoundRobin(options: WeightedRoundRobinOptions = {}): Balancer {
  const { random, loadReports = false, scheduler = asyncScheduler } = options;
  if (loadReports !== false) return reportedRoundRobin(loadReports === true ? {} : loadReports, random, scheduler);
  return balancerOf('weighted_round_robin', () => ({ chooser: () => new WeightedRotation(random) }), { weights: true });
}

function reportedRoundRobin(
  options: LoadReportWeights,
  random: (() => number) | undefined,
  scheduler: SchedulerLike,
): Balancer {
  const { blackoutPeriodMs = 10_000, weightExpirationMs = 180_000 } = options;
  const { weightUpdateMs = 1_000, errorUtilizationPenalty = 1 } = options;
  const finite = (value: number, least: number) => value >= least && Number.isFinite(value);
  requireOption(finite(blackoutPeriodMs, 0), 'loadReports.blackoutPeriodMs', 'at least 0', blackoutPeriodMs);
  requireOption(weightExpirationMs > 0, 'loadReports.weightExpirationMs', 'above 0', weightExpirationMs);
  requireOption(finite(weightUpdateMs, 100), 'loadReports.weightUpdateMs', 'at least 100', weightUpdateMs);
  requireOption(
    finite(errorUtilizationPenalty, 0),
    'loadReports.errorUtilizationPenalty',
    'at least 0',
    errorUtilizationPenalty,
  );
  const terms = { blackoutPeriodMs, weightExpirationMs, weightUpdateMs, errorUtilizationPenalty };
  const name = 'client_side_weighted_round_robin';
  return withTraits({ name, weighted: false, keyed: false }, (set$, ports) =>
    defer(() => {
      const weights = new LoadWeights(terms, scheduler, ports);
      const rotating = balancerOf(name, () => ({ chooser: () => new ReportedRotation(weights, random) }));
      return using(
        () => weights.start(),
        () =>
          set$.pipe(
            tap((set) => weights.follow(set)),
            rotating,
          ),
      );
    }),
  );
}

/** The nodes of one weight, or of weights that differ by less than twice: so a turn takes two rounds at most. */
interface Ring {
  readonly key: number;
  readonly nodes: readonly Node[];
  /** Their places in the list. */
  readonly indexes: readonly number[];
  readonly ring: CreditRing;
}

/** Up to here each weight has a ring of its own, which spreads the turns best. */
const maxRings = 32;

class WeightedRotation implements Chooser {
  private nodes: readonly Node[] = [];
  private rings: readonly Ring[] = [];
  private turns = new FairTurns([], []);
  private draws = 0;
  private readonly random: (() => number) | undefined;

  constructor(random: (() => number) | undefined) {
    this.random = random;
  }

  choose(): number {
    const { indexes, ring } = this.rings[this.turns.take()]!;
    return indexes[ring.take()]!;
  }

  chooseExcept(exclude: Excluded): number {
    return drawExcept(
      this.nodes,
      exclude,
      () => this.choose(),
      () => startingPart(++this.draws),
      (node) => node.weight,
    );
  }

  update(nodes: readonly Node[]): void {
    const { random } = this;
    const start = this.nodes.length === 0 ? random : undefined;
    const same = sameWeights(this.nodes, nodes);
    this.nodes = nodes;
    if (same) return;
    const before = new Map(this.rings.map((ring, party) => [ring.key, { ring, party }]));
    const rings = ringsOf(nodes, partsOf(this.rings));
    for (const { key, nodes: members, ring } of rings) {
      const old = before.get(key)?.ring;
      if (old) ring.next = carryTurn(old.nodes, old.ring.next, members);
      else if (start) ring.next = Math.floor(start() * members.length);
    }
    const leads = rings.map(({ key }) => {
      const old = before.get(key);
      return old ? this.turns.lead(old.party) : 0;
    });
    this.rings = rings;
    this.turns = new FairTurns(
      rings.map(({ ring }) => ring.weights.reduce((sum, weight) => sum + weight, 0)),
      leads,
    );
  }
}

/** What part of a turn each node has, by id; nobody has any where all weights of a ring are equal. */
function partsOf(rings: readonly Ring[]): ReadonlyMap<string, number> {
  const parts = new Map<string, number>();
  for (const { nodes, ring } of rings) {
    if (ring.weights.every((weight) => weight === ring.turn)) continue;
    nodes.forEach(({ id }, at) => parts.set(id, ring.part(at)));
  }
  return parts;
}

function ringsOf(nodes: readonly Node[], parts: ReadonlyMap<string, number>): Ring[] {
  const few = new Set(nodes.map(({ weight }) => weight)).size <= maxRings;
  const groups = new Map<number, number[]>();
  nodes.forEach(({ weight }, index) => {
    const key = few ? weight : 2 ** Math.floor(Math.log2(weight));
    const group = groups.get(key);
    if (group) group.push(index);
    else groups.set(key, [index]);
  });
  return Array.from(groups, ([key, indexes]) => {
    const members = indexes.map((index) => nodes[index]!);
    const weights = Float64Array.from(members, ({ weight }) => weight);
    const start = (at: number) => (few ? 0 : (parts.get(members[at]!.id) ?? startingPart(at)));
    return { key, nodes: members, indexes, ring: new CreditRing(weights, start) };
  });
}
