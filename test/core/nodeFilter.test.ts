import { createNode, type Node } from '../../src/core/node.js';
import { NodeFilter } from '../../src/core/nodeFilter.js';
import { NodeSet } from '../../src/core/nodeSet.js';

const node = (id: string, weight = 1) => createNode({ id, address: 'h:1', weight });
const light = ({ weight }: Node) => weight < 2;
const ids = (set: NodeSet) => set.nodes.map(({ id }) => id).join(' ');

describe('NodeFilter', () => {
  it('a node that no longer passes goes, one that passes now comes', () => {
    const filter = new NodeFilter(light);
    const first = NodeSet.of([node('a'), node('b', 2), node('c'), node('d')]);
    expect(ids(filter.next(first, first.changesSince(NodeSet.empty)))).toBe('a c d');
    const second = first.with(node('a', 3), node('b', 1));
    expect(ids(filter.next(second, second.changesSince(first)))).toBe('c d b');
  });

  it('gives the same object when nothing in its part changed, also when its staleness is only told anew', () => {
    const filter = new NodeFilter(light);
    const first = NodeSet.of([node('a'), node('b', 2)], { since: 1, reason: 'cut off' });
    const kept = filter.next(first, first.changesSince(NodeSet.empty));
    const second = first.with(node('b', 5)).withStale({ since: 1, reason: 'cut off' });
    expect(filter.next(second, second.changesSince(first))).toBe(kept);
    const fresh = second.withStale(undefined);
    expect(filter.next(fresh, fresh.changesSince(second)).stale).toBeUndefined();
  });

  it('derives one change from the set before, so that who follows it finds the change at once', () => {
    const filter = new NodeFilter(light);
    const first = NodeSet.of(Array.from({ length: 10 }, (_, i) => node(`n${i}`)));
    const kept = filter.next(first, first.changesSince(NodeSet.empty));
    const changed = node('n3', 1.5);
    const second = first.with(changed);
    expect(filter.next(second, second.changesSince(first)).changesSince(kept)).toEqual({
      added: [],
      removed: [],
      updated: [changed],
    });
  });
});
