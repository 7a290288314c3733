/** How many attempts ended of late, and how many of them badly. */

const slots = 10;

/** A sliding window of ten slots: the one that is just filling, and the nine before it. */
export class FailureWindow {
  private readonly slotMs: number;
  private readonly attempts = new Uint32Array(slots);
  private readonly failures = new Uint32Array(slots);
  private slot = 0;

  constructor(windowMs: number) {
    this.slotMs = windowMs / slots;
  }

  /** One more. @param time never goes back. */
  count(failure: boolean, time: number): void {
    const now = Math.floor(time / this.slotMs);
    if (now !== this.slot) this.turn(now);
    const at = now % slots;
    this.attempts[at]!++;
    if (failure) this.failures[at]!++;
  }

  /** As of the last that was counted. */
  get totals(): { readonly attempts: number; readonly failures: number } {
    let attempts = 0;
    let failures = 0;
    for (let i = 0; i < slots; i++) {
      attempts += this.attempts[i]!;
      failures += this.failures[i]!;
    }
    return { attempts, failures };
  }

  clear(): void {
    this.attempts.fill(0);
    this.failures.fill(0);
  }

  private turn(now: number): void {
    for (let left = Math.min(now - this.slot, slots); left > 0; left--) {
      const at = (now - left + 1) % slots;
      this.attempts[at] = 0;
      this.failures[at] = 0;
    }
    this.slot = now;
  }
}
