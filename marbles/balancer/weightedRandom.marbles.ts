import { weightedRandom } from '../../src/balancer/weightedRandom.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { chances } from './chances.js';
import { lifecycle } from './lifecycle.js';

const x = createNode({ id: 'x', address: '10.0.0.1:50051', weight: 3 });
const y = createNode({ id: 'y', address: '10.0.0.2:50051', weight: 1 });

describe('weightedRandom', () => {
  marble('three of four chances fall on the node of three times the weight', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [x, y] }).pipe(weightedRandom({ random: chances(0.1, 0.4, 0.6, 0.9) }));
    picks('-pppp|');
    expectPicks('-xxyx|');
  });

  marble('a weight that changes counts from the next set on', ({ nodes, picks, expectPicks }) => {
    const off = updateNode(x, { weight: 0 });
    nodes('a--b--|', { a: [x, y], b: [off, y] }).pipe(weightedRandom({ random: () => 0.1 }));
    picks('-p--p-|');
    expectPicks('-x--y-|');
  });

  lifecycle(weightedRandom);
});
