/** What each node took to answer, as of the last interval: one measurement a node, whatever lists it stands in. */

import { formatAddress } from '../../core/address.js';
import type { Node } from '../../core/node.js';
import type { NodeStats } from '../../core/nodeStats.js';
import type { RecentTime } from '../recentTime.js';

/** For so many intervals counts what came from outside. */
const freshFor = 6;
/**
 * How far a latency moves towards each new one, as a ratio: quickly to what is slower, cautiously to what is faster. Forty clients
 * that look at one average over a minute are steady by these at a load of 70 %, of nodes of unequal speed, too; half of the way
 * made them swing by a factor of 19.
 */
const [slower, faster] = [0.3, 0.1];
/** What a failure counts as, in medians. */
const failureCost = 10;
/** So that nodes that answer in no time can be compared; and the most, so that any two can. */
const [leastMs, mostMs] = [0.001, 1e9];

/** Of one node: what is known, and what had been counted when it was last looked at. */
interface Measurement {
  /** Undefined while nothing is known. */
  latencyMs: number | undefined;
  /** The last interval told nothing of it, so that it has yet to come nearer to the median. */
  fades: boolean;
  /** The part of the calls that failed by the fault of the node or the network. */
  failing: number;
  interval: number;
  successes: number;
  failures: number;
  totalLatencyMs: number;
}

export class Measurements {
  /** The number of the interval. */
  interval = 0;
  private endsAt: number;
  private told: ReadonlyMap<string, number> | undefined = undefined;
  private staleAt = 0;
  private readonly measurements = new WeakMap<NodeStats, Measurement>();
  private readonly intervalMs: number;
  private readonly time: RecentTime;

  /** @param phase from 0 up to 1: by how much of the half of it the first interval is shorter. */
  constructor(intervalMs: number, phase: number, time: RecentTime) {
    this.intervalMs = intervalMs;
    this.time = time;
    this.endsAt = time.now + intervalMs * (1 - phase / 2);
  }

  /** Told of each pick. */
  picked(): void {
    this.time.picked();
    if (this.time.now < this.endsAt) return;
    this.interval++;
    this.endsAt = this.time.now + this.intervalMs;
  }

  /** Latencies from outside, in milliseconds by id or address. */
  tell(latencies: ReadonlyMap<string, number>): void {
    this.time.read();
    this.told = latencies;
    this.staleAt = this.time.now + freshFor * this.intervalMs;
  }

  /** How slow each node of a list is, in medians of the list and with its failures; 1 where nothing is known. */
  slownessOf(nodes: readonly Node[]): Float64Array {
    const measurements = nodes.map((node) => this.measured(node));
    const known = measurements.flatMap(({ latencyMs }) => latencyMs ?? []);
    const medianMs = Float64Array.from(known).sort()[known.length >> 1] ?? 1;
    return Float64Array.from(measurements, (measurement) => {
      const { fades, failing } = measurement;
      let { latencyMs = medianMs } = measurement;
      if (fades) {
        measurement.fades = false;
        measurement.latencyMs = latencyMs = moved(latencyMs, medianMs);
      }
      const slowness = latencyMs / medianMs;
      return slowness + failing * Math.max(0, failureCost - slowness);
    });
  }

  private measured(node: Node): Measurement {
    const { stats } = node;
    let known = this.measurements.get(stats);
    if (known === undefined) {
      known = {
        latencyMs: undefined,
        fades: false,
        failing: 0,
        interval: -1,
        successes: 0,
        failures: 0,
        totalLatencyMs: 0,
      };
      this.measurements.set(stats, known);
    }
    if (known.interval !== this.interval) this.measure(node, known);
    return known;
  }

  private measure(node: Node, known: Measurement): void {
    const { successes, failures, totalLatencyMs, ewmaLatencyMs } = node.stats;
    const isFirst = known.interval < 0;
    const answered = successes - known.successes;
    const failed = isFirst ? 0 : failures - known.failures;
    // What was counted before may be of any age: then the average of the latest counts.
    const ownMs = isFirst ? ewmaLatencyMs : (totalLatencyMs - known.totalLatencyMs) / answered;
    const news = this.toldOf(node) ?? (answered > 0 && ownMs < Infinity ? within(ownMs) : undefined);
    known.fades = news === undefined && known.latencyMs !== undefined;
    if (news !== undefined) known.latencyMs = known.latencyMs === undefined ? news : moved(known.latencyMs, news);
    known.failing = (known.failing + (failed > 0 ? failed / (answered + failed) : 0)) / 2;
    known.interval = this.interval;
    known.successes = successes;
    known.failures = failures;
    known.totalLatencyMs = totalLatencyMs;
  }

  private toldOf({ id, address }: Node): number | undefined {
    const { told } = this;
    if (told === undefined || this.time.now > this.staleAt) return undefined;
    for (const ms of [told.get(id), told.get(formatAddress(address))]) {
      if (ms !== undefined && ms > 0 && ms < Infinity) return within(ms);
    }
    return undefined;
  }
}

function within(ms: number): number {
  return Math.min(mostMs, Math.max(leastMs, ms));
}

function moved(fromMs: number, toMs: number): number {
  return fromMs * (toMs / fromMs) ** (toMs > fromMs ? slower : faster);
}
