import { createNode, updateNode } from '../../src/core/node.js';

describe('createNode', () => {
  it('needs an address and nothing else', () => {
    expect(createNode({ address: 'db-1:5432' })).toMatchObject({
      id: 'db-1:5432',
      name: 'db-1:5432',
      address: { host: 'db-1', port: 5432 },
      addresses: [{ host: 'db-1', port: 5432 }],
      weight: 1,
      availability: 'discovered',
      health: 'unknown',
      compatibility: 'compatible',
      tags: {},
      metadata: {},
      sources: [],
    });
    expect(createNode({ addresses: ['a:1', 'b:2'] }).address).toEqual({ host: 'a', port: 1 });
    expect(createNode({ address: 'a:1', id: 'x' }).name).toBe('x');
  });

  it.each([
    [{}, /has no address/],
    [{ name: 'hub', addresses: [] }, /"hub" has no address/],
    [{ address: 'nonsense' }, /nonsense/],
    [{ address: 'a:1', weight: -1 }, /weight of node a:1/],
    [{ address: 'a:1', weight: NaN }, /weight/],
    [{ address: 'a:1', weight: Infinity }, /weight/],
  ])('refuses %j by name', (init, message) => {
    expect(() => createNode(init)).toThrow(message);
  });

  it('gives every node the same shape, which pickers rely on for their speed', () => {
    const keys = Object.keys(createNode({ address: 'a:1' }));
    expect(Object.keys(createNode({ weight: 2, zone: 'z', id: 'x', address: 'a:1', models: ['m'] }))).toEqual(keys);
    expect(Object.keys(updateNode(createNode({ address: 'a:1' }), { health: 'serving' }))).toEqual(keys);
  });

  it('changes a node into another that keeps its counters, and leaves the first as it was', () => {
    const before = createNode({ address: 'a:1', id: 'x' });
    const after = updateNode(before, { health: 'notServing', healthReason: 'it says so' });
    expect(after).not.toBe(before);
    expect(after.stats).toBe(before.stats);
    expect(before.health).toBe('unknown');
    expect(after).toMatchObject({ id: 'x', health: 'notServing', healthReason: 'it says so' });
  });
});
