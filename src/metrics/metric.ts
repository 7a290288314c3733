/** One metric, as those who record see it, whoever exports it. */

/** Values by the words of those who record, such as `method`; what they are called outside is the business of the exporter. */
export type Attributes = Readonly<Record<string, string>>;

/** A number that is added to. */
export interface Sum {
  add(by: number): void;
}

/** Numbers of which the spread matters. */
export interface Distribution {
  observe(value: number): void;
}

/** Makes what is held on to: looking up by attributes costs more than counting does. */
export interface Metric {
  /** Nobody wants it, so that what is measured for it alone need not be. */
  readonly silent?: boolean;
  sum(attributes?: Attributes): Sum;
  distribution(attributes?: Attributes): Distribution;
  /** Numbers that are looked up when somebody asks. */
  reading(read: (add: (attributes: Attributes, value: number) => void) => void): void;
}

/** The metrics of a table, by the same keys. */
export function metricsOf<K extends string, S>(
  specs: Readonly<Record<K, S>>,
  metric: (spec: S) => Metric,
): Readonly<Record<K, Metric>> {
  const entries = Object.entries(specs) as [K, S][];
  return Object.fromEntries(entries.map(([key, spec]) => [key, metric(spec)])) as Record<K, Metric>;
}
