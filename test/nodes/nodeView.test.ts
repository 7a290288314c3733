import fc from 'fast-check';
import { createNode, updateNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { NodeView } from '../../src/nodes/nodeView.js';
import { changes } from './changes.js';

const byId = (set: NodeSet) => [...set.nodes].sort((a, b) => (a.id < b.id ? -1 : 1));

describe('NodeView', () => {
  it('shows each node as it is to be shown, whatever came, went and changed, and all else as it is', () => {
    const steps = fc.array(fc.record({ change: changes, halved: fc.subarray(['a', 'b', 'c', 'd', 'e', 'f']) }));
    fc.assert(
      fc.property(steps, (all) => {
        let halved: readonly string[] = [];
        const show = (node: Node) =>
          halved.includes(node.id) && node.weight > 0 ? updateNode(node, { weight: node.weight / 2 }) : node;
        const view = new NodeView(show);
        let set = NodeSet.empty;
        for (const step of all) {
          const earlier = set;
          set = step.change(set);
          const before = view.shown;
          view.follow(set);
          const changed = [...halved, ...step.halved];
          halved = step.halved;
          view.renew(changed);
          expect(byId(view.shown)).toEqual(byId(set).map(show));
          expect(view.shown.stale).toBe(set.stale);
          // What did not change is the same object for those who look at the view.
          for (const node of set.nodes) {
            if (earlier.get(node.id) !== node || changed.includes(node.id)) continue;
            expect(view.shown.get(node.id)).toBe(before.get(node.id));
          }
          // Nobody is shown otherwise: it is the set itself.
          if (set.nodes.every((node) => show(node) === node)) expect(view.shown).toBe(set);
          for (const node of set.nodes) {
            if (show(node) === node) expect(view.shown.get(node.id)).toBe(node);
            expect(view.shown.get(node.id)!.stats).toBe(node.stats);
          }
        }
      }),
    );
  });

  it('keeps 10,000 nodes the same objects when one changes, so that balancers see one change', () => {
    const nodes = Array.from({ length: 10_000 }, (_, i) => createNode({ id: `n${i}`, address: '10.0.0.1:1' }));
    let looked = 0;
    const view = new NodeView((node) => {
      looked++;
      return updateNode(node, { weight: 2 });
    });
    let set = NodeSet.of(nodes);
    const before = view.follow(set);
    looked = 0;
    set = set.with(updateNode(nodes[7]!, { zone: 'a' }));
    const after = view.follow(set);
    expect(looked).toBe(1);
    expect(after.nodes.filter((node, i) => node !== before.nodes[i]).map(({ id }) => id)).toEqual(['n7']);
    expect(after.changesSince(before).updated.map(({ id }) => id)).toEqual(['n7']);
  });
});
