import { defer, of, range, take, tap, throwError } from 'rxjs';
import { failover } from '../../src/call/failover.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble } from '../../src/testing/marble.js';

const down = new FleetError('UNAVAILABLE', 'down');

describe('failover', () => {
  marble('who has enough of sources that answer at once stops them', ({ expectObservable }) => {
    let given = 0;
    const many = range(1, 1_000).pipe(tap(() => given++));
    expectObservable(
      many.pipe(
        failover(() => many),
        take(2),
      ),
    ).toBe('(ab|)', { a: 1, b: 2 });
    const second = throwError(() => down).pipe(failover(() => many));
    expectObservable(second.pipe(take(2))).toBe('(ab|)', { a: 1, b: 2 });
    expectObservable(defer(() => of(given))).toBe('(g|)', { g: 4 });
  });

  marble(
    'a source that fails before its first value gives way to the second',
    ({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold('    --#', {}, down);
      const second = cold('     -a-b|');
      expectObservable(first.pipe(failover(() => second))).toBe('---a-b|');
      expectSubscriptions(first.subscriptions).toBe('^-!');
      expectSubscriptions(second.subscriptions).toBe('--^---!');
    },
  );

  marble(
    'a source that has spoken is never repeated: its error passes',
    ({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold('a-#', {}, down);
      const second = cold('b|');
      expectObservable(first.pipe(failover(() => second))).toBe('a-#', {}, down);
      expectSubscriptions(second.subscriptions).toBe([]);
    },
  );

  marble(
    'a source that succeeds is passed through and the second never asked',
    ({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold('-a-b|');
      const second = cold('x|');
      expectObservable(first.pipe(failover(() => second))).toBe('-a-b|');
      expectSubscriptions(second.subscriptions).toBe([]);
    },
  );

  marble('an empty source completes: saying nothing is no failure', ({ cold, expectObservable }) => {
    expectObservable(cold('--|').pipe(failover(() => cold('x|')))).toBe('--|');
  });

  marble('a source that never ends is waited for', ({ cold, expectObservable }) => {
    expectObservable(cold('-').pipe(failover(() => cold('x|')))).toBe('-');
  });

  marble('the error of the second is the error of both', ({ cold, expectObservable }) => {
    const worse = new FleetError('INTERNAL', 'worse');
    expectObservable(cold('-#', {}, down).pipe(failover(() => cold('-#', {}, worse)))).toBe('--#', {}, worse);
  });

  marble('what the switch itself throws is the error, not a crash', ({ cold, expectObservable }) => {
    const thrown = new Error('no second');
    const first = cold('-#', {}, down);
    expectObservable(
      first.pipe(
        failover(() => {
          throw thrown;
        }),
      ),
    ).toBe('-#', {}, thrown);
  });

  marble('unsubscribing while the second runs cancels it', ({ cold, expectObservable, expectSubscriptions }) => {
    const second = cold('-a-b-c|');
    expectObservable(cold('#', {}, down).pipe(failover(() => second)), '^--!').toBe('-a-');
    expectSubscriptions(second.subscriptions).toBe('^--!');
  });

  marble('a source that fails within subscribe is followed by the second as well', ({ cold, expectObservable }) => {
    expectObservable(throwError(() => down).pipe(failover(() => cold('-a|')))).toBe('-a|');
  });
});
