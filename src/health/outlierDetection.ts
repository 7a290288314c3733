/**
 * Takes out the nodes whose calls fail more often than those of the others.
 *
 * It compares: a node is an outlier among its peers, so an outage of something behind all of them takes nobody out. That needs
 * peers and calls. In a fleet of fewer nodes than `minimumHosts`, or with fewer calls than `requestVolume` a node and interval, it
 * can judge nobody, does nothing, and says so (`detectorInert` of `events$`, `inert` in the snapshot). Use
 * `consecutiveFailures()` there, or beside it: that one also acts at once and not only at the end of an interval.
 *
 * Know what success rates do in a fleet that hardly ever fails: all are so close together that a node with one failure in a hundred
 * is an outlier, and out for half a minute. Where that is too strict set `successRate: false`, or a larger `stdevFactor`.
 *
 * Algorithms and numbers are those of gRFC A50 (https://github.com/grpc/proposal/blob/master/A50-xds-outlier-detection.md), which
 * has them from Envoy. Ours differs in three points:
 * - How many may be out is not its own `max_ejection_percent` but the ejection budget of the client, which counts everybody.
 * - A call that failed through the fault of its request or its caller says nothing of the node: it counts on neither side.
 * - A node that is out is not taken out again by the second algorithm, as in gRPC's C-core: it would stay out twice as long.
 */

import { defer, ignoreElements, interval, merge, mergeMap, tap } from 'rxjs';
import { sameAddress } from '../core/address.js';
import type { NodeOutcome } from '../core/nodeOutcome.js';
import { NodeSet } from '../core/nodeSet.js';
import type { Detector, DetectorPorts, Finding } from './detector.js';
import { ejectionTimeMs, judgementOn, type Found } from './ejectionTerms.js';
import { outlierRules, type OutlierDetectionOptions, type OutlierRules } from './outlierDetection/outlierRules.js';
import { OutlierRecord } from './outlierDetection/outlierRecord.js';

/**
 * Judges every node at the end of each interval by the calls that ended in it. One that is taken out stays out for
 * `baseEjectionTimeMs`, longer each time in a row, and is let in at the end of an interval; each interval in which it is in makes
 * the next time shorter again. Its connection is kept. What a health check says of it meanwhile counts once it is in again; it
 * does not bring it back, since a node may answer its health check and fail its calls.
 *
 *     interval    ---------|---------|---------|---------|---------|
 *     calls of y  ok ok ok   bad bad   –         –         ok ok
 *     y           in         in        out       out       in           (base: two intervals)
 *
 * For `eject` of a fleet or pool. gRPC name: `outlier_detection`.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function outlierDetection(options: OutlierDetectionOptions = {}): Detector {
  const rules = outlierRules(options);
  return {
    name: 'outlierDetection',
    watch: (ports) =>
      defer(() => {
        const detection = new OutlierDetection(rules, ports);
        return merge(
          ports.nodes$.pipe(mergeMap((set) => detection.follow(set))),
          ports.outcomes$.pipe(
            tap((ended) => detection.count(ended)),
            ignoreElements(),
          ),
          // A generator is asked for the next finding when the one before has been carried out.
          interval(rules.intervalMs, ports.scheduler).pipe(mergeMap(() => detection.sweep())),
        );
      }),
  };
}

/** Intervals with calls in a row in which nobody could be judged, until that is said: one quiet moment is no news. */
const patience = 6;

/** The records of all nodes of one client. */
class OutlierDetection {
  private readonly rules: OutlierRules;
  private readonly ports: DetectorPorts;
  private readonly records = new Map<string, OutlierRecord>();
  private set = NodeSet.empty;
  /** Intervals in a row in which nobody could be judged. */
  private idle = 0;

  constructor(rules: OutlierRules, ports: DetectorPorts) {
    this.rules = rules;
    this.ports = ports;
  }

  *follow(set: NodeSet): Iterable<Finding> {
    const { added, updated, removed } = set.changesSince(this.set);
    this.set = set;
    for (const { id } of removed) this.records.delete(id);
    for (const node of added) this.records.set(node.id, new OutlierRecord(node));
    for (const node of updated) {
      const record = this.records.get(node.id)!;
      if (sameAddress(record.address, node.address)) record.see(node, this.ports.by);
      else {
        // Another process, of which nothing is known yet.
        this.records.set(node.id, new OutlierRecord(node));
        if (record.isOut) yield { type: 'readmit', id: node.id, reason: 'it has moved to another address' };
      }
    }
  }

