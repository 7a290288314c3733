import fc from 'fast-check';
import { createNode, updateNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { NodeTally } from '../../src/nodes/nodeTally.js';
import { changes, type Change } from './changes.js';

const kindOf = ({ weight }: Node) => (weight === 0 ? 'none' : weight < 2 ? 'light' : 'heavy');

describe('NodeTally', () => {
  it('counts what is there, whatever came, went and changed, and however many sets it has missed', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ change: changes, look: fc.boolean() })), (steps) => {
        const tally = new NodeTally(kindOf);
        let set = NodeSet.empty;
        for (const { change, look } of steps) {
          set = change(set);
          if (!look) continue;
          tally.follow(set);
          for (const kind of ['none', 'light', 'heavy'] as const) {
            expect(tally.count(kind)).toBe(set.nodes.filter((node) => kindOf(node) === kind).length);
          }
          for (const node of set.nodes) expect(tally.kind(node.id)).toBe(kindOf(node));
        }
      }),
    );
  });

  it('knows no kind of a node that has gone', () => {
    const node = createNode({ id: 'a', address: '10.0.0.1:1' });
    const tally = new NodeTally(kindOf);
    const set = NodeSet.of([node]);
    tally.follow(set);
    expect([tally.kind('a'), tally.count('light')]).toEqual(['light', 1]);
    tally.follow(set.without('a'));
    expect([tally.kind('a'), tally.count('light')]).toEqual([undefined, 0]);
  });

  it('looks at nothing but what changed', () => {
    const nodes = Array.from({ length: 10_000 }, (_, i) => createNode({ id: `n${i}`, address: '10.0.0.1:1' }));
    let looked = 0;
    const tally = new NodeTally((node) => {
      looked++;
      return kindOf(node);
    });
    let set = NodeSet.of(nodes);
    tally.follow(set);
    looked = 0;
    set = set.with(updateNode(nodes[7]!, { weight: 3 }));
    tally.follow(set);
    expect([looked, tally.count('heavy'), tally.count('light')]).toEqual([1, 1, 9_999]);
  });
});

it('the changes that are drawn do change sets', () => {
  const drawn: Change[] = fc.sample(changes, 50);
  const last = drawn.reduce((set, change) => change(set), NodeSet.empty);
  expect(last.revision).toBeGreaterThan(NodeSet.empty.revision);
});
