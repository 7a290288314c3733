import { createNode, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { settled } from '../../src/discovery/settled.js';

const node = (id: string, init: NodeInit = {}) => createNode({ id, address: `${id}:1`, firstSeen: 1, ...init });
const many = (...ids: string[]) => NodeSet.of(ids.map((id) => node(id)));

describe('settled', () => {
  it('is the set before when nothing changed, in whatever order it was told', () => {
    const before = many('a', 'b', 'c');
    expect(settled(before, [node('c'), node('a', { lastSeen: 9 }), node('b')])).toBe(before);
  });

  it('keeps the objects of unchanged nodes, and of changed ones the first sight and the counters', () => {
    const before = many('a', 'b', 'c', 'd');
    const after = settled(before, [node('a'), node('b', { weight: 2, firstSeen: 7 }), node('d'), node('e')]);
    expect(after.nodes.map(({ id }) => id)).toEqual(['a', 'b', 'd', 'e']);
    expect(after.get('a')).toBe(before.get('a'));
    expect(after.get('b')).toMatchObject({ weight: 2, firstSeen: 1 });
    expect(after.get('b')!.stats).toBe(before.get('b')!.stats);
    const { added, removed, updated } = after.changesSince(before);
    expect([added, removed, updated].map((nodes) => nodes.map(({ id }) => id))).toEqual([['e'], ['c'], ['b']]);
  });

  it('empties, fills anew and marks as stale', () => {
    const before = many('a', 'b');
    expect(settled(before, []).size).toBe(0);
    const replaced = settled(before, [node('x'), node('a'), node('y')]);
    expect(replaced.nodes.map(({ id }) => id)).toEqual(['x', 'a', 'y']);
    expect(replaced.get('a')).toBe(before.get('a'));
    const stale = { since: 1, reason: 'cut off' };
    expect(settled(before, before.nodes, stale)).toMatchObject({ stale, size: 2 });
    expect(settled(settled(before, [], stale), before.nodes).stale).toBeUndefined();
    expect(settled(undefined, [node('a')], stale)).toMatchObject({ stale, size: 1 });
  });
});
