import { roundRobin } from '../../src/balancer/roundRobin.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

const reads = { name: 'task ocr', test: (node: { tags: Readonly<Record<string, string>> }) => 'ocr' in node.tags };
const w = createNode({ id: 'w', address: '10.0.0.1:50051' });
const x = createNode({ id: 'x', address: '10.0.0.2:50051' });
const y = createNode({ id: 'y', address: '10.0.0.3:50051', tags: { ocr: '' } });
const z = createNode({ id: 'z', address: '10.0.0.4:50051', tags: { ocr: '' } });

describe('roundRobin', () => {
  marble('the nodes take turns', ({ nodes, picks, expectPicks }) => {
    nodes('a--------|', { a: [x, y, z] }).pipe(roundRobin());
    picks('-ppppp-pp|');
    expectPicks('-xyzxy-zx|');
  });

  marble('a node that dies mid-turn gives its turn to the next', ({ nodes, picks, expectPicks }) => {
    nodes('a---b--|', { a: [x, y, z], b: [x, z] }).pipe(roundRobin());
    picks('-p-p-p-|');
    expectPicks('-x-y-z-|');
  });

  marble('the node whose turn it is dies: the one after it is next', ({ nodes, picks, expectPicks }) => {
    nodes('a--b----|', { a: [w, x, y, z], b: [w, z] }).pipe(roundRobin());
    picks('-p--ppp-|');
    expectPicks('-w--zwz-|');
  });

  marble('a rolling restart does not favour the first node', ({ nodes, picks, expectPicks }) => {
    const down = (node: typeof x) => updateNode(node, { availability: 'unavailable' });
    nodes('a--b--c--d--|', { a: [x, y, z], b: [down(x), y, z], c: [x, down(y), z], d: [x, y, down(z)] }).pipe(
      roundRobin(),
    );
    picks('-p--p--p--p-|');
    expectPicks('-x--y--z--x-|');
  });

  marble('a node that comes waits for its turn', ({ nodes, picks, expectPicks }) => {
    nodes('a--b----|', { a: [x, z], b: [w, x, y, z] }).pipe(roundRobin());
    picks('-p--ppp-|');
    expectPicks('-x--zwx-|');
  });

  marble('the turn outlives a total outage', ({ nodes, picks, expectPicks }) => {
    nodes('a--b--a--|', { a: [x, y, z], b: [] }).pipe(roundRobin());
    picks('-p--p--p-|');
    expectPicks('-x--0--y-|');
  });

  marble('calls that require something have a turn of their own', ({ nodes, picks, expectPicks }) => {
    nodes('a-------|', { a: [x, y, z] }).pipe(roundRobin());
    picks('-prprpr-|', { r: { requires: reads } });
    expectPicks('-xyyzzy-|');
  });

  marble('nobody offers what is required: at once, unless a node still has to be asked', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    const asked = updateNode(y, { compatibility: 'pending', tags: {} });
    nodes('a--b--|', { a: [x], b: [x, asked] }).pipe(roundRobin());
    picks('-r--r-|', { r: { requires: reads } });
    expectPicks('-0--?-|');
  });

  marble('a node that was tried is passed over, unless nobody else is left', ({ nodes, picks, expectPicks }) => {
    nodes('a-----|', { a: [x, y, z] }).pipe(roundRobin());
    picks('-tuvp-|', {
      t: { exclude: new Set(['x']) },
      u: { exclude: new Set(['x', 'z']) },
      v: { exclude: new Set(['x', 'y', 'z']) },
    });
    expectPicks('-yyzx-|');
  });

  marble('a random start falls anywhere', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [x, y, z] }).pipe(roundRobin({ random: () => 0.5 }));
    picks('-ppp-|');
    expectPicks('-yzx-|');
  });

  lifecycle(roundRobin);
});
