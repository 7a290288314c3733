/**
 * Numbers that are looked up when a meter is collected, of all clients that have a metric on it.
 *
 * A callback that is removed leaves what it said last: the SDK goes on exporting it for ever, so that a fleet which has
 * closed would have its nodes to the end. So what has ended says 0 once more, before those speak that go on, since they may
 * be a successor with the same attributes.
 */

import type { Observable, ObservableCallback } from '@opentelemetry/api';
import { perMeter } from './perMeter.js';

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

/** The one of a metric on a meter. */
export const sharedReading = perMeter<SharedReading>();
