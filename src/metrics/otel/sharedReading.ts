/**
 * Numbers that are looked up when a meter is collected, of all clients that have a metric on it.
 *
 * A callback that is removed leaves what it said last: the SDK goes on exporting it for ever, so that a fleet which has
 * closed would have its nodes to the end. So what has ended says 0 once more, before those speak that go on, since they may
 * be a successor with the same attributes.
 */

import type { Meter, Observable, ObservableCallback } from '@opentelemetry/api';

const known = new WeakMap<Meter, Map<string, SharedReading>>();

/** The one of that name on a meter. */
export function sharedReading(meter: Meter, name: string, make: () => Observable): SharedReading {
  let named = known.get(meter);
  if (named === undefined) known.set(meter, (named = new Map()));
  let reading = named.get(name);
  if (reading === undefined) named.set(name, (reading = new SharedReading(make())));
  return reading;
}

export class SharedReading {
  private readonly observable: Observable;
  private readonly live = new Set<ObservableCallback>();
  private readonly gone = new Set<ObservableCallback>();

  constructor(observable: Observable) {
    this.observable = observable;
  }

  /**
   * @param zero observes 0 for each series.
   * @returns Ends it.
   */
  add(read: ObservableCallback, zero: ObservableCallback): () => void {
    // Adding it twice is adding it once.
    this.observable.addCallback(this.collected);
    this.live.add(read);
    return () => {
      if (this.live.delete(read)) this.gone.add(zero);
    };
  }

  private readonly collected: ObservableCallback = (result) => {
    for (const zero of this.gone) void zero(result);
    this.gone.clear();
    for (const read of this.live) void read(result);
    if (this.live.size === 0) this.observable.removeCallback(this.collected);
  };
}
