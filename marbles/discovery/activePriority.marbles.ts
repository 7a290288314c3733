import { activePriority } from '../../src/discovery/activePriority.js';
import { marble } from '../../src/testing/marble.js';
import { drawn, node, set, stale } from './drawn.js';

const at = (id: string, priority: number, init = {}) => node(id, { metadata: { priority: String(priority) }, ...init });
const x = at('x', 0);
const y = at('y', 1);
const z = at('z', 1);
const ill = at('x', 0, { health: 'notServing' });
const dialled = at('x', 0, { availability: 'connecting' });
const sets = {
  a: set(x, y, z),
  b: set(ill, y, z),
  c: set(dialled, y, z),
  d: set(ill, at('y', 1, { health: 'ejected' })),
  e: set(),
  f: set(y, z),
  n: set(node('n'), y),
  s: stale(x, y, z),
};

describe('activePriority', () => {
  marble('the next priority takes over when nobody of the first can, and gives back', ({ cold, expectObservable }) => {
    const set$ = cold('-a-b-a-|', sets);
    expectObservable(drawn(set$.pipe(activePriority()))).toBe('-x-y-x-|', { x: 'x', y: 'y z' });
  });

  marble('a node that is being dialled keeps its priority', ({ cold, expectObservable }) => {
    const set$ = cold('a-c-|', sets);
    expectObservable(drawn(set$.pipe(activePriority()))).toBe('x-x-|', { x: 'x' });
  });

  marble('the lowest priority that lists anyone stands when nobody can', ({ cold, expectObservable }) => {
    const set$ = cold('d-|', sets);
    expectObservable(drawn(set$.pipe(activePriority()))).toBe('x-|', { x: 'x' });
  });

  marble('a priority that is gone leaves its place, and without a priority it is 0', ({ cold, expectObservable }) => {
    const set$ = cold('f-n-e-|', sets);
    expectObservable(drawn(set$.pipe(activePriority()))).toBe('y-n-e-|', { y: 'y z', n: 'n', e: 'none' });
  });

  marble('a change among those who wait is not told, staleness is', ({ cold, expectObservable }) => {
    const set$ = cold('a-a-s-a-|', { ...sets });
    expectObservable(drawn(set$.pipe(activePriority()))).toBe('x---s-x-|', { x: 'x', s: 'x !' });
  });

  marble('it never speaks for a source that never does, and passes on its end', ({ cold, expectObservable }) => {
    expectObservable(cold('---', sets).pipe(activePriority())).toBe('---');
    expectObservable(cold('|', sets).pipe(activePriority())).toBe('|');
    expectObservable(drawn(cold('a-#', sets).pipe(activePriority()))).toBe('x-#', { x: 'x' });
  });

  marble('leaving it leaves the source', ({ cold, expectObservable, expectSubscriptions }) => {
    const set$ = cold('a-b-a-', sets);
    expectObservable(drawn(set$.pipe(activePriority())), '^--!').toBe('x-y-', { x: 'x', y: 'y z' });
    expectSubscriptions(set$.subscriptions).toBe('^--!');
  });
});
