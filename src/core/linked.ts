/** Subscribing to what may answer at once and without end. */

import { Observable, type Observer, type Subscription } from 'rxjs';

/**
 * Subscribes, and tells of the subscription before the first value: who unsubscribes it within a value stops also a source
 * that is amid its start.
 */
export function linked<T>(
  source: Observable<T>,
  observer: Observer<T>,
  link: (subscription: Subscription) => void,
): Subscription {
  return new Observable<T>((subscriber) => {
    link(subscriber);
    source.subscribe(subscriber);
  }).subscribe(observer);
}
