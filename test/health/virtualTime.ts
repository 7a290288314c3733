/** A clock that stands until it is told to go on. */

import { VirtualAction, VirtualTimeScheduler } from 'rxjs';

export class VirtualTime extends VirtualTimeScheduler {
  constructor() {
    super(VirtualAction, 0);
  }

  /** Lets so many milliseconds pass, with all that is due in them. */
  advance(ms: number): void {
    const until = this.maxFrames + ms;
    this.schedule(() => undefined, until - this.frame);
    this.maxFrames = until;
    this.flush();
  }

  /** Timers that run. */
  get timers(): number {
    return this.actions.filter(({ closed }) => !closed).length;
  }
}
