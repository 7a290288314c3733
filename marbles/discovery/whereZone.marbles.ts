import { whereZone } from '../../src/discovery/whereZone.js';
import { marble } from '../../src/testing/marble.js';
import { drawn, node, set } from './drawn.js';
import { filterLifecycle } from './filterLifecycle.js';

const x = node('x', { zone: 'eu-1' });
const y = node('y', { zone: 'us-1' });
const z = node('z', { zone: 'eu-2' });
const u = node('u');

describe('whereZone', () => {
  marble('nobody else by default, not even nodes that name no zone', ({ cold, expectObservable }) => {
    const set$ = cold('a-b-', { a: set(x, y, u), b: set(y, u) });
    expectObservable(drawn(set$.pipe(whereZone('eu-1')))).toBe('a-b-', { a: 'x', b: 'none' });
  });

  marble('anybody when the zone has nobody', ({ cold, expectObservable }) => {
    const set$ = cold('a-b-a-', { a: set(x, y, u), b: set(y, u) });
    expectObservable(drawn(set$.pipe(whereZone('eu-1', { fallback: true })))).toBe('a-b-a-', { a: 'x', b: 'y u' });
  });

  marble('other zones in turn, and no further', ({ cold, expectObservable }) => {
    const set$ = cold('a-b-c-', { a: set(x, y, z), b: set(y, z), c: set(y) });
    expectObservable(drawn(set$.pipe(whereZone('eu-1', { fallback: ['eu-2'] })))).toBe('a-b-c-', {
      a: 'x',
      b: 'z',
      c: 'none',
    });
  });

  filterLifecycle(() => whereZone('eu-1'), x, y);
});
