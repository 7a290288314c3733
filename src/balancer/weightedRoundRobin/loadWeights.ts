/** The weights that load reports come to, by gRFC A58. */

import type { SchedulerAction, SchedulerLike, Subscription } from 'rxjs';
import type { LoadReport } from '../../core/loadReport.js';
import type { Node } from '../../core/node.js';
import { isRoutable } from '../../core/isRoutable.js';
import { NodeSet } from '../../core/nodeSet.js';
import type { NodeStats } from '../../core/nodeStats.js';
import { stopwatchOf, type Stopwatch } from '../../core/stopwatch.js';
import type { LoadWeightsUpdated, LoadWeightState } from '../balancerEvent.js';
import type { BalancerPorts } from '../picker.js';

export interface LoadWeightsTerms {
  readonly blackoutPeriodMs: number;
  readonly weightExpirationMs: number;
  readonly weightUpdateMs: number;
  readonly errorUtilizationPenalty: number;
}

/** What is remembered of one node. */
export interface ReportedLoad {
  stats: NodeStats;
  ready: boolean;
  /** The report that was seen last, and when it came. */
  report: LoadReport | undefined;
  reportedAt: number;
  /** What the last report that said something comes to, and when it came. A58: `last_updated`. */
  reported: number;
  updatedAt: number;
  /** Since when it has been reporting; Infinity while it does not. A58: `non_empty_since`. */
  reportingSince: number;
  state: LoadWeightState;
  /** What counts now; 0 while nothing does. */
  weight: number;
}

/** So that sums stay finite; as in Envoy. */
const maxWeight = 2 ** 32;

/** `qps / (utilization + eps / qps × penalty)`; 0 for a report from which nothing can be made. */
export function loadWeight(report: LoadReport, errorUtilizationPenalty: number): number {
  const { requestsPerSecond, errorsPerSecond, applicationUtilization, cpuUtilization } = report;
  const utilization = applicationUtilization > 0 ? applicationUtilization : cpuUtilization;
  if (!(requestsPerSecond > 0 && utilization > 0)) return 0;
  const errors = errorsPerSecond > 0 ? (errorsPerSecond / requestsPerSecond) * errorUtilizationPenalty : 0;
  const weight = requestsPerSecond / (utilization + errors);
  return weight > 0 ? Math.min(maxWeight, weight) : 0;
}

/** Follows the sets of one subscription, and looks at the reports of their nodes once in a while. */
export class LoadWeights {
  /** Grows whenever a weight has changed. */
  epoch = 0;
  private readonly known = new Map<string, ReportedLoad>();
  private set = NodeSet.empty;
  private readonly terms: LoadWeightsTerms;
  private readonly scheduler: SchedulerLike;
  private readonly clock: Stopwatch;
  private readonly ports: BalancerPorts | undefined;

  constructor(terms: LoadWeightsTerms, scheduler: SchedulerLike, ports?: BalancerPorts) {
    this.terms = terms;
    this.scheduler = scheduler;
    this.ports = ports;
    this.clock = stopwatchOf(scheduler);
  }

  /** Begins to look; unsubscribing ends it. */
  start(): Subscription {
    const { scheduler, terms } = this;
    const refresh = () => this.refresh();
    return scheduler.schedule(function (this: SchedulerAction<unknown>) {
      refresh();
      this.schedule(undefined, terms.weightUpdateMs);
    }, terms.weightUpdateMs);
  }

  follow(set: NodeSet): void {
    const { added, updated, removed } = set.changesSince(this.set);
    this.set = set;
    for (const { id } of removed) this.known.delete(id);
    for (const node of added) this.meet(node);
    for (const node of updated) this.meet(node);
  }

  of(id: string): ReportedLoad | undefined {
    return this.known.get(id);
  }

  private refresh(): void {
    const now = this.clock();
    let changed = false;
    for (const load of this.known.values()) if (this.look(load, now)) changed = true;
    if (changed) this.epoch++;
    const events = this.ports?.events;
    if (events?.observed) events.next(this.updated());
  }

  private updated(): LoadWeightsUpdated {
    const weights = this.set.nodes.filter(isRoutable).map((node) => {
      const { state, weight } = this.known.get(node.id)!;
      return { node, state, weight };
    });
    const plain = weights.filter(({ state }) => state === 'usable').length < 2;
    return { type: 'loadWeightsUpdated', at: this.scheduler.now(), weights, plain };
  }

  private meet({ id, stats, availability }: Node): void {
    const load = this.known.get(id);
    const ready = availability === 'ready';
    if (!load || load.stats !== stats) {
      const fresh = unheard(stats, ready);
      this.known.set(id, fresh);
      this.look(fresh, this.clock());
    } else if (ready !== load.ready) {
      load.ready = ready;
      if (ready) this.returned(load);
    }
  }

  /** What it said before does not count as reporting. */
  private returned(load: ReportedLoad): void {
    const now = this.clock();
    const before = load.weight;
    this.look(load, now);
    load.reportingSince = Infinity;
    this.look(load, now);
    if (load.weight !== before) this.epoch++;
  }

  /** Whether its weight has changed. */
  private look(load: ReportedLoad, now: number): boolean {
    const { blackoutPeriodMs, weightExpirationMs, errorUtilizationPenalty } = this.terms;
    const { report, reportedAt } = load.stats;
    if (report !== undefined && (report !== load.report || reportedAt !== load.reportedAt)) {
      load.report = report;
      load.reportedAt = reportedAt;
      const weight = loadWeight(report, errorUtilizationPenalty);
      if (weight > 0) {
        load.reported = weight;
        load.updatedAt = reportedAt;
        if (load.reportingSince === Infinity) load.reportingSince = reportedAt;
      }
    }
    const expired = now - load.updatedAt >= weightExpirationMs;
    if (expired) load.reportingSince = Infinity;
    const early = blackoutPeriodMs > 0 && now - load.reportingSince < blackoutPeriodMs;
    load.state = expired && load.updatedAt > -Infinity ? 'stale' : expired || early ? 'notYetUsable' : 'usable';
    const weight = load.state === 'usable' ? load.reported : 0;
    const changed = weight !== load.weight;
    load.weight = weight;
    return changed;
  }
}

function unheard(stats: NodeStats, ready: boolean): ReportedLoad {
  return {
    ...{ stats, ready, report: undefined, reportedAt: 0, reported: 0, weight: 0 },
    state: 'notYetUsable',
    updatedAt: -Infinity,
    reportingSince: Infinity,
  };
}
