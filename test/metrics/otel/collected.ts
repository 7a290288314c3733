/** What a provider of each signal has collected, in memory. */

import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { ReadableSpan, TracerConfig } from '@opentelemetry/sdk-trace-base';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { Histogram, MetricData } from '@opentelemetry/sdk-metrics';

class Reader extends MetricReader {
  protected override onShutdown = () => Promise.resolve();
  protected override onForceFlush = () => Promise.resolve();
}

type Attributes = Readonly<Record<string, unknown>>;

export interface Collected {
  readonly meterProvider: MeterProvider;
  readonly tracerProvider: BasicTracerProvider;
  /** All metrics that have a value, by their names. */
  metrics(): Promise<ReadonlyMap<string, MetricData>>;
  /** The sum of the values of a metric that have these attributes, among others: of a histogram its count. */
  value(name: string, attributes?: Attributes): Promise<number>;
  /** The sum of what a histogram has seen. */
  sum(name: string, attributes?: Attributes): Promise<number>;
  /** Spans that are over, in the order of their ends; with the name, or what it begins with. */
  spans(name?: string): readonly ReadableSpan[];
  /** The one span that this begins the name of. */
  span(name: string): ReadableSpan;
}

export function collected(config: TracerConfig = {}): Collected {
  const exporter = new InMemorySpanExporter();
  const processors = config.spanProcessors ?? [];
  const tracerProvider = new BasicTracerProvider({
    ...config,
    spanProcessors: [...processors, new SimpleSpanProcessor(exporter)],
  });
  const reader = new Reader();
  const meterProvider = new MeterProvider({ readers: [reader] });
  const metrics = async () => {
    const { resourceMetrics } = await reader.collect();
    const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return new Map(all.map((metric) => [metric.descriptor.name, metric]));
  };
  const points = async (name: string, wanted: Attributes) => {
    const found = (await metrics()).get(name)?.dataPoints ?? [];
    return found.filter(({ attributes }) =>
      Object.entries(wanted).every(([key, value]) => attributes[key] === value),
    ) as { readonly value: number | Histogram }[];
  };
  const spans = (name = '') => exporter.getFinishedSpans().filter((span) => span.name.startsWith(name));
  return {
    meterProvider,
    tracerProvider,
    metrics,
    spans,
    async value(name, attributes = {}) {
      const values = (await points(name, attributes)).map(({ value }) =>
        typeof value === 'number' ? value : value.count,
      );
      return values.reduce((sum, value) => sum + value, 0);
    },
    async sum(name, attributes = {}) {
      const values = (await points(name, attributes)).map(({ value }) => (value as Histogram).sum ?? 0);
      return values.reduce((sum, value) => sum + value, 0);
    },
    span(name) {
      const [span, ...more] = spans(name);
      if (span === undefined || more.length > 0) {
        throw new Error(`${more.length + (span ? 1 : 0)} spans ${name} among ${spans().map((each) => each.name)}`);
      }
      return span;
    },
  };
}
