/** One connection of a pool: who uses it now, and how it ends without hurting them. */

import type { SchedulerLike, Subscription } from 'rxjs';
import type { Connection } from '../core/channel.js';

/**
 * A connection with a count of the calls on it. It is its own lease: `acquire` hands it out, and `release` gives it
 * back, once for each `acquire`; so a call costs two additions and no object.
 */
export class PooledConnection<C extends Connection> {
  inFlight = 0;
  /** When the last call on it ended, by the clock of the scheduler. */
  idleSince: number;
  #drained: (() => void) | undefined;
  #deadline: Subscription | undefined;

  constructor(
    readonly connection: C,
    private readonly scheduler: SchedulerLike,
  ) {
    this.idleSince = scheduler.now();
  }

  /** A call ends. */
  release(): void {
    if (--this.inFlight > 0) return;
    this.idleSince = this.scheduler.now();
    this.#drained?.();
  }

  /** Closes it when its last call has ended, or after `drainMs` with the calls that are still on it. */
  drain(drainMs: number, closed: () => void): void {
    const close = () => {
      this.close();
      closed();
    };
    if (this.inFlight <= 0 || drainMs <= 0) return close();
    this.#drained = close;
    this.#deadline = this.scheduler.schedule(close, drainMs);
  }

  /** Closes it now. One that fails to close is given up all the same. */
  close(): void {
    this.#drained = undefined;
    this.#deadline?.unsubscribe();
    try {
      this.connection.close();
    } catch {
      // The others are still to be closed.
    }
  }
}
