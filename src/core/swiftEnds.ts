/**
 * Failures that come before their work has even begun: told at once, but not without end.
 *
 * Of thousands of calls in a `mergeMap`, each that fails at once has the next one subscribed to within the telling of its failure,
 * and so on until the stack is full, where calls are lost. So many a turn are told at once; what comes then is told in the next.
 */

import type { SchedulerLike, Subscription } from 'rxjs';

/** A level is easily a hundred functions, and the stack of Node.js holds some ten thousand. */
const mostInATurn = 32;

export class SwiftEnds {
  private told = 0;
  private turn: Subscription | undefined = undefined;
  private readonly scheduler: SchedulerLike;

  constructor(scheduler: SchedulerLike) {
    this.scheduler = scheduler;
  }

  /** Calls `tell`; undefined when it has, else what takes it back. */
  tell(tell: () => void): Subscription | undefined {
    if (this.told === mostInATurn) return this.scheduler.schedule(tell);
    // Whoever is told later in this turn is told after this.
    if (this.told++ === 0) this.turn = this.scheduler.schedule(() => this.rest());
    tell();
    return undefined;
  }

  /** The stack is free. */
  rest(): void {
    this.turn?.unsubscribe();
    this.told = 0;
  }
}
