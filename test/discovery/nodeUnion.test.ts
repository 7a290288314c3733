import { createNode, updateNode } from '../../src/core/node.js';
import { NodeUnion } from '../../src/discovery/nodeUnion.js';

const node = (id: string, ...ports: number[]) => createNode({ id, addresses: ports.map((port) => `h:${port}`) });
const nothing = { added: [], removed: [], updated: [] };

describe('NodeUnion', () => {
  it('says what a change at a source changes in the union, and no more', () => {
    const union = new NodeUnion();
    const x = node('x', 1);
    const hub = node('hub', 1, 2);
    expect(union.apply(1, { ...nothing, added: [hub] })).toEqual({ ...nothing, added: [hub] });
    // The earlier source takes the name over.
    const taken = union.apply(0, { ...nothing, added: [x] });
    expect(taken.added.map(({ id }) => id)).toEqual(['x']);
    expect(taken.removed).toEqual([hub]);
    // And gives it back.
    const given = union.apply(0, { ...nothing, removed: [x] });
    expect(given).toEqual({ ...nothing, added: [hub], removed: taken.added });
    expect([...union.nodes()]).toEqual([hub]);
  });

  it('says nothing of a node that is told again as it was', () => {
    const union = new NodeUnion();
    union.apply(0, { ...nothing, added: [node('x', 1)] });
    expect(union.apply(0, { ...nothing, updated: [node('x', 1)] })).toEqual(nothing);
  });

  it('knows each node by the names that the sources have for it', () => {
    const union = new NodeUnion();
    union.apply(0, { ...nothing, added: [node('x', 1, 2)] });
    union.apply(1, { ...nothing, added: [node('p', 1), node('q', 2), node('r', 3)] });
    expect(union.idsAt(0, 'x')).toEqual(['x']);
    expect(union.idsAt(1, 'x')).toEqual(['p', 'q']);
    expect(union.idsAt(1, 'r')).toEqual(['r']);
    expect(union.idsAt(1, 'gone')).toEqual([]);
  });

  it('parts what a node joined, when it moves away', () => {
    const union = new NodeUnion();
    const x = node('x', 1);
    union.apply(0, { ...nothing, added: [x] });
    union.apply(1, { ...nothing, added: [node('p', 1)] });
    expect([...union.nodes()].map(({ id }) => id)).toEqual(['x']);
    const moved = updateNode(x, { address: { host: 'h', port: 9 }, addresses: [{ host: 'h', port: 9 }] });
    const { added, updated } = union.apply(0, { ...nothing, updated: [moved] });
    expect(added.map(({ id }) => id)).toEqual(['p']);
    expect(updated).toEqual([moved]);
  });
});
