import { tap } from 'rxjs';
import type { Node } from '../../src/core/node.js';
import { whereNodes } from '../../src/discovery/whereNodes.js';
import { marble } from '../../src/testing/marble.js';
import { drawn, node, set } from './drawn.js';
import { filterLifecycle } from './filterLifecycle.js';

const x = node('x');
const y = node('y', { weight: 2 });
const light = ({ weight }: Node) => weight < 2;

describe('whereNodes', () => {
  marble('keeps who passes, and follows who comes, goes and changes', ({ cold, expectObservable }) => {
    const heavier = node('x', { weight: 2 });
    const z = node('z');
    const set$ = cold('a-b-c-d-e-|', { a: set(x, y), b: set(x, y, z), c: set(heavier, y, z), d: set(y), e: set(x) });
    expectObservable(drawn(set$.pipe(whereNodes(light)))).toBe('a-b-c-d-e-|', {
      a: 'x',
      b: 'x z',
      c: 'z',
      d: 'none',
      e: 'x',
    });
  });

  marble('asks once for each form of a node, not for all at each change', ({ cold, expectObservable, flush }) => {
    const asked: string[] = [];
    const first = set(x, y);
    const set$ = cold('a-b-', { a: first, b: first.with(node('z')) });
    const counting = whereNodes((each) => (asked.push(each.id), true));
    expectObservable(drawn(set$.pipe(counting))).toBe('a-b-', { a: 'x y', b: 'x y z' });
    flush();
    expect(asked).toEqual(['x', 'y', 'z']);
  });

  marble('nodes keep their objects', ({ cold, expectObservable, flush }) => {
    const first = set(x, y);
    const seen: (Node | undefined)[] = [];
    const set$ = cold('a-b-', { a: first, b: first.with(node('z')) });
    expectObservable(
      drawn(
        set$.pipe(
          whereNodes(light),
          tap((each) => seen.push(each.get('x'))),
        ),
      ),
    ).toBe('a-b-', {
      a: 'x',
      b: 'x z',
    });
    flush();
    expect(seen).toEqual([x, x]);
    expect(seen[1]).toBe(x);
  });

  marble('what the condition throws is the error of the stream', ({ cold, expectObservable }) => {
    const failing = whereNodes(() => {
      throw 'no such field';
    });
    expectObservable(drawn(cold('-a-', { a: set(x) }).pipe(failing))).toBe('-#', {}, 'no such field');
  });

  filterLifecycle(() => whereNodes(light), x, y);
});
