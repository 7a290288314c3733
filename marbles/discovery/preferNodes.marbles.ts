import { updateNode } from '../../src/core/node.js';
import { preferNodes, type Choice } from '../../src/discovery/preferNodes.js';
import { marble } from '../../src/testing/marble.js';
import { drawn, node, set } from './drawn.js';
import { filterLifecycle } from './filterLifecycle.js';

const x = node('x', { zone: 'eu' });
const y = node('y', { zone: 'us' });
const down = updateNode(x, { health: 'notServing' });
const eu: Choice = { name: 'eu', test: ({ zone }) => zone === 'eu' };
const any: Choice = { name: 'any', test: () => true };

describe('preferNodes', () => {
  marble('the first choice while it can serve, else the next, and back', ({ cold, expectObservable }) => {
    const set$ = cold('a-b-a-c-a-', { a: set(x, y), b: set(down, y), c: set(y) });
    expectObservable(drawn(set$.pipe(preferNodes([eu, any])))).toBe('a-b-a-c-a-', { a: 'x', b: 'x y', c: 'y' });
  });

  marble('each change of the choice is told', ({ cold, expectObservable, flush }) => {
    const told: string[] = [];
    const set$ = cold('a-b-b-a-', { a: set(x, y), b: set(down, y) });
    const preferred = preferNodes([eu, any], { onChoice: ({ name }, rank) => told.push(`${name} ${rank}`) });
    expectObservable(drawn(set$.pipe(preferred))).toBe('a-b---a-', { a: 'x', b: 'x y' });
    flush();
    expect(told).toEqual(['eu 0', 'any 1', 'eu 0']);
  });

  marble('while nobody can serve, the first choice that lists anyone stands', ({ cold, expectObservable }) => {
    const idle = updateNode(y, { weight: 0 });
    const set$ = cold('a-b-c-', { a: set(down, idle), b: set(idle), c: set() });
    expectObservable(drawn(set$.pipe(preferNodes([eu, any])))).toBe('a-b-c-', { a: 'x', b: 'y', c: 'none' });
  });

  marble('a change in a choice that is not in force is not told', ({ cold, expectObservable }) => {
    const set$ = cold('a-b-', { a: set(x, y), b: set(x, y, node('z', { zone: 'us' })) });
    expectObservable(drawn(set$.pipe(preferNodes([eu, any])))).toBe('a---', { a: 'x' });
  });

  filterLifecycle(() => preferNodes([eu]), x, y);
});
