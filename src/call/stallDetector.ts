/**
 * Notices a stream that has fallen silent.
 *
 * A deadline cannot tell a long answer from one that has stopped. But a stream has a pace: what is silent for many times its
 * usual gap will mostly not go on, and the sooner this is known the sooner another node can.
 */

import type { DeadlineWheel, Expiring } from '../core/deadlineWheel.js';
import type { Demand } from '../core/demand.js';
import type { StallOptions } from './resume.js';

/** Each new gap weighs this much. */
const decay = 0.2;

/** What a detector needs of the call around it. */
export interface StallPorts {
  readonly wheel: DeadlineWheel;
  /** In milliseconds since the epoch, by the clock of the wheel. */
  readonly now: () => number;
  /** Of a consumer that pulls: while it takes nothing, nothing is read, and silence is its own. */
  readonly demand: Demand | undefined;
  /** Told how long it was silent, and its usual gap; false where no node is at it yet. */
  readonly stalled: (silentMs: number, usualMs: number) => boolean;
}

export class StallDetector implements Expiring {
  private readonly factor: number;
  private readonly minMs: number;
  private readonly after: number;
  private readonly ports: StallPorts;
  /** When the last answer came; 0 before the first of an attempt. */
  private heardAt = 0;
  /** Since when the node might speak: from its last answer, or from when the consumer took it. */
  private since = 0;
  /** The consumer takes nothing now. */
  private held = false;
  private gaps = 0;
  private usualMs = 0;
  private readonly firstMs: number;
  private dueAt = 0;
  private over = false;

  /** @param firstMs how long the first answer took, in milliseconds: that of another node may take as long. */
  constructor({ factor = 10, minMs = 1_000, after = 3 }: StallOptions, firstMs: number, ports: StallPorts) {
    this.factor = factor;
    this.minMs = minMs;
    this.after = after;
    this.firstMs = firstMs;
    this.ports = ports;
  }

  /** An answer came. */
  heard(): void {
    const at = this.ports.now();
    if (this.heardAt > 0) this.learn(at);
    this.heardAt = at;
    this.since = at;
    // One entry at a time: it looks, when it is due, how long the silence really is.
    if (this.dueAt === 0) this.watch();
  }

  /** The answer was passed on, and the consumer may have enough for now. */
  passedOn(): void {
    const { demand } = this.ports;
    if (demand === undefined || demand.ready || this.held || this.over) return;
    this.held = true;
    this.unwatch();
    demand.whenReady(() => this.wanted());
  }

  /** Another node goes on: the time until it speaks is no gap, but has an end. */
  broke(): void {
    this.heardAt = 0;
    this.watchAnew();
    this.passedOn();
  }

  stop(): void {
    this.over = true;
    this.unwatch();
  }

  expire(): void {
    this.dueAt = 0;
    // An operator in between may have kept the answer for a while.
    this.passedOn();
    if (this.held) return;
    const silentMs = this.ports.now() - this.since;
    if (silentMs < this.patience()) this.watch();
    else if (!this.ports.stalled(silentMs, this.usualMs)) this.watchAnew();
  }

  /** The consumer takes answers again. */
  private wanted(): void {
    this.held = false;
    this.watchAnew();
  }

  /** Of a gap amid which the consumer took nothing it is known only how long it was at most, and at least. */
  private learn(at: number): void {
    const most = at - this.heardAt;
    const least = this.held ? 0 : at - this.since;
    const gap = Math.min(most, Math.max(least, this.usualMs));
    this.usualMs = this.gaps++ === 0 ? most : this.usualMs + decay * (gap - this.usualMs);
  }

  private patience(): number {
    const usualMs = this.heardAt > 0 ? this.usualMs : Math.max(this.usualMs, this.firstMs);
    return Math.max(this.minMs, this.factor * usualMs);
  }

  /** What was before now is no silence. */
  private watchAnew(): void {
    this.unwatch();
    this.since = this.ports.now();
    this.watch();
  }

  private watch(): void {
    if (this.held || this.over || this.gaps < this.after) return;
    this.dueAt = this.since + this.patience();
    this.ports.wheel.add(this.dueAt, this);
  }

  private unwatch(): void {
    if (this.dueAt > 0) this.ports.wheel.delete(this.dueAt, this);
    this.dueAt = 0;
  }
}
