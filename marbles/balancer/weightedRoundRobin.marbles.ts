import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { createNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

const node = (id: string, weight = 1) => createNode({ id, address: `${id}.example:50051`, weight });

describe('weightedRoundRobin', () => {
  marble('a heavy node takes its turns spread out, not in a row', ({ nodes, picks, expectPicks }) => {
    nodes('a--------------|', { a: [node('x', 5), node('y'), node('z')] }).pipe(weightedRoundRobin());
    picks('-pppppppppppppp|');
    expectPicks('-xyxxzxxxyxxzxx|');
  });

  marble('equal weights: plain turns', ({ nodes, picks, expectPicks }) => {
    nodes('a------|', { a: [node('x', 4), node('y', 4), node('z', 4)] }).pipe(weightedRoundRobin());
    picks('-pppppp|');
    expectPicks('-xyzxyz|');
  });

  marble('the turns carry over a change', ({ nodes, picks, expectPicks }) => {
    const [x, y, z] = [node('x', 2), node('y'), node('z')];
    nodes('a---b-----|', { a: [x, y, z], b: [x, z] }).pipe(weightedRoundRobin());
    picks('-pp--pppp-|');
    expectPicks('-xy--xzxx-|');
  });

  marble(
    'the turns of a heavy node that was tried go to the others by their weights',
    ({ nodes, picks, expectPicks }) => {
      nodes('a-------|', { a: [node('x', 100), node('y', 2), node('z')] }).pipe(weightedRoundRobin());
      picks('-tttttt-|', { t: { exclude: new Set(['x']) } });
      expectPicks('-yyyzyz-|');
    },
  );

  marble('a random start falls anywhere', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [node('x'), node('y'), node('z')] }).pipe(weightedRoundRobin({ random: () => 0.5 }));
    picks('-ppp-|');
    expectPicks('-yzx-|');
  });

  lifecycle(weightedRoundRobin);
});
