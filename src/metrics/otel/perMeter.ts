/** What all clients on a meter have in common, by the name of a metric: two may have the same attributes. */

import type { Meter } from '@opentelemetry/api';

export function perMeter<T>(): (meter: Meter, metric: string, make: () => T) => T {
  const known = new WeakMap<Meter, Map<string, T>>();
  return (meter, metric, make) => {
    let named = known.get(meter);
    if (named === undefined) known.set(meter, (named = new Map()));
    let found = named.get(metric);
    if (found === undefined) named.set(metric, (found = make()));
    return found;
  };
}
