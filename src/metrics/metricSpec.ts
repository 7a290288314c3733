/** What a metric is, in the terms of OpenTelemetry; each exporter spells it in its own way. */

/** A `counter` only grows, an `upDownCounter` goes both ways, a `gauge` is looked up; neither is ever negative in sum. */
export type MetricKind = 'counter' | 'upDownCounter' | 'gauge' | 'histogram';

export interface MetricSpec {
  /** Such as `grpc.client.attempt.started`. */
  readonly name: string;
  readonly kind: MetricKind;
  /** In UCUM, such as `s`, `By` or `{attempt}`. */
  readonly unit: string;
  /** In a sentence. */
  readonly description: string;
  /** What its attributes are called, by the words of those who record. */
  readonly attributes: Readonly<Record<string, string>>;
  /**
   * What the readings of several clients with the same attributes come to, where an exporter does not keep them apart: their
   * sum for an `upDownCounter`, the greatest for a `gauge`, unless it says `least` here.
   */
  readonly combine?: 'sum' | 'least';
  /** Of a histogram: the upper bounds of its buckets, in its unit. */
  readonly buckets?: readonly number[];
}
