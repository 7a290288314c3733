/**
 * Series: one metric with one set of labels, as plain numbers.
 *
 * The classes of prom-client look a series up by its labels with every count, which costs more than the call that is
 * counted. Here whoever counts holds on to its series, and counting is an addition; prom-client sees them when somebody
 * asks for the metrics.
 */

import type { Distribution, Sum } from '../metric.js';

export type Labels = Readonly<Record<string, string>>;

/** One line of what a registry writes, as prom-client has it. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Where it is not the name of the metric. */
  readonly metricName?: string;
  /** Further labels, an object that is there each time: their text is made once. */
  readonly sharedLabels?: Labels;
}

export interface Series {
  /** Adds its lines as they stand now. */
  tell(metric: string, samples: Sample[]): void;
  /** Begins anew. */
  reset(): void;
}

const none: Labels = {};

/** One number: of a counter, or of a gauge that is set as things happen. */
export class Scalar implements Series, Sum {
  readonly labels: Labels;
  value = 0;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  add(by: number): void {
    this.value += by;
  }

  tell(_: string, samples: Sample[]): void {
    samples.push({ labels: none, value: this.value, sharedLabels: this.labels });
  }

  reset(): void {
    this.value = 0;
  }
}

/** The upper bounds of the buckets of a histogram, in order, and how they are written. */
export class Bounds {
  readonly upper: readonly number[];
  readonly labels: readonly { readonly le: number | string }[];

  constructor(upper: readonly number[]) {
    this.upper = upper;
    this.labels = [...upper.map((le) => ({ le })), { le: '+Inf' }];
  }
}

export class Histogram implements Series, Distribution {
  readonly labels: Labels;
  sum = 0;
  private readonly bounds: Bounds;
  /** Of each bucket alone; the last is that above all bounds. */
  private readonly counts: Float64Array;

  constructor(labels: Labels, bounds: Bounds) {
    this.labels = labels;
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.upper.length + 1);
  }

  observe(value: number): void {
    const { upper } = this.bounds;
    let low = 0;
    let high = upper.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= upper[middle]!) high = middle;
      else low = middle + 1;
    }
    this.counts[low]!++;
    this.sum += value;
  }

  get count(): number {
    return this.counts.reduce((total, count) => total + count, 0);
  }

  tell(metric: string, samples: Sample[]): void {
    const { labels: sharedLabels, counts, bounds } = this;
    const metricName = `${metric}_bucket`;
    let value = 0;
    for (let i = 0; i < counts.length; i++) {
      value += counts[i]!;
      samples.push({ labels: bounds.labels[i]!, value, metricName, sharedLabels });
    }
    samples.push({ labels: none, value: this.sum, metricName: `${metric}_sum`, sharedLabels });
    samples.push({ labels: none, value, metricName: `${metric}_count`, sharedLabels });
  }

  reset(): void {
    this.counts.fill(0);
    this.sum = 0;
  }
}

/** A gauge that is looked up when somebody asks. */
export class Reading implements Series {
  private readonly read: (add: (labels: Labels, value: number) => void) => void;

  constructor(read: (add: (labels: Labels, value: number) => void) => void) {
    this.read = read;
  }

  tell(_: string, samples: Sample[]): void {
    this.read((labels, value) => samples.push({ labels, value }));
  }

  reset(): void {}
}
