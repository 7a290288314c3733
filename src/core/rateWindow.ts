/** How many a second, over the last ten seconds. */

const slots = 10;

export class RateWindow {
  // One more than the window has, so that the slot that is just filling counts with its part.
  readonly #counts = new Float64Array(slots + 1);
  readonly #slotMs: number;
  readonly #since: number;
  #slot: number;
  #at = 0;
  #turnsAt: number;

  /** @param now on the clock by which `count` and `perSecond` are told the time. */
  constructor(now: number, windowMs = 10_000) {
    this.#slotMs = windowMs / slots;
    this.#since = now;
    this.#slot = Math.floor(now / this.#slotMs);
    this.#turnsAt = (this.#slot + 1) * this.#slotMs;
  }

  /** One more. */
  count(now: number): void {
    if (now >= this.#turnsAt) this.#advance(now);
    this.#counts[this.#at]!++;
  }

  /** Over the window, or over the life of this while that is shorter. */
  perSecond(now: number): number {
    if (now >= this.#turnsAt) this.#advance(now);
    const from = Math.max(this.#since, (this.#slot - slots) * this.#slotMs);
    const lived = Math.max(now - from, this.#slotMs);
    const sum = this.#counts.reduce((total, count) => total + count, 0);
    return (sum * 1_000) / lived;
  }

  #advance(now: number): void {
    const slot = Math.floor(now / this.#slotMs);
    for (let left = Math.min(slot - this.#slot, slots + 1); left > 0; left--) {
      this.#counts[(slot - left + 1) % (slots + 1)] = 0;
    }
    this.#slot = slot;
    this.#at = slot % (slots + 1);
    this.#turnsAt = (slot + 1) * this.#slotMs;
  }
}
