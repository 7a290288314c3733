/** What a client stands at: its calls, its nodes and its policies, as figures of one moment. */

import type { BalancerTraits } from '../balancer/picker.js';
import type { CallMeter, MethodMeter } from '../call/callMeter.js';
import { formatAddress } from '../core/address.js';
import type { FleetErrorCode } from '../core/errorCodes.js';
import { isRoutable, whyNotRoutable } from '../core/isRoutable.js';
import { quantilesOf, type LatencyWindow } from '../core/latencyWindow.js';
import type { Availability, Ejection, Health, Node, NodeLoad } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { RetryBudget } from '../core/retryBudget.js';

/** Milliseconds that the given share of the successes of the last minute or two did not exceed; within 6 %. */
export interface Quantiles {
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
}

/** The calls of one method, or of all, as their users see them: one each, however many attempts it took. */
export interface CallFigures {
  /** Those that are over. */
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Given up by their users. */
  readonly cancelled: number;
  readonly inFlight: number;
  /** `succeeded / (succeeded + failed)`, from 0 to 1; 1 before the first. */
  readonly successRate: number;
  /** Milliseconds that successes took on average; 0 before the first. */
  readonly averageLatencyMs: number;
  /** Undefined while there is none. */
  readonly latencyMs: Quantiles | undefined;
  /** To the first answer; undefined while there is none. */
  readonly firstAnswerMs: Quantiles | undefined;
  /** Successes a second, over the last ten seconds. */
  readonly throughputPerSecond: number;
  /** Further attempts after a failure, and of them those that never reached a node. */
  readonly retries: number;
  readonly transparentRetries: number;
  /** Copies sent beside a slow attempt. */
  readonly hedges: number;
  /** Streams that went on after a break. */
  readonly resumes: number;
  /** Further attempts on another node than those that had failed. */
  readonly failovers: number;
  /** Further attempts that the budget did not allow. */
  readonly retriesRefused: number;
  /** Those that failed or were given up, by their code. */
  readonly codes: Readonly<Partial<Record<FleetErrorCode, number>>>;
}

/** One node and the attempts on it. */
export interface NodeFigures {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly routable: boolean;
  readonly availability: Availability;
  readonly health: Health;
  /** Why it takes no calls; undefined when it does. */
  readonly reason: string | undefined;
  readonly ejections: readonly Ejection[];
  readonly weight: number;
  readonly load: NodeLoad;
  readonly inFlight: number;
  /** Attempts that are over; `failures` are those that the node or the network is to blame for. */
  readonly requests: number;
  readonly successes: number;
  readonly failures: number;
  readonly successRate: number;
  readonly averageLatencyMs: number;
  readonly latencyMs: Quantiles | undefined;
}

/** What the balancer has to choose from, and what it did. */
export interface BalancerFigures {
  /** The strategy, by its gRPC name where it has one. */
  readonly strategy: string;
  /** Nodes that take calls now, also where that is for a panic. */
  readonly activeNodes: number;
  readonly totalNodes: number;
  /** Picks of nodes that are known now, retries included. */
  readonly selections: number;
}

export interface FleetSnapshot {
  /** In milliseconds since the epoch. */
  readonly at: number;
  /** How long the client has lived, in milliseconds. */
  readonly livedMs: number;
  readonly calls: CallFigures;
  /** By the name of the method, such as `/demo.Greeter/SayHello`. */
  readonly methods: Readonly<Record<string, CallFigures>>;
  readonly nodes: readonly NodeFigures[];
  readonly balancer: BalancerFigures;
  /** Set while discovery is cut off: what is known is old. */
  readonly stale: NodeSet['stale'];
  /** Retries that the budget would allow now. */
  readonly retryBudget: number;
  /** What each policy of `use` and each detector of `eject` stands at, by its name: breakers and their states, queues, limits. */
  readonly policies: Readonly<Record<string, object>>;
}

/** What a snapshot is taken of. */
export interface SnapshotPorts {
  readonly meter: CallMeter;
  readonly nodes: () => NodeSet;
  /** The same, as the balancer is shown them. */
  readonly seen: () => NodeSet;
  readonly traits: BalancerTraits | undefined;
  readonly budget: RetryBudget;
  /** The policies and the detectors. */
  readonly reporting: readonly Reporting[];
  readonly now: () => number;
  readonly clock: () => number;
}

