import { ringHash } from '../../src/balancer/ringHash.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

const [x, y, z] = ['x', 'y', 'z'].map((id) => createNode({ id, address: `${id}.example:50051` }));
const keys = { k: { key: 'user-5' }, l: { key: 'user-12' }, m: { key: 'user-4' } };

describe('ringHash', () => {
  marble('only the keys of a node that is down move, and they come back with it', ({ nodes, picks, expectPicks }) => {
    const down = updateNode(y!, { health: 'notServing' });
    nodes('a---b---a---|', { a: [x!, y!, z!], b: [x!, down, z!] }).pipe(ringHash());
    picks('-kl--kl--kl-|', keys);
    expectPicks('-yx--zx--yx-|');
  });

  marble('while a node is being dialled its keys are with the next on the ring', ({ nodes, picks, expectPicks }) => {
    const dialled = updateNode(y!, { availability: 'connecting' });
    nodes('a---b---|', { a: [x!, dialled, z!], b: [x!, y!, z!] }).pipe(ringHash());
    picks('-klm-klm|', keys);
    expectPicks('-zxz-yxz|');
  });

  marble('a node that was tried gives way to the next on the ring', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [x!, y!, z!] }).pipe(ringHash());
    picks('-ktuv|', {
      ...keys,
      t: { key: 'user-5', exclude: new Set(['y']) },
      u: { key: 'user-5', exclude: new Set(['y', 'z']) },
      v: { key: 'user-5', exclude: new Set(['x', 'y', 'z']) },
    });
    expectPicks('-yzxy|');
  });

  marble(
    'a node keeps its keys through a change of address when it has a hash key',
    ({ nodes, picks, expectPicks }) => {
      const moved = (suffix: string) =>
        [x!, y!, z!].map(({ id }) =>
          createNode({ id, address: `${id}.${suffix}:50051`, metadata: { hash_key: `${id}.example:50051` } }),
        );
      nodes('a---b---|', { a: moved('north'), b: moved('south') }).pipe(ringHash());
      picks('-klm-klm|', keys);
      expectPicks('-yxz-yxz|');
    },
  );

  marble('calls with one key leave a node that has its part of all, until some of them end', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    const idle = ['x', 'y', 'z'].map((id) => createNode({ id, address: `${id}.example:50051` }));
    nodes('a----------|', { a: idle }).pipe(ringHash({ boundedLoad: 1.5 }));
    // ⌈1.5 × 1 ÷ 3⌉ = 1 call for the first, of the third ⌈1.5 × 3 ÷ 3⌉ = 2.
    picks('-kkkkkkeeek|', { ...keys, e: { end: 'y' } });
    expectPicks('-yzyzyzyyyy|');
  });

  marble('no key: chance says where on the ring', ({ nodes, picks, expectPicks }) => {
    nodes('a---|', { a: [x!, y!, z!] }).pipe(ringHash({ random: () => 0.5 }));
    picks('-pp-|');
    expectPicks('-yy-|');
  });

  lifecycle(ringHash);
});
