/** One metric of a registry, with the series of everybody who counts in it. */

import { FleetError } from '../../core/fleetError.js';
import type { AnyRegistry } from './registry.js';
import { Bounds, type Sample, type Series } from './series.js';

/** What a metric is. */
export interface MetricSpec {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** In a sentence, as it stands above the metric. */
  readonly help: string;
  readonly labels: readonly string[];
  /** Of a histogram: the upper bounds of its buckets, in its unit. */
  readonly buckets?: readonly number[];
}

/**
 * What a registry of prom-client needs of a metric: to be asked. Its fields are no `#private` ones, since
 * `inOpenMetrics` asks a likeness of it.
 */
export class Family {
  readonly name: string;
  readonly help: string;
  readonly type: MetricSpec['type'];
  readonly labelNames: readonly string[];
  /** For those who add up the metrics of the processes of a cluster. */
  readonly aggregator = 'sum';
  readonly bounds: Bounds;
  private readonly series = new Set<Series>();
  private readonly owners = new Set<string>();

  constructor(spec: MetricSpec) {
    this.name = spec.name;
    this.help = spec.help;
    this.type = spec.type;
    this.labelNames = spec.labels;
    this.bounds = new Bounds(spec.buckets ?? []);
  }

  /**
   * The metric of a registry, put there if need be, for one owner more. `leave` gives it back.
   *
   * @throws FleetError `INVALID_OPTION` when the name is taken by something else, or the owner has it already.
   */
  static join(registry: AnyRegistry, spec: MetricSpec, owner: string): Family {
    const { name } = spec;
    const found = registry.getSingleMetric(name) as unknown;
    if (found !== undefined && !(found instanceof Family && found.fits(spec))) {
      throw new FleetError(
        'INVALID_OPTION',
        `the registry has another metric ${name} already, or one with other buckets: give a prefix, or another registry`,
      );
    }
    const family = found ?? new Family(spec);
    if (family.owners.has(owner)) {
      throw new FleetError(
        'INVALID_OPTION',
        `another client counts in the same series of ${name} of this registry, with ${owner}: give each a target or labels of its own`,
      );
    }
    family.owners.add(owner);
    if (!found) registry.registerMetric(family as never);
    return family;
  }

  leave(registry: AnyRegistry, spec: MetricSpec, owner: string): void {
    this.owners.delete(owner);
    const { name } = spec;
    if (this.owners.size === 0 && (registry.getSingleMetric(name) as unknown) === this) {
      registry.removeSingleMetric(name);
    }
  }

  add(series: Series): void {
    this.series.add(series);
  }

  delete(series: Series): void {
    this.series.delete(series);
  }

  /** Asked by a registry that writes text. */
  getForPromString() {
    const { name, help, type, aggregator } = this;
    const values: Sample[] = [];
    for (const series of this.series) series.tell(name, values);
    return { name, help, type, aggregator, values };
  }

  /** Asked by everybody else, such as those who add up the metrics of a cluster. */
  get() {
    const told = this.getForPromString();
    const values = told.values.map(({ sharedLabels, labels, ...rest }) => ({
      ...rest,
      labels: { ...sharedLabels, ...labels },
    }));
    return { ...told, values };
  }

  /** Asked by `registry.resetMetrics()`. */
  reset(): void {
    for (const series of this.series) series.reset();
  }

  private fits({ type, buckets = [] }: MetricSpec): boolean {
    const { upper } = this.bounds;
    return type === this.type && upper.length === buckets.length && upper.every((bound, i) => bound === buckets[i]);
  }
}
