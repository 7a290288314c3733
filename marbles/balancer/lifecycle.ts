/** What every balancer does with its source, drawn once. */

import { map } from 'rxjs';
import type { Balancer } from '../../src/balancer/picker.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble } from '../../src/testing/marble.js';

const [x, y] = ['x', 'y'].map((id) => createNode({ id, address: `${id}.example:50051` }));
const sets = { a: NodeSet.of([x!]), b: NodeSet.of([x!, y!]), e: NodeSet.empty };

export function lifecycle(balancer: () => Balancer): void {
  describe('and its source', () => {
    const cases = [
      ['a source that never speaks yields no picker', '-', '-'],
      ['a source that ends without a set ends the pickers', '|', '|'],
      ['one set yields one picker', 'a|', 'a|'],
      ['each set yields a picker, the empty one too', 'a-b-e-a|', 'a-b-e-a|'],
      ['an endless source goes on', 'a-b-a-b-', 'a-b-a-b-'],
      ['an error comes through at once', 'a-#', 'a-#'],
    ] as const;
    for (const [title, source, expected] of cases) {
      marble(title, ({ cold, expectObservable }) => {
        const picker$ = cold(source, sets).pipe(balancer());
        expectObservable(picker$.pipe(map(({ set }) => set))).toBe(expected, sets);
      });
    }

    marble('leaving early leaves the source', ({ cold, expectObservable, expectSubscriptions }) => {
      const set$ = cold('a-b-a-b-a|', sets);
      expectObservable(set$.pipe(balancer()).pipe(map(({ set }) => set)), '^---!').toBe('a-b--', sets);
      expectSubscriptions(set$.subscriptions).toBe('^---!');
    });

    marble('an error leaves the source, too', ({ cold, expectObservable, expectSubscriptions }) => {
      const set$ = cold('a-#', sets);
      expectObservable(set$.pipe(balancer()).pipe(map(({ set }) => set))).toBe('a-#', sets);
      expectSubscriptions(set$.subscriptions).toBe('^-!');
    });

    marble('nobody can take a call: wait while a node is being dialled, else do not', (helpers) => {
      const { nodes, picks, expectPicks } = helpers;
      const dialled = createNode({ id: 'd', address: '10.0.0.9:50051', availability: 'connecting' });
      nodes('a---b---c--|', { a: [], b: [dialled], c: [x!] }).pipe(balancer());
      picks('-p---p---p-|');
      expectPicks('-0---?---x-|');
    });
  });
}
