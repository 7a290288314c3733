import { powerOfTwo } from '../../src/balancer/powerOfTwo.js';
import { createNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { chances } from './chances.js';
import { lifecycle } from './lifecycle.js';

const fresh = (weight = 1) =>
  ['x', 'y', 'z'].map((id) => createNode({ id, address: `${id}.example:50051`, weight: id === 'x' ? weight : 1 }));

describe('powerOfTwo', () => {
  marble('of two drawn nodes the one with fewer calls in flight', ({ nodes, picks, expectPicks }) => {
    nodes('a-----|', { a: fresh().slice(0, 2) }).pipe(powerOfTwo({ random: () => 0 }));
    picks('-p-p-p|');
    expectPicks('-x-y-x|');
  });

  marble('a call that ends frees its node', ({ nodes, picks, expectPicks }) => {
    nodes('a--------|', { a: fresh().slice(0, 2) }).pipe(powerOfTwo({ random: () => 0 }));
    picks('-p-p-p-ep|', { e: { end: 'x' } });
    expectPicks('-x-y-x-xx|');
  });

  marble('the two are never the same node', ({ nodes, picks, expectPicks }) => {
    // y and, of the other two, z; then z and x.
    nodes('a--|', { a: fresh() }).pipe(powerOfTwo({ random: chances(0.5, 0.5, 0.9, 0) }));
    picks('-pp|');
    expectPicks('-yz|');
  });

  marble('a node of weight 2 carries two calls where others carry one', ({ nodes, picks, expectPicks }) => {
    nodes('a------|', { a: fresh(2).slice(0, 2) }).pipe(powerOfTwo({ random: () => 0 }));
    picks('-pppppp|');
    expectPicks('-xxyxxy|');
  });

  marble('a node that fails at once looks idle, and is passed over all the same', ({ nodes, picks, expectPicks }) => {
    nodes('a----------|', { a: fresh().slice(0, 2) }).pipe(powerOfTwo({ random: () => 0 }));
    picks('-pfppppppp-|', { f: { end: 'x', failed: true } });
    expectPicks('-xxyyxyyxy-|');
  });

  lifecycle(powerOfTwo);
});
