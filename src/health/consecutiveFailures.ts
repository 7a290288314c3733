/**
 * Takes out a node of which several calls in a row have failed.
 *
 * It compares with nobody and waits for nothing, so it works in a fleet of two nodes and with a call a minute, and it acts at the
 * last failure instead of at the end of an interval. For the same reason it can be wrong: when what all nodes depend on is down,
 * all fail in a row. The ejection budget is what bounds that. It does not find a node that fails every other call: for those use
 * `outlierDetection()` beside it.
 *
 * Rules and numbers are those of Envoy's `consecutive_5xx` and `consecutive_gateway_failure`
 * (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier), in gRPC's terms; gRFC A50 has left them out,
 * since gRPC knows no HTTP status. There is no `consecutive_local_origin_failure`: whether `UNAVAILABLE` was said by the node or
 * came of not reaching it cannot be told from the status of a call.
 */

import { Observable, type Subscription } from 'rxjs';
import { sameAddress, type Address } from '../core/address.js';
import type { FleetErrorCode } from '../core/errorCodes.js';
import type { Node } from '../core/node.js';
import type { NodeOutcome } from '../core/nodeOutcome.js';
import { NodeSet } from '../core/nodeSet.js';
import type { NodeStats, Outcome } from '../core/nodeStats.js';
import { requireDuration } from '../core/requireDuration.js';
import { stopwatchOf } from '../core/stopwatch.js';
import type { Detector, Finding } from './detector.js';
import {
  ejectionTimeMs,
  judgementOn,
  requireCount,
  requirePercentage,
  resolveTerms,
  type EjectionTerms,
} from './ejectionTerms.js';

export interface ConsecutiveFailuresOptions extends EjectionTerms {
  /** So many failures in a row take a node out. Default 5. Envoy: `consecutive_5xx`, `consecutive_gateway_failure`. */
  readonly failures?: number;
  /**
   * True: only `UNAVAILABLE` and `DEADLINE_EXCEEDED` count (HTTP 503 and 504), and any other end of a call sets the count back.
   * False: whatever the node or the network is to blame for counts. Default false.
   */
  readonly gatewayOnly?: boolean;
  /** A node that was good for so long is out shorter the next time, in milliseconds. Default 10,000. Envoy: `interval`. */
  readonly intervalMs?: number;
  /**
   * Each time out is longer by up to so much, evenly spread, in milliseconds, so that many clients do not return to a node at
   * once. Default 0. Envoy: `max_ejection_time_jitter`.
   */
  readonly jitterMs?: number;
  /** Of so many nodes in a hundred that are found, the node is really taken out. Default 100. Envoy: `enforcing_consecutive_5xx`. */
  readonly enforcementPercentage?: number;
}

