import { Observable } from 'rxjs';
import { deadlineWheel, type DeadlineWheel } from '../../src/core/deadlineWheel.js';
import { marble } from '../../src/testing/marble.js';

/** Emits and completes when the entry expires; leaves the wheel when unsubscribed. */
const expiry = (wheel: DeadlineWheel, at: number) =>
  new Observable<string>((subscriber) => {
    const entry = {
      expire() {
        subscriber.next('x');
        subscriber.complete();
      },
    };
    wheel.add(at, entry);
    return () => wheel.delete(at, entry);
  });

describe('deadlineWheel', () => {
  marble('an entry expires at its time, once', ({ scheduler, expectObservable }) => {
    expectObservable(expiry(deadlineWheel(scheduler), 3)).toBe('---(x|)');
  });

  marble('entries expire in the order of their times, however they were added', ({ scheduler, expectObservable }) => {
    const wheel = deadlineWheel(scheduler);
    expectObservable(expiry(wheel, 5)).toBe('-----(x|)');
    expectObservable(expiry(wheel, 2)).toBe('--(x|)');
    expectObservable(expiry(wheel, 8)).toBe('--------(x|)');
    expectObservable(expiry(wheel, 5)).toBe('-----(x|)');
  });

  marble('an entry that was deleted never expires, and the others still do', ({ scheduler, expectObservable }) => {
    const wheel = deadlineWheel(scheduler);
    expectObservable(expiry(wheel, 3), '^-!').toBe('-');
    expectObservable(expiry(wheel, 3)).toBe('---(x|)');
    expectObservable(expiry(wheel, 6)).toBe('------(x|)');
  });

  marble('a time that has passed expires at once', ({ scheduler, cold, expectObservable }) => {
    const wheel = deadlineWheel(scheduler);
    expectObservable(
      cold('--a|').pipe(
        (source) => new Observable<string>((s) => source.subscribe(() => s.add(expiry(wheel, 1).subscribe(s)))),
      ),
    ).toBe('--(x|)');
  });

  marble('an empty wheel holds no timer, so a program can end', ({ scheduler, expectObservable, flush }) => {
    const wheel = deadlineWheel(scheduler);
    expectObservable(expiry(wheel, 100), '^!').toBe('-');
    flush();
    expect(scheduler.actions.length).toBe(0);
    expect(scheduler.now()).toBeLessThan(100);
  });

  marble('what an entry does when it expires may add another', ({ scheduler, expectObservable }) => {
    const wheel = deadlineWheel(scheduler);
    const chained = new Observable<string>((subscriber) => {
      wheel.add(2, {
        expire() {
          subscriber.next('a');
          wheel.add(4, { expire: () => subscriber.complete() });
        },
      });
    });
    expectObservable(chained).toBe('--a-|');
  });

  marble('by a stopwatch an entry expires after its time, though the time of day was set back', (m) => {
    const { scheduler, expectObservable } = m;
    const stopwatch = () => scheduler.now() + 1_000;
    expectObservable(expiry(deadlineWheel(scheduler, stopwatch), 1_003)).toBe('---(x|)');
  });

  marble('an entry of the far future arms no longer timer than there is, and still expires at its time', (m) => {
    const { scheduler, expectObservable, flush } = m;
    const delays: number[] = [];
    const schedule = scheduler.schedule.bind(scheduler) as typeof scheduler.schedule;
    scheduler.schedule = ((work: never, delay = 0, state: never) => {
      delays.push(delay);
      return schedule(work, delay, state);
    }) as typeof scheduler.schedule;
    const month = 30 * 24 * 3_600_000;
    expectObservable(expiry(deadlineWheel(scheduler), month)).toBe('43200m (x|)');
    flush();
    expect(Math.max(...delays)).toBe(2 ** 31 - 1);
    expect(delays.length).toBeLessThan(5);
  });
});
