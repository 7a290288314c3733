import { whereVersion } from '../../src/discovery/whereVersion.js';
import { marble } from '../../src/testing/marble.js';
import { drawn, node, set } from './drawn.js';
import { filterLifecycle } from './filterLifecycle.js';

const x = node('x', { version: 'v1.4.2' });
const y = node('y', { version: '1.3.0' });
const u = node('u');

describe('whereVersion', () => {
  marble('a range; a leading v does not matter, no version does', ({ cold, expectObservable }) => {
    expectObservable(drawn(cold('a-|', { a: set(x, y, u) }).pipe(whereVersion('^1.4')))).toBe('a-|', { a: 'x' });
  });

  marble('exactly one version', ({ cold, expectObservable }) => {
    const filter = whereVersion({ exact: 'v1.3.0' });
    expectObservable(drawn(cold('a-|', { a: set(x, y, u) }).pipe(filter))).toBe('a-|', { a: 'y' });
  });

  marble('the preferred one, else what else there is, and back', ({ cold, expectObservable }) => {
    const set$ = cold('a-b-a-', { a: set(x, y, u), b: set(y, u) });
    const filter = whereVersion({ prefer: '^1.4', fallback: '^1' });
    expectObservable(drawn(set$.pipe(filter))).toBe('a-b-a-', { a: 'x', b: 'y' });
  });

  marble('a fallback of none prefers strictly', ({ cold, expectObservable }) => {
    const set$ = cold('a-b-', { a: set(x, y), b: set(y) });
    const filter = whereVersion({ prefer: '^1.4', fallback: 'none' });
    expectObservable(drawn(set$.pipe(filter))).toBe('a-b-', { a: 'x', b: 'none' });
  });

  marble('a new version takes the traffic as soon as one node of it is there', ({ cold, expectObservable }) => {
    const two = node('two', { version: '2.0.0' });
    const set$ = cold('a-b-', { a: set(x, y), b: set(x, y, two) });
    expectObservable(drawn(set$.pipe(whereVersion({ prefer: '2.x', range: '>=1.4' })))).toBe('a-b-', {
      a: 'x',
      b: 'two',
    });
  });

  filterLifecycle(() => whereVersion('^1.4'), x, y);
});
