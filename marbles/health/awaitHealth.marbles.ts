import { map } from 'rxjs';
import { createNode, type Node, type NodeState } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { isPending, isRoutable } from '../../src/core/isRoutable.js';
import { awaitHealth } from '../../src/health/awaitHealth.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const node = (id: string, state: Partial<NodeState> = {}) =>
  createNode({ id, address: '10.0.0.1:1', availability: 'ready', ...state });
const set = (...nodes: Node[]) => NodeSet.of(nodes);
const run = ({ cold }: MarbleHelpers, diagram: string, sets: Record<string, NodeSet>) =>
  cold(diagram, sets).pipe(
    awaitHealth(),
    map(({ nodes }) =>
      nodes.map((each) => (isRoutable(each) ? 'takes calls' : isPending(each) ? 'waits' : 'out')).join(', '),
    ),
  );

describe('awaitHealth', () => {
  marble('a node that was just connected takes calls once its check has spoken', (m) => {
    const sets = {
      a: set(node('x', { availability: 'connecting' })),
      b: set(node('x')),
      c: set(node('x', { health: 'serving' })),
      d: set(node('x', { health: 'notServing' })),
    };
    const values = { w: 'waits', t: 'takes calls', o: 'out' };
    m.expectObservable(run(m, 'a-b-c-d', sets)).toBe('w-w-t-o', values);
    m.expectObservable(run(m, 'a-b-d-c|', sets)).toBe('w-w-o-t|', values);
  });

  marble('a node whose check broke is not waited for', (m) => {
    const broken = node('x', { healthReason: 'the health check broke: no' });
    m.expectObservable(run(m, 'a', { a: set(broken) })).toBe('a', { a: 'takes calls' });
  });

  marble('a node that nobody has dialled yet is left as it is, so that a call may dial it', (m) => {
    m.expectObservable(run(m, 'a', { a: set(node('x', { availability: 'discovered' })) })).toBe('a', {
      a: 'takes calls',
    });
  });

  marble('where every check has spoken the set is shown as it is', ({ cold, expectObservable }) => {
    const sets = { a: set(node('x', { health: 'serving' }), node('y', { health: 'notServing' })), b: set() };
    expectObservable(cold('a-b-|', sets).pipe(awaitHealth())).toBe('a-b-|', sets);
    expectObservable(cold('a-#', sets).pipe(awaitHealth())).toBe('a-#', sets);
  });
});
