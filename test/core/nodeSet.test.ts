import fc from 'fast-check';
import { createNode, type Node } from '../../src/core/node.js';
import { NodeSet, type NodeChanges } from '../../src/core/nodeSet.js';

const node = (id: string, weight = 1): Node => createNode({ id, address: `${id}:1`, weight });
const ids = (nodes: readonly Node[]) => nodes.map(({ id }) => id);

/** What `changesSince` must say, by comparing everything with everything. */
function difference(before: readonly Node[], after: readonly Node[]): NodeChanges {
  const old = (id: string) => before.find((each) => each.id === id);
  return {
    added: after.filter(({ id }) => !old(id)),
    removed: before.filter(({ id }) => !after.some((each) => each.id === id)),
    updated: after.filter((each) => old(each.id) && old(each.id) !== each),
  };
}

const sorted = ({ added, removed, updated }: NodeChanges) => ({
  added: ids(added).sort(),
  removed: ids(removed).sort(),
  updated: updated.map(({ id, weight }) => `${id} ${weight}`).sort(),
});

describe('NodeSet', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const anyNodes = fc.array(fc.record({ id: fc.constantFrom(...names), weight: fc.integer({ min: 0, max: 3 }) }), {
    maxLength: 4,
  });
  const anyStep = fc.oneof(
    fc.record({ type: fc.constant('with' as const), nodes: anyNodes, from: fc.nat() }),
    fc.record({
      type: fc.constant('without' as const),
      ids: fc.array(fc.constantFrom(...names), { maxLength: 3 }),
      from: fc.nat(),
    }),
    fc.record({ type: fc.constant('stale' as const), stale: fc.boolean(), from: fc.nat() }),
    fc.record({ type: fc.constant('of' as const), nodes: anyNodes, from: fc.nat() }),
  );

  it('is right after any series of changes, and so is every older snapshot, whichever one is derived from', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 15 }), (steps) => {
        const history: { readonly set: NodeSet; readonly nodes: readonly Node[] }[] = [
          { set: NodeSet.empty, nodes: [] },
        ];
        for (const step of steps) {
          // Mostly the newest, sometimes an older one: its index has been handed on by then.
          const { set, nodes } = history.at(step.from % 3 === 0 ? step.from % history.length : -1)!;
          if (step.type === 'with') {
            const changed = step.nodes.map(({ id, weight }) => node(id, weight));
            let next = [...nodes];
            for (const each of changed) {
              const at = next.findIndex(({ id }) => id === each.id);
              next = at < 0 ? [...next, each] : next.with(at, each);
            }
            history.push({ set: set.with(...changed), nodes: next });
          } else if (step.type === 'without') {
            history.push({ set: set.without(...step.ids), nodes: nodes.filter(({ id }) => !step.ids.includes(id)) });
          } else if (step.type === 'stale') {
            history.push({ set: set.withStale(step.stale ? { since: 1, reason: 'cut off' } : undefined), nodes });
          } else {
            const given = step.nodes.map(({ id, weight }) => node(id, weight));
            const last = new Map(given.map((each) => [each.id, each]));
            history.push({ set: NodeSet.of(given), nodes: [...last.values()] });
          }
        }
        for (const { set, nodes } of history) {
          expect(set.size).toBe(nodes.length);
          expect(ids(set.nodes)).toEqual(ids(nodes));
          nodes.forEach((each, i) => expect(set.nodes[i]).toBe(each));
          for (const name of names) {
            expect(set.get(name)).toBe(nodes.find(({ id }) => id === name));
            expect(set.has(name)).toBe(nodes.some(({ id }) => id === name));
          }
          for (const before of history) {
            expect(sorted(set.changesSince(before.set))).toEqual(sorted(difference(before.nodes, nodes)));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is itself when nothing was asked for, so that nobody is told of nothing', () => {
    const set = NodeSet.of([node('a')]);
    expect(set.with()).toBe(set);
    expect(set.without()).toBe(set);
    expect(set.without('x')).toBe(set);
    expect(set.withStale(undefined)).toBe(set);
    expect(set.changesSince(set)).toEqual({ added: [], removed: [], updated: [] });
  });

  it('has a revision that grows with every snapshot', () => {
    const first = NodeSet.of([node('a')]);
    const second = first.with(node('b'));
    const third = second.without('a').withStale({ since: 1, reason: 'cut off' });
    expect(second.revision).toBeGreaterThan(first.revision);
    expect(third.revision).toBeGreaterThan(second.revision);
  });

  it('stays stale through changes until it is said to be fresh', () => {
    const stale = { since: 1, reason: 'cut off' };
    const set = NodeSet.of([node('a')], stale)
      .with(node('b'))
      .without('a');
    expect(set.stale).toBe(stale);
    expect(set.withStale(undefined).stale).toBeUndefined();
  });

  it('counts the last of several nodes with one id, as a change and in the set', () => {
    const a1 = node('a', 1);
    const a2 = node('a', 2);
    expect(NodeSet.of([a1, a2]).nodes).toEqual([a2]);
    const added = NodeSet.empty.with(a1, a2);
    expect(added.nodes).toEqual([a2]);
    expect(added.changesSince(NodeSet.empty)).toEqual({ added: [a2], removed: [], updated: [] });
    const removed = added.without('a', 'a');
    expect(removed.changesSince(added).removed).toEqual([a2]);
  });

  it('keeps the place of a node that is replaced', () => {
    const set = NodeSet.of([node('a'), node('b'), node('c')]);
    expect(ids(set.with(node('b', 2)).nodes)).toEqual(['a', 'b', 'c']);
    expect(ids(set.with(node('c', 2), node('d'), node('a', 2)).nodes)).toEqual(['a', 'b', 'c', 'd']);
  });
});
