import { consistentHash } from '../../src/balancer/consistentHash.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

const [x, y, z] = ['x', 'y', 'z'].map((id) => createNode({ id, address: `${id}.example:50051` }));
const keys = { k: { key: 'user-4' }, l: { key: 'user-1' }, m: { key: 'user-3' } };

describe('consistentHash', () => {
  marble('equal keys go to one node', ({ nodes, picks, expectPicks }) => {
    nodes('a---------|', { a: [x!, y!, z!] }).pipe(consistentHash());
    picks('-kkllmmklm|', keys);
    expectPicks('-yyxxzzyxz|');
  });

  marble('only the keys of a node that goes move, and they come back with it', ({ nodes, picks, expectPicks }) => {
    nodes('a----b----a---|', { a: [x!, y!, z!], b: [x!, z!] }).pipe(consistentHash());
    picks('-klm--klm--klm|', keys);
    expectPicks('-yxz--zxz--yxz|');
  });

  marble('a node that is down gives its keys to the next on the ring', ({ nodes, picks, expectPicks }) => {
    const down = updateNode(y!, { health: 'notServing' });
    nodes('a----b---|', { a: [x!, y!, z!], b: [x!, down, z!] }).pipe(consistentHash());
    picks('-klm--klm|', keys);
    expectPicks('-yxz--zxz|');
  });

  marble('a node that was tried gives way to the next on the ring', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [x!, y!, z!] }).pipe(consistentHash());
    picks('-ktuv|', {
      ...keys,
      t: { key: 'user-4', exclude: new Set(['y']) },
      u: { key: 'user-4', exclude: new Set(['y', 'z']) },
      v: { key: 'user-4', exclude: new Set(['x', 'y', 'z']) },
    });
    expectPicks('-yzxy|');
  });

  marble('calls with one key leave a node that has its part of all, until some of them end', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    const idle = ['x', 'y', 'z'].map((id) => createNode({ id, address: `${id}.example:50051` }));
    nodes('a----------|', { a: idle }).pipe(consistentHash({ boundedLoad: 1.5 }));
    // ⌈1.5 × 1 ÷ 3⌉ = 1 call for the first, of the third ⌈1.5 × 3 ÷ 3⌉ = 2.
    picks('-kkkkkkeeek|', { ...keys, e: { end: 'y' } });
    expectPicks('-yzyzyzyyyy|');
  });

  marble('no key: chance says where on the ring', ({ nodes, picks, expectPicks }) => {
    nodes('a---|', { a: [x!, y!, z!] }).pipe(consistentHash({ random: () => 0.5 }));
    picks('-pp-|');
    expectPicks('-xx-|');
  });

  lifecycle(consistentHash);
});
