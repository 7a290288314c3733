import { FleetError } from '../../src/core/fleetError.js';
import { tagFilter, type TagFilter } from '../../src/discovery/tagFilter.js';

const labels = { gpu: '', env: 'prod', 'zone-a': '', note: 'a=b', star: '*' };

describe('tagFilter', () => {
  it.each<[TagFilter, boolean]>([
    ['gpu', true],
    ['env', true],
    ['cpu', false],
    ['toString', false],
    ['env=prod', true],
    ['env=pro', false],
    ['gpu=', true],
    ['env=', false],
    ['note=a=b', true],
    ['zone-*', true],
    ['env=p*', true],
    ['env=d*', false],
    ['*', true],
    [/^zone-/, true],
    [/^env=(prod|test)$/, true],
    [/^env$/, false],
    [{ key: 'gpu' }, true],
    [{ key: 'cpu' }, false],
    [{ key: 'env', value: 'prod' }, true],
    [{ key: 'env', value: 'pro' }, false],
    [{ key: 'star', value: '*' }, true],
    [{ key: 'env', value: 'p*' }, false],
    [{ key: 'env', value: 'pro', pattern: 'prefix' }, true],
    [{ key: 'env', value: '^(prod|test)$', pattern: 'regex' }, true],
    [{ key: 'env', value: '^pr$', pattern: 'regex' }, false],
    [{ key: 'env', value: /^p/ }, true],
    [{ key: 'cpu', value: /./ }, false],
    [{ key: 'env', pattern: 'prefix' }, true],
  ])('%o is %s', (filter, holds) => {
    expect(tagFilter(filter, 'f')(labels)).toBe(holds);
  });

  it('an expression that remembers where it was gives the same answer each time', () => {
    const test = tagFilter(/^env/g, 'f');
    expect([test(labels), test(labels), test(labels)]).toEqual([true, true, true]);
  });

  it.each<[TagFilter, RegExp]>([
    ['', /^f must be/],
    ['=prod', /^f must be/],
    [{ key: '' }, /^f\.key/],
    [{ key: 'a', value: '(', pattern: 'regex' }, /^f\.value "\("/],
    [{ key: 'a', value: 'b', pattern: 'glob' as never }, /^f\.pattern.*glob/],
    [{ key: 'a', value: 7 as never }, /^f\.value/],
    [null as never, /^f must be/],
  ])('%o is refused by name', (filter, what) => {
    expect(() => tagFilter(filter, 'f')).toThrow(FleetError);
    expect(() => tagFilter(filter, 'f')).toThrow(what);
  });
});