/**
 * Counts the failures of each node since its last success. At the fifth the node is out for `baseEjectionTimeMs`, longer each time
 * in a row; each interval from its next success on makes the next time shorter again. (Envoy and gRFC A50 count from when it is let
 * in. But a node that gets few calls, as with slow start, would be forgiven before it has failed often enough.) It comes back with a
 * clean count: it is out again only after as many failures. Calls that failed through the fault of their request or their caller
 * count as nothing.
 *
 *     calls of y   -f-f-s-f-f-f-----------f-f-f     f: failure, s: success; 3 failures, base 10
 *     y            -----------e---------r-----E     e: out for 10, r: in again, E: out for 20
 *
 * For `eject` of a fleet or pool.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function consecutiveFailures(options: ConsecutiveFailuresOptions = {}): Detector {
  const { failures = 5, gatewayOnly = false, intervalMs = 10_000, jitterMs = 0, enforcementPercentage = 100 } = options;
  const of = 'consecutiveFailures';
  requireCount(`${of}.failures`, failures);
  requireDuration(`${of}.intervalMs`, intervalMs);
  requireDuration(`${of}.jitterMs`, jitterMs, 0);
  requirePercentage(`${of}.enforcementPercentage`, enforcementPercentage);
  const terms = resolveTerms(of, options);
  const method = gatewayOnly ? 'consecutive_gateway_failure' : 'consecutive_failure';
  const verdictOn = gatewayOnly ? gatewayVerdict : verdict;
  // Being out for longer is not made worse by failing for longer.
  const mostTimes = Math.ceil(terms.maxEjectionTimeMs / terms.baseEjectionTimeMs);

  return {
    name: of,
    watch: (ports) =>
      new Observable<Finding>((subscriber) => {
        const { by, scheduler, random } = ports;
        const clock = stopwatchOf(scheduler);
        const records = new Map<string, Streak>();
        let current = NodeSet.empty;

        const known = (node: Node): Streak | undefined => {
          const record = records.get(node.id);
          if (record) return record.stats === node.stats ? record : undefined;
          const latest = current.get(node.id);
          if (latest?.stats !== node.stats) return undefined;
          const fresh = new Streak(latest);
          records.set(node.id, fresh);
          return fresh;
        };
        const failed = (node: Node, code: FleetErrorCode | undefined) => {
          const streak = known(node);
          // Calls that were under way when it was taken out say nothing new.
          if (!streak || streak.isOut || ++streak.failures < failures) return;
          streak.failures = 0;
          const { id } = node;
          const reason = `${failures} calls in a row failed, the last with ${code ?? 'no code'}`;
          const finding = judgementOn({ id, method, reason }, enforcementPercentage, ports, () => {
            streak.times = Math.min(streak.timesAt(clock(), intervalMs) + 1, mostTimes);
            const ms = ejectionTimeMs(terms, streak.times) + (jitterMs > 0 ? random() * jitterMs : 0);
            streak.out = scheduler.schedule(() => back(id, streak, 'its time is over'), ms);
            return { until: scheduler.now() + ms };
          });
          subscriber.next(finding);
        };
        const back = (id: string, streak: Streak, reason: string) => {
          streak.letIn();
          subscriber.next({ type: 'readmit', id, reason });
        };
        const ended = ({ node, outcome }: NodeOutcome) => {
          const said = verdictOn(outcome);
          if (said === 'bad') failed(node, outcome.code);
          else if (said === 'good') {
            const streak = records.get(node.id);
            if (streak === undefined || streak.stats !== node.stats) return;
            streak.failures = 0;
            streak.goodSince ??= clock();
          }
        };
        const follow = (set: NodeSet) => {
          const { updated, removed } = set.changesSince(current);
          current = set;
          for (const { id } of removed) {
            records.get(id)?.out?.unsubscribe();
            records.delete(id);
          }
          for (const node of updated) {
            const streak = records.get(node.id);
            if (!streak) continue;
            if (!sameAddress(streak.address, node.address)) {
              // Another process, of which nothing is known yet.
              records.delete(node.id);
              if (streak.isOut) back(node.id, streak, 'it has moved to another address');
            } else if (streak.wasLetIn(node, by)) streak.letIn();
          }
        };

        subscriber.add(() => {
          for (const { out } of records.values()) out?.unsubscribe();
        });
        const error = (thrown: unknown) => subscriber.error(thrown);
        subscriber.add(ports.nodes$.subscribe({ next: follow, error, complete: () => subscriber.complete() }));
        subscriber.add(ports.outcomes$.subscribe({ next: ended, error }));
      }),
  };
}

/** What the last calls of one node add up to. */
class Streak {
  readonly address: Address;
  /** Its live counters, which tell it from a node of the same id that was there before. */
  readonly stats: NodeStats;
  /** Since the last success. */
  failures = 0;
  /** Times in a row that it was taken out, as of when it was last let in. */
  times = 0;
  /** Since when it is good again, on the stopwatch: its first success after it was let in. Undefined before. */
  goodSince: number | undefined = undefined;
  /** The timer that lets it in again; undefined while it is in. */
  out: Subscription | undefined = undefined;
  /** Its ejection was seen at the node. */
  private seen = false;

  constructor({ address, stats }: Node) {
    this.address = address;
    this.stats = stats;
  }

  get isOut(): boolean {
    return this.out !== undefined;
  }

  /** The times in a row that are not forgiven yet: one is for each interval in which it was good. */
  timesAt(now: number, intervalMs: number): number {
    if (this.goodSince === undefined) return this.times;
    return Math.max(0, this.times - Math.floor((now - this.goodSince) / intervalMs));
  }

  letIn(): void {
    this.out?.unsubscribe();
    this.out = undefined;
    this.failures = 0;
    this.goodSince = undefined;
    this.seen = false;
  }

  /** Somebody let it in before its time. */
  wasLetIn({ ejections }: Node, by: string): boolean {
    const shown = ejections.some((ejection) => ejection.by === by);
    const gone = this.seen && !shown;
    this.seen = shown;
    return gone && this.isOut;
  }
}

type Verdict = 'good' | 'bad' | undefined;

function verdict({ status, blame }: Outcome): Verdict {
  if (status === 'ok') return 'good';
  return status === 'failed' && (blame === 'node' || blame === 'network') ? 'bad' : undefined;
}

function gatewayVerdict({ status, code }: Outcome): Verdict {
  if (status === 'cancelled') return undefined;
  return code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED' ? 'bad' : 'good';
}
