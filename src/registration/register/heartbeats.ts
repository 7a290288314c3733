/** When the heartbeats of one lease are sent, until when it surely lives, and when it must be taken for lost. */

import type { Subscription } from 'rxjs';
import type { FleetError } from '../../core/fleetError.js';
import type { SteadyClock } from './steadyClock.js';

/** What heartbeats need of the registration around them. */
export interface HeartbeatPorts {
  readonly clock: SteadyClock;
  readonly heartbeatMs: number | undefined;
  /** Milliseconds to wait before try number `retry`. */
  readonly backoff: (retry: number) => number;
  readonly send: (answered: (ttlMs: number) => void, failed: (error: FleetError) => void) => Subscription;
  readonly answered: () => void;
  readonly failed: (error: FleetError) => void;
  readonly late: (ms: number) => void;
  readonly lost: (reason: string) => void;
}

/** A heartbeat counts as late when it is sent this part of the life after its time. */
const tolerance = 0.1;

/**
 * Ticks at a third of the life, counted from the sending of the put, so that waits do not add up. All times are steady.
 * One timer serves the next heartbeat and the deadline.
 */
export class Heartbeats {
  /** The sending of the last heartbeat that was answered, plus the life that was granted. */
  deadline: number;
  /** How late the last heartbeat was sent, when past the tolerance; else 0. */
  lateMs = 0;
  readonly #ports: HeartbeatPorts;
  readonly #flying = new Map<Subscription, number>();
  #ttlMs: number;
  /** From where the ticks are counted. */
  #origin: number;
  #nextAt: number;
  #failures = 0;
  #lastError: FleetError | undefined;
  #timer: Subscription | undefined;

  constructor(ttlMs: number, sentAt: number, ports: HeartbeatPorts) {
    this.#ports = ports;
    this.#ttlMs = ttlMs;
    this.#origin = sentAt;
    this.deadline = sentAt + ttlMs;
    this.#nextAt = this.#tickAfter(ports.clock.now());
    this.#arm();
  }

  /** Sends no more, and hears no more. What is unanswered goes on. */
  stop(): void {
    this.#timer?.unsubscribe();
    this.#ttlMs = 0;
  }

  get #intervalMs(): number {
    const { heartbeatMs } = this.#ports;
    return heartbeatMs !== undefined && heartbeatMs < this.#ttlMs ? heartbeatMs : this.#ttlMs / 3;
  }

  #tickAfter(now: number): number {
    const interval = this.#intervalMs;
    if (interval === Infinity) return Infinity;
    return this.#origin + interval * (Math.floor((now - this.#origin) / interval) + 1);
  }

  #arm(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
    const at = Math.min(this.#nextAt, this.deadline);
    if (this.#ttlMs > 0 && at < Infinity) this.#timer = this.#ports.clock.at(at, () => this.#fire());
  }

  #fire(): void {
    const now = this.#ports.clock.now();
    const lateMs = now - Math.min(this.#nextAt, this.deadline);
    if (lateMs >= 0) {
      this.lateMs = lateMs > this.#ttlMs * tolerance ? lateMs : 0;
      if (this.lateMs) this.#ports.late(lateMs);
    }
    if (now >= this.deadline) {
      const late = this.lateMs ? `: this process was held up for ${Math.round(lateMs)} ms, or the clock was set` : '';
      const why = this.#lastError ? `: ${this.#lastError.message}` : late;
      this.#ports.lost(`no heartbeat was answered within its life of ${Math.round(this.#ttlMs)} ms${why}`);
      return;
    }
    if (now >= this.#nextAt) this.#beat(now);
    this.#arm();
  }

  #beat(now: number): void {
    this.#nextAt = this.#tickAfter(now);
    const flying = this.#ports.send(
      (ttlMs) => this.#answered(now, ttlMs),
      (error) => this.#failed(error),
    );
    if (flying.closed) return;
    this.#flying.set(flying, now);
    flying.add(() => this.#flying.delete(flying));
  }

  #answered(sentAt: number, ttlMs: number): void {
    if (this.#ttlMs === 0) return;
    if (!(ttlMs > 0)) {
      this.#ports.lost('the registry says that its life has ended');
      return;
    }
    // Whatever was sent before is of no more use, and must not shorten or lengthen anything when it comes.
    for (const [flying, at] of [...this.#flying]) if (at < sentAt) flying.unsubscribe();
    if (ttlMs !== this.#ttlMs) {
      this.#ttlMs = ttlMs;
      this.#origin = sentAt;
    }
    this.deadline = sentAt + ttlMs;
    this.#failures = 0;
    this.#lastError = undefined;
    this.#nextAt = this.#tickAfter(this.#ports.clock.now());
    this.#arm();
    this.#ports.answered();
  }

  #failed(error: FleetError): void {
    if (this.#ttlMs === 0) return;
    if (error.code === 'NOT_FOUND') {
      this.#ports.lost(error.message);
      return;
    }
    this.#lastError = error;
    this.#nextAt = Math.min(this.#nextAt, this.#ports.clock.now() + this.#ports.backoff(++this.#failures));
    this.#ports.failed(error);
    this.#arm();
  }
}
