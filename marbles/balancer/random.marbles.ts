import { random } from '../../src/balancer/random.js';
import { createNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { chances } from './chances.js';
import { lifecycle } from './lifecycle.js';

const [x, y, z] = ['x', 'y', 'z'].map((id) => createNode({ id, address: `${id}.example:50051` }));

describe('random', () => {
  marble('chance decides, each node as likely as the others', ({ nodes, picks, expectPicks }) => {
    nodes('a-----|', { a: [x!, y!, z!] }).pipe(random({ random: chances(0, 0.9, 0.4) }));
    picks('-p-p-p|');
    expectPicks('-x-z-y|');
  });

  marble('a node that was tried is drawn anew', ({ nodes, picks, expectPicks }) => {
    nodes('a--|', { a: [x!, y!, z!] }).pipe(random({ random: chances(0, 0.1, 0.9) }));
    picks('-t-|', { t: { exclude: new Set(['x']) } });
    expectPicks('-z-|');
  });

  marble('luck that always hits the tried one does not hold a call up', ({ nodes, picks, expectPicks }) => {
    nodes('a--|', { a: [x!, y!, z!] }).pipe(random({ random: () => 0 }));
    picks('-t-|', { t: { exclude: new Set(['x']) } });
    expectPicks('-y-|');
  });

  lifecycle(random);
});
