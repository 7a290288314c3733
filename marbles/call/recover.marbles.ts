import { map, type Observable } from 'rxjs';
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

  marble('unsubscribing passes down', ({ cold, expectObservable, expectSubscriptions }) => {
    const inner = cold('a-b-c');
    expectObservable(
      around(() => inner),
      '^--!',
    ).toBe('a-b');
    expectSubscriptions(inner.subscriptions).toBe('^--!');
  });
});
