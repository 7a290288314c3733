import { leastRequest } from '../../src/balancer/leastRequest.js';
import { createNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { chances } from './chances.js';
import { lifecycle } from './lifecycle.js';

const fresh = (weights: Readonly<Record<string, number>>) =>
  Object.entries(weights).map(([id, weight]) => createNode({ id, address: `${id}.example:50051`, weight }));
const equal = () => fresh({ x: 1, y: 1, z: 1 });

describe('leastRequest', () => {
  marble('an idle node is taken at once, else the less busy of two, of equals the first drawn', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    // first    -x-x-x-z|
    // other    ---y-y--|
    const random = chances(0, 0, 0, 0, 0, 0.9);
    nodes('a-------|', { a: equal() }).pipe(leastRequest({ random }));
    picks('-p-p-p-p|');
    expectPicks('-x-y-x-z|');
  });

  marble('of three drawn none is drawn twice, so the idle one of three is found', ({ nodes, picks, expectPicks }) => {
    nodes('a-------|', { a: equal() }).pipe(leastRequest({ choiceCount: 3, random: () => 0 }));
    picks('-p-p-p-p|');
    expectPicks('-x-y-z-x|');
  });

  marble('of fewer nodes than choices all are looked at', ({ nodes, picks, expectPicks }) => {
    nodes('a-------|', { a: fresh({ x: 1, y: 1 }) }).pipe(leastRequest({ choiceCount: 10, random: () => 0.9 }));
    picks('-p-p-p-p|');
    expectPicks('-y-x-y-x|');
  });

  marble('while nothing is in flight, light nodes have their share, too', ({ nodes, picks, expectPicks }) => {
    const random = chances(0.3, 0.55, 0.7);
    nodes('a------|', { a: fresh({ x: 9, y: 1 }) }).pipe(leastRequest({ random }));
    picks('-pepfpe|', { e: { end: 'x' }, f: { end: 'y' } });
    expectPicks('-xxyyxx|');
  });

  marble('by a bias of 2 a node of four times the weight carries twice as many', ({ nodes, picks, expectPicks }) => {
    nodes('a------|', { a: fresh({ x: 4, y: 1 }) }).pipe(leastRequest({ activeRequestBias: 2, random: () => 0 }));
    picks('-pppppp|');
    expectPicks('-xxyxxy|');
  });

  marble('by a bias of 0 calls in flight do not count', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: equal() }).pipe(leastRequest({ activeRequestBias: 0, random: () => 0 }));
    picks('-pppp|');
    expectPicks('-xxxx|');
  });

  marble('a node that fails at once looks idle, and is passed over all the same', ({ nodes, picks, expectPicks }) => {
    nodes('a---------|', { a: equal() }).pipe(leastRequest({ choiceCount: 3, random: () => 0 }));
    picks('-pfpppppp-|', { f: { end: 'x', failed: true } });
    expectPicks('-xxyzxyzx-|');
  });

  marble('a node that was tried is not drawn', ({ nodes, picks, expectPicks }) => {
    nodes('a---|', { a: equal() }).pipe(leastRequest({ random: chances(0, 0.4, 0.9) }));
    picks('-t--|', { t: { exclude: new Set(['x', 'z']) } });
    expectPicks('-y--|');
  });

  lifecycle(leastRequest);
});
