import { whereMetadata } from '../../src/discovery/whereMetadata.js';
import { marble } from '../../src/testing/marble.js';
import { drawn, node, set } from './drawn.js';
import { filterLifecycle } from './filterLifecycle.js';

const x = node('x', { metadata: { group: 'blue', region: 'eu' } });
const y = node('y', { metadata: { group: 'green', region: 'eu' }, tags: { group: 'blue' } });

describe('whereMetadata', () => {
  marble('looks at the metadata, not at the tags', ({ cold, expectObservable }) => {
    expectObservable(drawn(cold('a-|', { a: set(x, y) }).pipe(whereMetadata('group=blue')))).toBe('a-|', { a: 'x' });
  });

  marble("fyer's label matcher is several filters", ({ cold, expectObservable }) => {
    const filter = whereMetadata({ key: 'region', value: 'eu' }, { key: 'group', value: '^gr', pattern: 'regex' });
    expectObservable(drawn(cold('a-|', { a: set(x, y) }).pipe(filter))).toBe('a-|', { a: 'y' });
  });

  filterLifecycle(() => whereMetadata('group=blue'), x, y);
});
