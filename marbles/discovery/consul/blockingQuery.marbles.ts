/** Blocking queries on virtual time: a letter is an answer, its index stands beside it; a frame is a millisecond. */

import { catchError, map, of, retry, type Observable } from 'rxjs';
import type { FleetError } from '../../../src/core/fleetError.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import { blockingQuery, nextIndex } from '../../../src/discovery/consul/blockingQuery.js';

interface Asked {
  readonly answers$: Observable<string>;
  /** The index of each query, in order. */
  readonly asked: string[];
}

/** Each query gets the next of the diagrams; `indexes` gives the index of each letter. */
function ask(m: MarbleHelpers, diagrams: readonly string[], indexes: Record<string, bigint>, waitMs = 1_000): Asked {
  const asked: string[] = [];
  const query = (index: bigint) => {
    const diagram = diagrams[asked.length] ?? '-';
    asked.push(String(index));
    return m.cold(diagram).pipe(map((letter) => ({ index: indexes[letter] ?? 0n, letter })));
  };
  const options = { waitMs, burst: 2, steadyMs: 100, firstMs: 10, scheduler: m.scheduler, random: () => 0.5 };
  return { answers$: blockingQuery(query, options).pipe(map(({ letter }) => letter)), asked };
}

describe('blockingQuery', () => {
  marble('says nothing while the first answer is out', (m) => {
    const query = ask(m, ['-'], {});
    m.expectObservable(query.answers$, '^----!').toBe('-----');
    m.flush();
    expect(query.asked).toEqual(['0']);
  });

  marble('lists without waiting, then waits at the index that came with the list', (m) => {
    const query = ask(m, ['--(a|)', '---(b|)', '-'], { a: 5n, b: 9n });
    m.expectObservable(query.answers$, '^---------!').toBe('--a--b----');
    m.flush();
    expect(query.asked).toEqual(['0', '5', '9']);
  });

  marble('asks on at the same index when nothing changed within the wait, without a rest', (m) => {
    const wait = '100ms (b|)';
    const query = ask(m, ['(a|)', wait, wait, wait, wait, '-'], { a: 5n, b: 5n }, 100);
    m.expectObservable(query.answers$, '^ 450ms !').toBe('a 99ms b 99ms b 99ms b 99ms b');
    m.flush();
    expect(query.asked).toEqual(['0', '5', '5', '5', '5', '5']);
  });

  marble('lists anew when the index goes backwards, as after a restore of the servers', (m) => {
    const query = ask(m, ['(a|)', '-(b|)', '-(c|)', '-'], { a: 90n, b: 7n, c: 7n });
    m.expectObservable(query.answers$, '^----!').toBe('abc--');
    m.flush();
    expect(query.asked).toEqual(['0', '90', '0', '7']);
  });

  marble('waits at index 1 when the server says 0, so that it does not spin', (m) => {
    const query = ask(m, ['(a|)', '-(b|)', '-'], { a: 0n, b: 3n });
    m.expectObservable(query.answers$, '^---!').toBe('ab--');
    m.flush();
    expect(query.asked).toEqual(['0', '1', '3']);
  });

  marble('rests longer and longer while answers keep coming, up to the steady wait', (m) => {
    const at = '(a|)';
    const query = ask(m, Array(8).fill(at), { a: 5n });
    // The listing and two more are followed at once; then come rests of 10, 20, 40, 80 and 100 ms.
    m.expectObservable(query.answers$, '^ 200ms !').toBe('(aaaa) 4ms a 19ms a 39ms a 79ms a');
  });

  marble('errors at once when a query does', (m) => {
    const query = ask(m, ['(a|)', '--#'], { a: 5n });
    m.expectObservable(query.answers$).toBe('a-#');
    m.flush();
    expect(query.asked).toEqual(['0', '5']);
  });

  marble('lists anew when it is asked again, and keeps its pace, so that failing does not make it faster', (m) => {
    const query = ask(m, Array(8).fill(['(a|)', '#']).flat(), { a: 5n });
    const again$ = query.answers$.pipe(retry());
    m.expectObservable(again$, '^ 60ms !').toBe('(aaaa) 4ms a 19ms a');
    m.flush();
    expect(query.asked.slice(0, 4)).toEqual(['0', '5', '0', '5']);
  });

  marble('is an error when a query ends without an answer', (m) => {
    const query = ask(m, ['--|'], {});
    const code$ = query.answers$.pipe(catchError(({ code }: FleetError) => of(code)));
    m.expectObservable(code$).toBe('--(e|)', { e: 'BAD_RESPONSE' });
  });

  marble('drops the query that is held back when nobody listens any more', (m) => {
    const held = m.cold('-');
    const query = blockingQuery(() => held as unknown as Observable<{ index: bigint }>, {
      ...{ waitMs: 1_000, scheduler: m.scheduler, random: () => 0.5 },
    });
    m.expectObservable(query, '^--!').toBe('---');
    m.expectSubscriptions(held.subscriptions).toBe('^--!');
  });
});

describe('nextIndex', () => {
  it.each([
    ['grows', 5n, 9n, 9n],
    ['stays', 5n, 5n, 5n],
    ['goes backwards', 9n, 5n, 0n],
    ['is zero', 9n, 0n, 1n],
    ['is negative', 9n, -3n, 1n],
    ['is past what a number holds', 2n ** 64n - 2n, 2n ** 64n - 1n, 2n ** 64n - 1n],
  ])('when the index %s', (_title, before, received, next) => expect(nextIndex(before, received)).toBe(next));
});
