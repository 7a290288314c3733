/**
 * Numbers that are looked up when a meter is collected, of all clients that have a metric on it.
 *
 * Clients with the same attributes, as two pools without a name, are one series: what they say is made one, since the SDK
 * would keep what was said last. It also exports for ever what is no longer said, so that a fleet which has closed would have its
 * nodes to the end. So what has ended says 0 once more, unless another goes on with the same attributes.
 */

import type { Attributes, Observable, ObservableResult } from '@opentelemetry/api';
import { attributesKey } from './attributesKey.js';
import { perMeter } from './perMeter.js';

/** Tells its numbers. */
export type Read = (tell: (attributes: Attributes, value: number) => void) => void;

/** What several numbers of one series come to. */
export type Combine = (a: number, b: number) => number;

export class SharedReading {
  private readonly combine: Combine;
  private readonly live = new Set<Read>();
  /** What those that have ended had, to be said to be 0: their series alone, since nobody may ever collect. */
  private readonly gone = new Map<string, Attributes>();

  constructor(observable: Observable, combine: Combine) {
    this.combine = combine;
    // For good: a callback that takes itself out amid a collection has the next one passed over.
    observable.addCallback((result) => this.collected(result));
  }

  /** @returns Ends it. */
  add(read: Read): () => void {
    this.live.add(read);
    return () => {
      if (this.live.delete(read)) read((attributes) => this.gone.set(attributesKey(attributes), attributes));
    };
  }

  private collected(result: ObservableResult): void {
    const series = new Map<string, { readonly attributes: Attributes; value: number }>();
    for (const read of this.live) {
      read((attributes, value) => {
        const key = attributesKey(attributes);
        const known = series.get(key);
        if (known === undefined) series.set(key, { attributes, value });
        else known.value = this.combine(known.value, value);
      });
    }
    for (const [key, attributes] of this.gone) if (!series.has(key)) series.set(key, { attributes, value: 0 });
    this.gone.clear();
    for (const { attributes, value } of series.values()) result.observe(value, attributes);
  }
}

/** The one of a metric on a meter. */
export const sharedReading = perMeter<SharedReading>();
