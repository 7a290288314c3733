/** The series of one metric by something of which there are few, each made when it is first counted. */

import type { ScopedMetric } from './metricScope.js';
import type { Labels, Scalar } from './series.js';

export class Counts<K extends readonly string[]> {
  private readonly known = new Map<string, { readonly key: K; readonly count: Scalar }>();
  private readonly metric: ScopedMetric;
  private readonly labelsOf: (...key: K) => Labels;

  constructor(metric: ScopedMetric, labelsOf: (...key: K) => Labels) {
    this.metric = metric;
    this.labelsOf = labelsOf;
  }

  of(...key: K): Scalar {
    const text = key.length === 1 ? key[0]! : key.join('\n');
    let found = this.known.get(text);
    if (found === undefined) {
      found = { key, count: this.metric.scalar(this.labelsOf(...key)) };
      this.known.set(text, found);
    }
    return found.count;
  }

  add(...key: K): void {
    this.of(...key).value++;
  }

  /** Removes those in whose key it stands. Looks at all. */
  forget(part: string): void {
    for (const [text, { key, count }] of this.known) {
      if (!key.includes(part)) continue;
      this.known.delete(text);
      this.metric.remove(count);
    }
  }
}
