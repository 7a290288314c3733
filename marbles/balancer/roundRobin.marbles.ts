import { createNode, updateNode } from '../../src/core/node.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { marble } from '../../src/testing/marble.js';

const [w, x, y, z] = ['w', 'x', 'y', 'z'].map((id, i) => createNode({ id, address: `10.0.0.${i + 1}:50051` }));

describe('roundRobin', () => {
  marble('a node that dies mid-turn gives its turn to the next', ({ nodes, picks, expectPicks }) => {
    nodes('a---b--|', { a: [x!, y!, z!], b: [x!, z!] }).pipe(roundRobin());
    picks('-p-p-p-|');
    expectPicks('-x-y-z-|');
  });
});
