/** What every filter does with its source, drawn once. */

import type { OperatorFunction } from 'rxjs';
import type { Node } from '../../src/core/node.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { marble } from '../../src/testing/marble.js';
import { drawn, set, stale } from './drawn.js';

/** @param x passes the filter. @param y does not. */
export function filterLifecycle(filter: () => OperatorFunction<NodeSet, NodeSet>, x: Node, y: Node): void {
  describe('and its source', () => {
    const sets = { a: set(x, y), s: stale(x, y), e: set(), y: set(y), x: set(x) };
    const told = { a: 'x', s: 'x !', e: 'none', y: 'none', x: 'x' };
    const cases = [
      ['a source that never speaks yields nothing', '-', '-'],
      ['a source that ends without a set ends', '|', '|'],
      ['one set yields one set', 'a|', 'a|'],
      ['nobody who passes is an empty set, not silence', 'y|', 'y|'],
      ['empty stays empty, once', 'e-e-|', 'e---|'],
      ['a change among those left out is not told', 'a-x-a|', 'a----|'],
      ['stale and fresh again pass through', 'a-s-a-', 'a-s-a-'],
      ['an error comes through at once', 'a-#', 'a-#'],
    ] as const;
    for (const [title, source, expected] of cases) {
      marble(title, ({ cold, expectObservable }) => {
        expectObservable(drawn(cold(source, sets).pipe(filter()))).toBe(expected, told);
      });
    }

    marble('leaving early leaves the source', ({ cold, expectObservable, expectSubscriptions }) => {
      const set$ = cold('a-e-a-e-', sets);
      expectObservable(drawn(set$.pipe(filter())), '^--!').toBe('a-e-', told);
      expectSubscriptions(set$.subscriptions).toBe('^--!');
    });

    marble('two subscribers never share', ({ cold, expectObservable, expectSubscriptions }) => {
      const set$ = cold('a-e-', sets);
      const filtered$ = drawn(set$.pipe(filter()));
      expectObservable(filtered$).toBe('a-e-', told);
      expectObservable(filtered$, '-^').toBe('-a-e-', told);
      expectSubscriptions(set$.subscriptions).toBe(['^', '-^']);
    });
  });
}
