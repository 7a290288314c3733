import { whereNamespace } from '../../src/discovery/whereNamespace.js';
import { marble } from '../../src/testing/marble.js';
import { drawn, node, set } from './drawn.js';
import { filterLifecycle } from './filterLifecycle.js';

const x = node('x', { namespace: 'prod' });
const y = node('y', { namespace: 'test' });
const z = node('z', { namespace: 'stage' });
const u = node('u');

describe('whereNamespace', () => {
  marble('only the nodes of the namespace', ({ cold, expectObservable }) => {
    const set$ = cold('a-|', { a: set(x, y, z, u) });
    expectObservable(drawn(set$.pipe(whereNamespace('prod')))).toBe('a-|', { a: 'x' });
  });

  marble('several namespaces, and on demand those that name none', ({ cold, expectObservable }) => {
    const set$ = cold('a-|', { a: set(x, y, z, u) });
    const filter = whereNamespace(['prod', 'stage'], { unnamed: 'keep' });
    expectObservable(drawn(set$.pipe(filter))).toBe('a-|', { a: 'x z u' });
  });

  filterLifecycle(() => whereNamespace('prod'), x, y);
});
