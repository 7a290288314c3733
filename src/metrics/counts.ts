/** The sums of one metric by something of which there are few, each made when it is first counted. */

import type { Sum } from './metric.js';

export class Counts<K extends readonly string[], S extends Sum = Sum> {
  private readonly known = new Map<string, { readonly key: K; readonly sum: S }>();
  private readonly make: (...key: K) => S;
  private readonly remove: ((sum: S) => void) | undefined;

  constructor(make: (...key: K) => S, remove?: (sum: S) => void) {
    this.make = make;
    this.remove = remove;
  }

  of(...key: K): S {
    const text = key.length === 1 ? key[0]! : key.join('\n');
    let found = this.known.get(text);
    if (found === undefined) {
      found = { key, sum: this.make(...key) };
      this.known.set(text, found);
    }
    return found.sum;
  }

  add(...key: K): void {
    this.of(...key).add(1);
  }

  /** Removes those in whose key it stands. Looks at all. */
  forget(part: string): void {
    for (const [text, { key, sum }] of this.known) {
      if (!key.includes(part)) continue;
      this.known.delete(text);
      this.remove?.(sum);
    }
  }
}
