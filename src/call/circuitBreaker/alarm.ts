/** Wakes somebody at one time, which may change. */

import type { DeadlineWheel, Expiring } from '../../core/deadlineWheel.js';

export class Alarm implements Expiring {
  private readonly wheel: DeadlineWheel;
  private readonly ring: () => void;
  private at = Infinity;

  constructor(wheel: DeadlineWheel, ring: () => void) {
    this.wheel = wheel;
    this.ring = ring;
  }

  /** @param at `Infinity`: not at all. */
  set(at: number): void {
    if (at === this.at) return;
    if (this.at !== Infinity) this.wheel.delete(this.at, this);
    this.at = at;
    if (at !== Infinity) this.wheel.add(at, this);
  }

  expire(): void {
    this.at = Infinity;
    this.ring();
  }
}
