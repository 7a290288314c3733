import { defer, map, of, range, take, tap, type Observable } from 'rxjs';
import { Call } from '../../src/call/call.js';
import type { Handler } from '../../src/call/middleware.js';
import { recover } from '../../src/call/recover.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble } from '../../src/testing/marble.js';

const call = new Call<unknown, string>({
  name: 'call',
  start: () => null as never,
  options: {},
  single: false,
  idempotent: true,
  startedAt: 0,
  demand: undefined,
});
const around = (next: () => Observable<string>) => recover()(next as unknown as Handler<unknown>)(call);
const broken = new TypeError('x is undefined');
const known = new FleetError('NOT_FOUND', 'nobody of that name');

describe('recover', () => {
  marble('a middleware that throws fails its call, not the process', ({ expectObservable }) => {
    const thrown = around(() => {
      throw broken;
    });
    expectObservable(thrown).toBe('#', undefined, FleetError.from(broken));
  });

  marble('a callback that throws later does so too, after what was said', ({ cold, expectObservable }) => {
    const stumbling = cold('a-b|').pipe(
      map((letter) => {
        if (letter === 'b') throw broken;
        return letter;
      }),
    );
    expectObservable(around(() => stumbling)).toBe('a-#', undefined, FleetError.from(broken));
  });

  marble('an error that is a FleetError passes as it is', ({ cold, expectObservable }) => {
    expectObservable(around(() => cold('-#', undefined, known))).toBe('-#', undefined, known);
  });

  marble('values, completion and silence pass', ({ cold, expectObservable }) => {
    expectObservable(around(() => cold('a-b|'))).toBe('a-b|');
    expectObservable(around(() => cold('--|'))).toBe('--|');
    expectObservable(around(() => cold('-'))).toBe('-');
  });

  marble('unsubscribing passes down also amid a source that answers at once', ({ expectObservable }) => {
    let given = 0;
    const many = range(1, 1_000).pipe(
      map(String),
      tap(() => given++),
    );
    expectObservable(around(() => many).pipe(take(2))).toBe('(ab|)', { a: '1', b: '2' });
    expectObservable(defer(() => of(given))).toBe('(g|)', { g: 2 });
  });

  marble('unsubscribing passes down', ({ cold, expectObservable, expectSubscriptions }) => {
    const inner = cold('a-b-c');
    expectObservable(
      around(() => inner),
      '^--!',
    ).toBe('a-b');
    expectSubscriptions(inner.subscriptions).toBe('^--!');
  });
});
