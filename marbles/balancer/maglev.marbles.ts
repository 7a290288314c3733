import { maglev } from '../../src/balancer/maglev.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { chances } from './chances.js';
import { lifecycle } from './lifecycle.js';

const [x, y, z] = ['x', 'y', 'z'].map((id) => createNode({ id, address: `${id}.example:50051` }));
const keys = { k: { key: 'user-5' }, l: { key: 'user-1' }, m: { key: 'user-2' } };

describe('maglev', () => {
  marble('only the keys of a node that is down move, and they come back with it', ({ nodes, picks, expectPicks }) => {
    const down = updateNode(y!, { health: 'notServing' });
    nodes('a---b---a---|', { a: [x!, y!, z!], b: [x!, down, z!] }).pipe(maglev());
    picks('-kl--kl--kl-|', keys);
    expectPicks('-yx--zx--yx-|');
  });

  marble('a node that goes leaves nearly all other keys where they were', ({ nodes, picks, expectPicks }) => {
    nodes('a----b----a---|', { a: [x!, y!, z!], b: [x!, z!] }).pipe(maglev());
    picks('-klm--klm--klm|', keys);
    expectPicks('-yxz--zxz--yxz|');
  });

  marble('a node that was tried gives way to the owner of the next place', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [x!, y!, z!] }).pipe(maglev());
    picks('-ktuv|', {
      ...keys,
      t: { key: 'user-5', exclude: new Set(['y']) },
      u: { key: 'user-5', exclude: new Set(['y', 'z']) },
      v: { key: 'user-5', exclude: new Set(['x', 'y', 'z']) },
    });
    expectPicks('-yzxy|');
  });

  marble('calls with one key leave a node that has its part of all, until some of them end', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    const idle = ['x', 'y', 'z'].map((id) => createNode({ id, address: `${id}.example:50051` }));
    nodes('a----------|', { a: idle }).pipe(maglev({ boundedLoad: 1.5 }));
    // ⌈1.5 × 1 ÷ 3⌉ = 1 call for the first, of the third ⌈1.5 × 3 ÷ 3⌉ = 2.
    picks('-kkkkkkeeek|', { ...keys, e: { end: 'y' } });
    expectPicks('-yzyzyzyyyy|');
  });

  marble('no key: chance says where in the table', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [x!, y!, z!] }).pipe(maglev({ random: chances(0, 0.5, 0.9), tableSize: 7 }));
    picks('-ppp-|');
    expectPicks('-xyz-|');
  });

  lifecycle(maglev);
});
