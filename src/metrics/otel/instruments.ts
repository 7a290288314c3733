/** Metrics of recorders as instruments of a meter, each made when it is first needed. */

import type { Attributes as OtelAttributes, Histogram, Meter, MetricOptions, Observable } from '@opentelemetry/api';
import type { Attributes, Metric } from '../metric.js';
import type { MetricSpec } from '../metricSpec.js';
import { otelApi } from './otelApi.js';
import { SharedReading, sharedReading, type Combine } from './sharedReading.js';
import { SharedSums, sharedSums } from './sharedSums.js';

const { ROOT_CONTEXT, ValueType } = otelApi;

/** Attributes that only those have who asked for them. */
const optional: Readonly<Record<string, string>> = {
  locality: 'grpc.lb.locality',
  backendService: 'grpc.lb.backend_service',
  node: 'rxfleet.node.id',
  disconnectError: 'grpc.disconnect_error',
  serverAddress: 'server.address',
  serverPort: 'server.port',
};

/** Of a metric that is switched off. */
const silent: Metric = {
  silent: true,
  sum: () => ({ add: () => undefined }),
  distribution: () => ({ observe: () => undefined }),
  reading: () => undefined,
};

export class Instruments {
  private readonly meter: Meter;
  private readonly always: OtelAttributes;
  private readonly wanted: (name: string) => boolean;
  private readonly readings: (() => void)[] = [];

  /** @param always on each series of a metric that has the attribute. */
  constructor(meter: Meter, always: OtelAttributes, wanted: (name: string) => boolean) {
    this.meter = meter;
    this.always = always;
    this.wanted = wanted;
  }

  metric(spec: MetricSpec): Metric {
    if (!this.wanted(spec.name)) return silent;
    const { meter, always } = this;
    const options = optionsOf(spec);
    const attributesOf = (attributes: Attributes): OtelAttributes => {
      const named: OtelAttributes = {};
      for (const name of Object.values(spec.attributes)) if (name in always) named[name] = always[name];
      for (const [word, value] of Object.entries(attributes)) {
        named[spec.attributes[word] ?? optional[word] ?? word] = word === 'serverPort' ? Number(value) : value;
      }
      return named;
    };
    let histogram: Histogram | undefined;
    const observable = () => observableOf(meter, spec, options);
    return {
      sum: (given = {}) => sharedSums(meter, spec.name, () => new SharedSums(observable())).of(attributesOf(given)),
      distribution(given = {}) {
        const spread = (histogram ??= meter.createHistogram(spec.name, options));
        const attributes = attributesOf(given);
        return { observe: (value) => spread.record(value, attributes, ROOT_CONTEXT) };
      },
      reading: (read) => {
        const shared = sharedReading(meter, spec.name, () => new SharedReading(observable(), combineOf(spec)));
        this.readings.push(shared.add((tell) => read((given, value) => tell(attributesOf(given), value))));
      },
    };
  }

  /** Nothing is read any more, but for a last 0. What was counted stays, as the API has no way to take it back. */
  close(): void {
    for (const end of this.readings.splice(0)) end();
  }
}

function optionsOf({ kind, unit, description, buckets }: MetricSpec): MetricOptions {
  const valueType = kind === 'counter' || kind === 'upDownCounter' ? ValueType.INT : ValueType.DOUBLE;
  return { unit, description, valueType, ...(buckets && { advice: { explicitBucketBoundaries: [...buckets] } }) };
}

function observableOf(meter: Meter, { name, kind }: MetricSpec, options: MetricOptions): Observable {
  if (kind === 'counter') return meter.createObservableCounter(name, options);
  if (kind === 'upDownCounter') return meter.createObservableUpDownCounter(name, options);
  return meter.createObservableGauge(name, options);
}

function combineOf({ kind, combine = kind === 'upDownCounter' ? 'sum' : undefined }: MetricSpec): Combine {
  if (combine === 'sum') return (a, b) => a + b;
  return combine === 'least' ? Math.min : Math.max;
}
