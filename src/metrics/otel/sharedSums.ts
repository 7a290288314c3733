/**
 * Sums that are kept here and looked up when a meter is collected.
 *
 * The counters of the SDK find their series anew with each addition, which costs more than a microsecond; what is held on to
 * costs an addition. What leaves the process is the same. As with those, what was counted stays.
 */

import type { Attributes, Observable } from '@opentelemetry/api';
import type { Sum } from '../metric.js';
import { attributesKey } from './attributesKey.js';
import { perMeter } from './perMeter.js';

class Series implements Sum {
  readonly attributes: Attributes;
  value = 0;

  constructor(attributes: Attributes) {
    this.attributes = attributes;
  }

  add(by: number): void {
    this.value += by;
  }
}

export class SharedSums {
  private readonly series = new Map<string, Series>();

  constructor(observable: Observable) {
    observable.addCallback((result) => {
      for (const { attributes, value } of this.series.values()) result.observe(value, attributes);
    });
  }

  of(attributes: Attributes): Sum {
    const key = attributesKey(attributes);
    let series = this.series.get(key);
    if (series === undefined) this.series.set(key, (series = new Series(attributes)));
    return series;
  }
}

/** The one of a metric on a meter. */
export const sharedSums = perMeter<SharedSums>();
