import { deepStrictEqual } from 'node:assert/strict';
import { Observable, range, type Observer, type Subscription } from 'rxjs';
import { linked } from '../../src/core/linked.js';
import { marble } from '../../src/testing/marble.js';

describe('linked', () => {
  marble('values, the error, the completion and the unsubscription pass', (helpers) => {
    const { cold, expectObservable, expectSubscriptions } = helpers;
    const through = <T>(source: Observable<T>) =>
      new Observable<T>((subscriber) => linked(source, subscriber, () => undefined));
    const endless = cold('a-b-c');
    expectObservable(through(cold('a-b|'))).toBe('a-b|');
    expectObservable(through(cold('a-#'))).toBe('a-#');
    expectObservable(through(cold('|'))).toBe('|');
    expectObservable(through(endless), '^--!').toBe('a-b');
    expectSubscriptions(endless.subscriptions).toBe('^--!');
  });

  it('lets a source that answers at once be stopped within its first value', () => {
    const seen: number[] = [];
    let subscription: Subscription | undefined;
    const observer: Observer<number> = {
      next(value) {
        seen.push(value);
        subscription!.unsubscribe();
      },
      error: () => seen.push(-1),
      complete: () => seen.push(0),
    };
    const returned = linked(range(1, 1_000), observer, (told) => (subscription = told));
    deepStrictEqual([seen, returned.closed, returned === subscription], [[1], true, true]);
  });
});
