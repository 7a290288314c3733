/** The messages of one stream: kept until the stream is open, which a login may delay. */

import { Observable, type Subscriber } from 'rxjs';

/** Holds messages for its first subscriber, then passes them on; never completes. */
export class Outbox<T> {
  readonly messages$: Observable<T> = new Observable((subscriber) => {
    this.#subscriber = subscriber;
    for (const message of this.#early.splice(0)) subscriber.next(message);
  });
  readonly #early: T[] = [];
  #subscriber: Subscriber<T> | undefined;

  send(message: T): void {
    if (this.#subscriber) this.#subscriber.next(message);
    else this.#early.push(message);
  }
}
