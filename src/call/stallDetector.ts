/**
 * Notices a stream that has fallen silent.
 *
 * A deadline cannot tell a long answer from one that has stopped. But a stream has a pace: what is silent for many times its
 * usual gap will mostly not go on, and the sooner this is known the sooner another node can.
 */

import type { DeadlineWheel, Expiring } from '../core/deadlineWheel.js';
import type { StallOptions } from './resume.js';

/** Each new gap weighs this much. */
const decay = 0.2;

export class StallDetector implements Expiring {
  private readonly factor: number;
  private readonly minMs: number;
  private readonly after: number;
  private lastAt = 0;
  private gaps = 0;
  private usualMs = 0;
  private dueAt = 0;

  /**
   * @param now in milliseconds since the epoch, by the clock of the wheel.
   * @param stalled told how long it was silent, and its usual gap.
   */
  constructor(
    { factor = 10, minMs = 1_000, after = 3 }: StallOptions,
    private readonly wheel: DeadlineWheel,
    private readonly now: () => number,
    private readonly stalled: (silentMs: number, usualMs: number) => void,
  ) {
    this.factor = factor;
    this.minMs = minMs;
    this.after = after;
  }

  /** An answer came. */
  heard(): void {
    const at = this.now();
    if (this.lastAt > 0) {
      const gap = at - this.lastAt;
      this.usualMs = this.gaps++ === 0 ? gap : this.usualMs + decay * (gap - this.usualMs);
    }
    this.lastAt = at;
    // One entry at a time: it looks, when it is due, how long the silence really is.
    if (this.dueAt === 0 && this.gaps >= this.after) this.watch(at + this.patience());
  }

  /** Another node goes on: the time that this takes is no gap. */
  pause(): void {
    this.lastAt = 0;
    this.stop();
  }

  stop(): void {
    if (this.dueAt > 0) this.wheel.delete(this.dueAt, this);
    this.dueAt = 0;
  }

  expire(): void {
    this.dueAt = 0;
    const now = this.now();
    const due = this.lastAt + this.patience();
    if (now < due) this.watch(due);
    else this.stalled(now - this.lastAt, this.usualMs);
  }

  private patience(): number {
    return Math.max(this.minMs, this.factor * this.usualMs);
  }

  private watch(at: number): void {
    this.dueAt = at;
    this.wheel.add(at, this);
  }
}
