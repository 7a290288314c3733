import { createNode, matching, allOf, type NodeInit } from '../../src/index.js';

const node = (init: NodeInit = {}) => createNode({ address: 'a:1', ...init });

describe('matching', () => {
  it('asks for groups, tags, versions and zones as the filters of discovery do', () => {
    const canary = matching({ metadata: 'group=canary', tags: ['gpu', /^env=/], version: '^1.4', zone: ['a', 'b'] });
    const good: NodeInit = {
      metadata: { group: 'canary' },
      tags: { gpu: '', env: 'prod' },
      version: 'v1.4.2',
      zone: 'b',
    };
    expect(canary.test(node(good))).toBe(true);
    for (const wrong of [
      { metadata: { group: 'stable' } },
      { tags: { gpu: '' } },
      { version: '1.3.0' },
      { version: undefined },
      { zone: 'c' },
      { zone: undefined },
    ]) {
      expect(canary.test(node({ ...good, ...wrong }))).toBe(false);
    }
  });

  it('takes a version as it stands where that is wanted', () => {
    const exact = matching({ version: { exact: 'canary' } });
    expect(exact.test(node({ version: 'canary' }))).toBe(true);
    expect(exact.test(node({ version: '1.0.0' }))).toBe(false);
  });

  it('names equal conditions equally, and others otherwise, since lists of nodes are kept by the name', () => {
    const names = [
      matching({ tags: 'gpu' }),
      matching({ metadata: 'gpu' }),
      matching({ tags: { key: 'gpu', value: 'a' } }),
      matching({ tags: { key: 'gpu', value: 'a', pattern: 'prefix' } }),
      matching({ tags: /a/ }),
      matching({ tags: /a/i }),
      matching({ version: '1.0.0' }),
      matching({ version: { exact: '1.0.0' } }),
      matching({ zone: 'gpu' }),
    ].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(matching({ tags: ['gpu'] }).name).toBe(matching({ tags: 'gpu' }).name);
  });

  it('refuses what makes no sense, by its place', () => {
    expect(() => matching({})).toThrow('matching must be given at least one condition');
    expect(() => matching({ tags: '' })).toThrow('matching.tags');
    expect(() => matching({ version: 'newest' })).toThrow('matching.version');
    expect(() => matching({ zone: [] })).toThrow('matching.zone');
  });
});

describe('allOf', () => {
  it('asks for every one of a chain', () => {
    const chain = allOf(matching({ tags: 'gpu' }), { name: 'big', test: ({ weight }) => weight > 5 });
    expect(chain.name).toBe('tag gpu, big');
    expect(chain.test(node({ tags: { gpu: '' }, weight: 9 }))).toBe(true);
    expect(chain.test(node({ tags: { gpu: '' } }))).toBe(false);
    expect(() => allOf()).toThrow('allOf');
  });
});
