/** What one client counts in a registry: its metrics and series, all gone again with `close`. */

import { requireOption } from '../../core/requireOption.js';
import { Family, type MetricSpec } from './family.js';
import type { AnyRegistry } from './registry.js';
import { Histogram, Reading, Scalar, type Labels, type Series } from './series.js';

export interface MetricScopeOptions {
  /** Before each name. */
  readonly prefix: string;
  /** On each series: what the user asked for. */
  readonly labels: Labels;
  /** On each series: what the metrics have anyway. */
  readonly always?: Labels;
}

/** One metric, for the series of one client. */
export interface ScopedMetric {
  /** A new series of one number. */
  scalar(labels?: Labels): Scalar;
  /** A new series of buckets. */
  histogram(labels?: Labels): Histogram;
  /** Numbers that are looked up when somebody asks. */
  reading(read: (add: (labels: Labels, value: number) => void) => void): void;
  remove(series: Series): void;
}

export class MetricScope {
  private readonly registry: AnyRegistry;
  private readonly options: MetricScopeOptions;
  private readonly labels: Labels;
  /** By which its series are told from those of others. */
  private readonly owner: string;
  private readonly joined: { readonly spec: MetricSpec; readonly family: Family; readonly own: Set<Series> }[] = [];

  constructor(registry: AnyRegistry, options: MetricScopeOptions) {
    this.registry = registry;
    this.options = options;
    this.labels = { ...options.labels, ...options.always };
    const sorted = Object.entries(this.labels).sort(([a], [b]) => (a < b ? -1 : 1));
    this.owner = JSON.stringify(Object.fromEntries(sorted));
  }

  /**
   * @throws FleetError `INVALID_OPTION` when the registry cannot take it, or it has a label of its own that the user
   * named.
   */
  metric(bare: MetricSpec): ScopedMetric {
    const { labels: always, options } = this;
    const spec = { ...bare, name: options.prefix + bare.name };
    for (const name of Object.keys(options.labels)) {
      const free = !spec.labels.includes(name) && name !== 'le';
      requireOption(free, 'labels', `without those that ${spec.name} has of its own`, name);
    }
    const family = Family.join(this.registry, spec, this.owner);
    const own = new Set<Series>();
    this.joined.push({ spec, family, own });
    const enter = <S extends Series>(series: S): S => {
      own.add(series);
      family.add(series);
      return series;
    };
    return {
      scalar: (labels = {}) => enter(new Scalar({ ...always, ...labels })),
      histogram: (labels = {}) => enter(new Histogram({ ...always, ...labels }, family.bounds)),
      reading(read) {
        enter(new Reading((add) => read((labels, value) => add({ ...always, ...labels }, value))));
      },
      remove(series) {
        own.delete(series);
        family.delete(series);
      },
    };
  }

  close(): void {
    for (const { spec, family, own } of this.joined.splice(0)) {
      for (const series of own) family.delete(series);
      family.leave(this.registry, spec, this.owner);
    }
  }
}
