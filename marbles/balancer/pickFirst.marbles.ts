import { map } from 'rxjs';
import { pickFirst } from '../../src/balancer/pickFirst.js';
import { createNode, updateNode, type Node, type NodeState } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble } from '../../src/testing/marble.js';

const [x, y, z] = ['x', 'y', 'z'].map((id, i) =>
  createNode({ id, address: `10.0.0.${i + 1}:50051`, tags: id === 'z' ? { ocr: '' } : {} }),
) as [Node, Node, Node];
const as = (availability: NodeState['availability'], node: Node) => updateNode(node, { availability });
const ready = (node: Node) => as('ready', node);
const dialling = (node: Node) => as('connecting', node);
const down = (node: Node) => as('unavailable', node);

const reads = { name: 'task ocr', test: ({ tags }: Node) => 'ocr' in tags };

describe('pickFirst', () => {
  marble('all calls go to the first, and the others are not dialled', (m) => {
    const { nodes, picks, expectPicks } = m;
    nodes('a-----|', { a: [ready(x), y, z] }).pipe(pickFirst());
    picks('-p-p-p|');
    expectPicks('-x-x-x|');
    m.expectObservable(reached(m, 'a-----|', { a: [ready(x), y, z] })).toBe('a-----|', { a: 'x' });
  });

  marble('calls wait while the first is dialled, and go to the next only when it cannot be reached', (m) => {
    const sets = {
      a: [dialling(x), y, z],
      b: [down(x), y, z],
      c: [down(x), dialling(y), z],
      d: [down(x), ready(y), z],
    };
    m.nodes('a--b--c--d--|', sets).pipe(pickFirst());
    m.picks('-p-----p--p-|');
    m.expectPicks('-?-----?--y-|');
    const dialled = { a: 'x', b: 'xy', c: 'xy', d: 'y' };
    m.expectObservable(reached(m, 'a--b--c--d--|', sets)).toBe('a--b--c--d--|', dialled);
  });

  marble(
    'it stays where it is when a node before it comes back, since a move would only cost',
    ({ nodes, picks, expectPicks }) => {
      nodes('a--b--|', { a: [down(x), ready(y), z], b: [ready(x), ready(y), z] }).pipe(pickFirst());
      picks('-p--p-|');
      expectPicks('-y--y-|');
    },
  );

  marble('a node that is lost begins the search anew from the first', (m) => {
    const sets = { a: [down(x), ready(y), z], b: [x, down(y), z], c: [ready(x), down(y), z] };
    m.nodes('a--b--c--|', sets).pipe(pickFirst());
    m.picks('-p-----p-|');
    m.expectPicks('-y-----x-|');
    m.expectObservable(reached(m, 'a--b--c--|', sets)).toBe('a--b--c--|', { a: 'y', b: 'x', c: 'x' });
  });

  marble('when none can be reached all are tried at once, and the first that answers gets the calls', (m) => {
    const sets = {
      a: [down(x), down(y), down(z)],
      b: [down(x), down(y), dialling(z)],
      c: [down(x), down(y), ready(z)],
    };
    m.nodes('a--b--c--|', sets).pipe(pickFirst());
    m.picks('-p--p--p-|');
    m.expectPicks('-0--?--z-|');
    m.expectObservable(reached(m, 'a--b--c--|', sets)).toBe('a--b--c--|', { a: 'xyz', b: 'xyz', c: 'z' });
  });

  marble('a node that takes no calls for its health is passed over', ({ nodes, picks, expectPicks }) => {
    const sick = updateNode(ready(x), { health: 'notServing' });
    nodes('a--|', { a: [sick, y, z] }).pipe(pickFirst());
    picks('-p-|');
    expectPicks('-y-|');
  });

  marble('a call that failed there goes to the first of the others, and a task to the first that offers it', (m) => {
    const { nodes, picks, expectPicks } = m;
    nodes('a--------|', { a: [ready(x), y, z] }).pipe(pickFirst());
    picks('-t-b-a-r-|', {
      t: { exclude: new Set(['x']) },
      b: { exclude: new Set(['x', 'y']) },
      a: { exclude: new Set(['x', 'y', 'z']) },
      r: { requires: reads },
    });
    expectPicks('-y-z-x-z-|');
  });

  marble('a call with a task does not wait for a node that may not have it', ({ nodes, picks, expectPicks }) => {
    nodes('a--|', { a: [dialling(x), y, z] }).pipe(pickFirst());
    picks('-r-|', { r: { requires: reads } });
    expectPicks('-z-|');
  });

  marble('a node without weight is not dialled', (m) => {
    const sets = { a: [updateNode(x, { weight: 0 }), y] };
    m.expectObservable(reached(m, 'a|', sets)).toBe('a|', { a: 'y' });
  });

  marble('shuffled, the order is one of chance, and stays while nodes come and go', (m) => {
    const chances = [0.9, 0.5, 0.1, 0.7];
    const random = () => chances.shift()!;
    const set = { a: [x, y, z], b: [x, y], c: [x, y, z] };
    m.expectObservable(reached(m, 'a-b-c|', set, { shuffle: true, random })).toBe('a-b-c|', { a: 'z', b: 'y', c: 'y' });
  });
});

/** Who is dialled, set for set. */
function reached(
  { cold }: Parameters<Parameters<typeof marble>[1]>[0],
  diagram: string,
  sets: Record<string, readonly Node[]>,
  options?: Parameters<typeof pickFirst>[0],
) {
  return cold(diagram, sets).pipe(
    map((nodes) => NodeSet.of(nodes)),
    pickFirst(options),
    map(({ reach }) => reach!.nodes.map(({ id }) => id).join('')),
  );
}