/** Whatever has something to report. */
interface Reporting {
  readonly name: string;
  report?(): object;
}

export function fleetSnapshot(ports: SnapshotPorts): FleetSnapshot {
  const { meter, nodes, seen, traits, budget, reporting, now, clock } = ports;
  const time = clock();
  const set = nodes();
  const methods = [...meter.methods.values()];
  return {
    at: now(),
    livedMs: time - meter.since,
    calls: figuresOf(methods, time),
    methods: Object.fromEntries(methods.map((method) => [method.name, figuresOf([method], time)])),
    nodes: set.nodes.map((node) => nodeFigures(node, time)),
    balancer: {
      strategy: traits?.name ?? 'custom',
      activeNodes: seen().nodes.filter(isRoutable).length,
      totalNodes: set.size,
      selections: set.nodes.reduce((sum, { stats }) => sum + stats.requests + stats.inFlight, 0),
    },
    stale: set.stale,
    retryBudget: budget.balance,
    policies: reports(reporting),
  };
}

function figuresOf(methods: readonly MethodMeter[], now: number): CallFigures {
  const sum = (of: (method: MethodMeter) => number) => methods.reduce((total, method) => total + of(method), 0);
  const succeeded = sum((method) => method.succeeded);
  const failed = sum((method) => method.failed);
  const cancelled = sum((method) => method.cancelled);
  const codes: Partial<Record<FleetErrorCode, number>> = {};
  for (const method of methods) for (const [code, count] of method.codes) codes[code] = (codes[code] ?? 0) + count;
  return {
    total: succeeded + failed + cancelled,
    succeeded,
    failed,
    cancelled,
    inFlight: sum((method) => method.inFlight),
    successRate: ratio(succeeded, failed),
    averageLatencyMs: succeeded === 0 ? 0 : sum((method) => method.totalLatencyMs) / succeeded,
    latencyMs: quantiles(
      methods.map(({ latencies }) => latencies),
      now,
    ),
    firstAnswerMs: quantiles(
      methods.map(({ firstAnswers }) => firstAnswers),
      now,
    ),
    throughputPerSecond: sum((method) => method.rate.perSecond(now)),
    retries: sum((method) => method.retries + method.transparentRetries),
    transparentRetries: sum((method) => method.transparentRetries),
    hedges: sum((method) => method.hedges),
    resumes: sum((method) => method.resumes),
    failovers: sum((method) => method.failovers),
    retriesRefused: sum((method) => method.refusals),
    codes,
  };
}

function nodeFigures(node: Node, now: number): NodeFigures {
  const { id, name, availability, health, ejections, weight, load, stats } = node;
  const { inFlight, requests, successes, failures, totalLatencyMs, latencies } = stats;
  return {
    ...{ id, name, address: formatAddress(node.address), routable: isRoutable(node), availability, health },
    reason: whyNotRoutable(node),
    ...{ ejections, weight, load, inFlight, requests, successes, failures },
    successRate: ratio(successes, failures),
    averageLatencyMs: successes === 0 ? 0 : totalLatencyMs / successes,
    latencyMs: latencies && quantiles([latencies], now),
  };
}

/** Several of one name are numbered. */
function reports(reporting: readonly Reporting[]): Record<string, object> {
  const found: Record<string, object> = {};
  for (const each of reporting) {
    if (!each.report) continue;
    let key = each.name;
    for (let i = 2; key in found; i++) key = `${each.name} ${i}`;
    found[key] = each.report();
  }
  return found;
}

function ratio(good: number, bad: number): number {
  return good + bad === 0 ? 1 : good / (good + bad);
}

function quantiles(windows: readonly LatencyWindow[], now: number): Quantiles | undefined {
  const found = quantilesOf(windows, [0.5, 0.9, 0.95, 0.99], now);
  if (!found) return undefined;
  const [p50, p90, p95, p99] = found as [number, number, number, number];
  return { p50, p90, p95, p99 };
}
