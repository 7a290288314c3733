import { whereTags } from '../../src/discovery/whereTags.js';
import { marble } from '../../src/testing/marble.js';
import { drawn, node, set } from './drawn.js';
import { filterLifecycle } from './filterLifecycle.js';

const x = node('x', { tags: { gpu: '', env: 'prod' } });
const y = node('y', { tags: { env: 'prod' } });
const z = node('z', { tags: { gpu: '', 'zone-a': '' } });

describe('whereTags', () => {
  marble('every filter must hold', ({ cold, expectObservable }) => {
    const set$ = cold('a-|', { a: set(x, y, z) });
    expectObservable(drawn(set$.pipe(whereTags('gpu', 'env=prod')))).toBe('a-|', { a: 'x' });
  });

  marble('a key, and a pattern over the tags', ({ cold, expectObservable }) => {
    const set$ = cold('a-|', { a: set(x, y, z) });
    expectObservable(drawn(set$.pipe(whereTags('gpu', /^zone-/)))).toBe('a-|', { a: 'z' });
  });

  marble('no filter keeps all', ({ cold, expectObservable }) => {
    expectObservable(drawn(cold('a-|', { a: set(x, y, z) }).pipe(whereTags()))).toBe('a-|', { a: 'x y z' });
  });

  marble('a node that is tagged later comes, one that loses its tag goes', ({ cold, expectObservable }) => {
    const set$ = cold('a-b-a-', { a: set(y), b: set(node('y', { tags: { gpu: '' } })) });
    expectObservable(drawn(set$.pipe(whereTags('gpu')))).toBe('a-b-a-', { a: 'none', b: 'y' });
  });

  filterLifecycle(() => whereTags('gpu'), x, y);
});
