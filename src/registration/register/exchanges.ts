/** What was sent to a registry and is not answered yet. */

import { defer, Observable, Subscription, take, timer, type SchedulerLike } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';

/** What becomes of one exchange. */
export interface Answer<T> {
  readonly next?: (value: T) => void;
  readonly error: (error: FleetError) => void;
  /** Completing without a value; where it is not expected it is an error. */
  readonly complete?: () => void;
}

/** The exchanges of one registration with its registry. */
export class Exchanges {
  /** Those that run; each takes itself out as it ends. */
  readonly unanswered = new Set<Subscription>();
  readonly #registry: string;
  readonly #scheduler: SchedulerLike;
  #silent = false;

  constructor(registry: string, scheduler: SchedulerLike) {
    this.#registry = registry;
    this.#scheduler = scheduler;
  }

  /** Starts one. */
  send<T>(ask: () => Observable<T>, on: Answer<T>): Subscription {
    let answered = false;
    const running = new Subscription();
    this.unanswered.add(running);
    running.add(() => this.unanswered.delete(running));
    const failed = (error: FleetError) => {
      if (!this.#silent) on.error(error);
    };
    running.add(
      defer(ask)
        .pipe(take(1))
        .subscribe({
          next: (value) => {
            answered = true;
            on.next?.(value);
          },
          error: (error: unknown) => {
            running.unsubscribe();
            failed(FleetError.from(error));
          },
          complete: () => {
            running.unsubscribe();
            if (answered) return;
            if (on.complete) on.complete();
            else failed(new FleetError('INTERNAL', `${this.#registry} ended without answering`));
          },
        }),
    );
    return running;
  }

  /** Starts one that fails when it has not ended by then. */
  sendWithin<T>(ms: number, what: string, ask: () => Observable<T>, on: Answer<T>): Subscription {
    const message = `${this.#registry} did not answer the ${what} within ${ms} ms: check that it is reachable`;
    // From the start to the end: an update answers by completing.
    const limited = () =>
      new Observable<T>((subscriber) => {
        const late = () => subscriber.error(new FleetError('DEADLINE_EXCEEDED', message));
        subscriber.add(timer(ms, this.#scheduler).subscribe(late));
        subscriber.add(defer(ask).subscribe(subscriber));
      });
    return this.send(limited, on);
  }

  /** Breaks off all that run. */
  abort(): void {
    for (const each of [...this.unanswered]) each.unsubscribe();
  }

  /** From now on failures are of no more interest; values still are, since what was put in must be taken out. */
  silence(): void {
    this.#silent = true;
  }
}
