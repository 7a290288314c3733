/**
 * More calls to the nodes that answer faster, by measurements that are taken now and then.
 *
 * fyer-rpc's `Fastest` asks a metrics server for the latency of each instance every ten seconds and sends every call to the
 * fastest one until it asks again: so do all its clients at once, and the fastest node is soon the slowest. Here each node has a
 * share, larger the faster it is, and shares move by a part of the way at a time, at other moments in each client. So the load
 * settles where latencies balance, also when many clients look at one source.
 *
 * For measurements that come from elsewhere, such as Prometheus, which know what every client sees; and where a share of the
 * calls should be a number that can be read and explained. It is slow by design: what changes within an interval it does not see,
 * but for failures. Where this client's own calls tell enough, `peakEwma()` reacts at once, and to load, too.
 */

import { asyncScheduler, defer, using, type Observable, type SchedulerLike } from 'rxjs';
import type { Node } from '../core/node.js';
import type { NodeStats } from '../core/nodeStats.js';
import { requireOption } from '../core/requireOption.js';
import { stopwatchOf } from '../core/stopwatch.js';
import { aliasTable, drawFrom, type AliasTable } from './aliasTable.js';
import { drawExcept } from './drawExcept.js';
import { Measurements } from './fastestResponse/measurements.js';
import { PassedOver } from './passedOver.js';
import type { Balancer, Excluded } from './picker.js';
import { RecentTime } from './recentTime.js';
import { sameWeights } from './sameWeights.js';
import { balancerOf, withTraits, type Chooser, type Strategy } from './strategy.js';

export interface FastestResponseOptions {
  /**
   * Latencies from outside, in milliseconds by node id or by `host:port`, whole with each emission. They go before what this
   * client measures itself. Default: its own measurements alone.
   */
  readonly latencies$?: Observable<ReadonlyMap<string, number>>;
  /** How often shares are made anew, in milliseconds. Default 10,000, as in fyer-rpc. */
  readonly updateIntervalMs?: number;
  /**
   * How strongly latency counts: a node that is twice as fast gets `2^power` times the calls; 0 does not look at it. Default 1.
   * More tends to swing back and forth once the nodes are busy.
   */
  readonly power?: number;
  /** Chance, from 0 up to 1; asked once a pick, and once at first. Default `Math.random`. */
  readonly random?: () => number;
  /** Must be that of the client, by whose stopwatch latencies are told. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Takes any routable node by chance, in proportion to `weight × (median latency / latency) ^ power`.
 *
 * The first latency of a node counts as it is. From then on it moves, each interval, towards what the successes of the interval
 * took on average, as a ratio: three tenths of the way where that is slower, one tenth where it is faster. One of which nothing is
 * known counts as the median, and one that an interval tells nothing of moves towards it. Nobody gets less than a tenth of what
 * the median gets, so nobody starves, and nobody more than ten times as much.
 *
 * A failure of the node or the network counts as ten medians, unless the node is slower than that anyway; and a failing node that
 * is drawn is passed over at once: `2^k` times for each time that it is taken, where its failures outnumber its successes by `k`
 * of late, at most 6.
 *
 * From `latencies$`, an empty map, a missing entry, and one that is not a number above 0 (0 ÷ 0 in PromQL is `NaN`) tell nothing,
 * and the client's own measurement counts for that node. What was told counts for six intervals. When `latencies$` completes or
 * fails, calls go on with what was told until then, and then without: let it retry what can be retried.
 *
 *     nodes$       a-------------|      a = x y
 *     latencies$   m-------------|      m = x 10 ms, y 30 ms
 *     picks        x 75 %, y 25 %
 *
 * gRPC and Envoy names: none; fyer-rpc calls it `fastest`.
 *
 * @throws FleetError `INVALID_OPTION` for an interval that is not above 0, or a power below 0.
 */
export function fastestResponse(options: FastestResponseOptions = {}): Balancer {
  const {
    latencies$,
    updateIntervalMs = 10_000,
    power = 1,
    random = Math.random,
    scheduler = asyncScheduler,
  } = options;
  const sensible = updateIntervalMs > 0 && updateIntervalMs < Infinity;
  requireOption(sensible, 'updateIntervalMs', 'above 0', updateIntervalMs);
  requireOption(power >= 0 && power < Infinity, 'power', 'a number of at least 0', power);
  const traits = { name: 'fastest_response', weighted: true, keyed: false };

  return withTraits(traits, (set$) =>
    defer(() => {
      const time = new RecentTime(stopwatchOf(scheduler));
      const measurements = new Measurements(updateIntervalMs, random(), time);
      const strategy: Strategy = {
        chooser: () => new ShareBySpeed(measurements, power, random),
        changed: (_node, _index, outcome) => {
          if (outcome !== undefined) time.ended(outcome.at);
        },
      };
      const picker$ = set$.pipe(balancerOf(traits.name, () => strategy));
      if (latencies$ === undefined) return picker$;
      const told = {
        next: (latencies: ReadonlyMap<string, number>) => measurements.tell(latencies),
        error: () => undefined,
      };
      return using(
        () => latencies$.subscribe(told),
        () => picker$,
      );
    }),
  );
}

/** Least and most of what a node can get, in shares of a node that is as fast as the median. */
const [least, most] = [0.1, 10];

class ShareBySpeed implements Chooser {
  private nodes: readonly Node[] = [];
  private stats: readonly NodeStats[] = [];
  private shares = new Float64Array(0);
  private table: AliasTable = aliasTable([]);
  private interval = -1;
  private readonly measurements: Measurements;
  private readonly power: number;
  private readonly random: () => number;
  private readonly passedOver = new PassedOver();

  constructor(measurements: Measurements, power: number, random: () => number) {
    this.measurements = measurements;
    this.power = power;
    this.random = random;
  }

  update(nodes: readonly Node[], stats: readonly NodeStats[]): void {
    if (!sameWeights(this.nodes, nodes)) this.interval = -1;
    this.nodes = nodes;
    this.stats = stats;
    this.passedOver.update(nodes, stats);
  }

  choose(): number {
    this.keepUp();
    const index = drawFrom(this.table, this.random);
    if (this.stats[index]!.failureLevel === 0 || this.nodes.length === 1) return index;
    return this.passedOver.unlessFailing(index, this.drawExcept(new Set([this.nodes[index]!.id])));
  }

  chooseExcept(exclude: Excluded): number {
    this.keepUp();
    return this.passedOver.unlessFailing(this.drawExcept(exclude), this.drawExcept(exclude));
  }

  /** Its share of the picks, 0 to 1. */
  score(index: number): number {
    return this.shares[index]!;
  }

  private keepUp(): void {
    this.measurements.picked();
    if (this.interval !== this.measurements.interval) this.share();
  }

  private drawExcept(exclude: Excluded): number {
    return drawExcept(
      this.nodes,
      exclude,
      () => drawFrom(this.table, this.random),
      this.random,
      (_node, index) => this.shares[index]!,
    );
  }

  private share(): void {
    const { nodes, measurements, power } = this;
    this.interval = measurements.interval;
    const heaviest = nodes.reduce((weight, node) => Math.max(weight, node.weight), 0);
    const shares = measurements.slownessOf(nodes).map((slowness, i) => {
      return (nodes[i]!.weight / heaviest) * Math.min(most, Math.max(least, slowness ** -power));
    });
    const sum = shares.reduce((total, share) => total + share, 0);
    this.shares = shares.map((share) => share / sum);
    this.table = aliasTable(shares);
  }
}