  count({ node, outcome: { status, blame } }: NodeOutcome): void {
    const record = this.records.get(node.id);
    // Of a call to a node that left and came back since, the new one knows nothing.
    if (record === undefined || record.stats !== node.stats) return;
    if (status === 'ok') record.successes++;
    else if (status === 'failed' && (blame === 'node' || blame === 'network')) record.failures++;
  }

  /** The end of an interval, in the steps of gRFC A50. */
  *sweep(): Iterable<Finding> {
    for (const record of this.records.values()) record.swap();
    const rated = yield* this.bySuccessRate();
    const measured = yield* this.byFailurePercentage();
    for (const [id, record] of this.records) {
      if (record.pass()) yield { type: 'readmit', id, reason: 'its time is over' };
    }
    yield* this.account(rated || measured);
  }

  /** @returns whether anybody could be judged. */
  private *bySuccessRate(): Generator<Finding, boolean> {
    const { successRate } = this.rules;
    if (!successRate) return false;
    const { requestVolume, minimumHosts, stdevFactor, enforcementPercentage } = successRate;
    const judged = [...this.records].filter(([, { volume }]) => volume >= requestVolume);
    if (judged.length < minimumHosts) return false;
    const mean = judged.reduce((sum, [, record]) => sum + record.rate, 0) / judged.length;
    const variance = judged.reduce((sum, [, record]) => sum + (record.rate - mean) ** 2, 0) / judged.length;
    const least = mean - (Math.sqrt(variance) * stdevFactor) / 1_000;
    for (const [id, record] of judged) {
      if (record.isOut || record.rate >= least) continue;
      const of = `${percent(mean)} less ${stdevFactor / 1_000} standard deviations`;
      const reason = `${percent(record.rate)} of its ${record.volume} calls succeeded, under ${percent(least)} (${of})`;
      yield this.judge({ id, method: 'success_rate', reason }, enforcementPercentage, record);
    }
    return true;
  }

  private *byFailurePercentage(): Generator<Finding, boolean> {
    const { failurePercentage } = this.rules;
    if (!failurePercentage || this.records.size < failurePercentage.minimumHosts) return false;
    const { requestVolume, threshold, enforcementPercentage } = failurePercentage;
    const judged = [...this.records].filter(([, { volume }]) => volume >= requestVolume);
    for (const [id, record] of judged) {
      const failed = 1 - record.rate;
      if (record.isOut || failed * 100 <= threshold) continue;
      const reason = `${percent(failed)} of its ${record.volume} calls failed, over ${threshold} %`;
      yield this.judge({ id, method: 'failure_percentage', reason }, enforcementPercentage, record);
    }
    return judged.length > 0;
  }

  private judge(found: Found, enforcementPercentage: number, record: OutlierRecord): Finding {
    const { terms, intervalMs } = this.rules;
    return judgementOn(found, enforcementPercentage, this.ports, () => {
      const sweeps = record.eject((times) => Math.ceil(ejectionTimeMs(terms, times) / intervalMs));
      return { until: this.ports.scheduler.now() + sweeps * intervalMs };
    });
  }

  /** Says when nobody could be judged, although there were calls. */
  private *account(judged: boolean): Iterable<Finding> {
    if (judged) {
      if (this.idle >= patience) yield { type: 'inert', reason: undefined };
      this.idle = 0;
      return;
    }
    let busiest = 0;
    for (const { volume } of this.records.values()) busiest = Math.max(busiest, volume);
    // Where nothing is called there is nothing to judge, and where there are too few nodes there is nothing to wait for.
    if (busiest === 0) return;
    this.idle = this.isTooSmall() ? patience : this.idle + 1;
    if (this.idle >= patience) yield { type: 'inert', reason: this.shortage(busiest) };
  }

  private isTooSmall(): boolean {
    const { successRate, failurePercentage } = this.rules;
    const least = Math.min(successRate?.minimumHosts ?? Infinity, failurePercentage?.minimumHosts ?? Infinity);
    return this.records.size < least;
  }

  private shortage(busiest: number): string {
    const { successRate, failurePercentage, intervalMs } = this.rules;
    const needs = [
      successRate && `successRate ${successRate.minimumHosts} nodes with ${successRate.requestVolume} calls each`,
      failurePercentage &&
        `failurePercentage ${failurePercentage.minimumHosts} nodes, and ${failurePercentage.requestVolume} calls on the one it judges`,
    ];
    const there = `there are ${this.records.size} nodes, the busiest with ${busiest} calls`;
    const advice = 'use consecutiveFailures() as well, or lower minimumHosts and requestVolume';
    return `it judges nobody: in ${intervalMs} ms it needs for ${needs.filter(Boolean).join(', for ')}; ${there}: ${advice}`;
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
