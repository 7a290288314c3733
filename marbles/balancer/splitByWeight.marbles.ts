import { consistentHash } from '../../src/balancer/consistentHash.js';
import { splitByWeight } from '../../src/balancer/splitByWeight.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

const node = (id: string, group?: string) =>
  createNode({ id, address: `${id}.example:50051`, tags: group === undefined ? {} : { group } });
const [s, t, c] = [node('s', 'stable'), node('t', 'stable'), node('c', 'canary')];
const weights = { stable: 50, canary: 50 };
/** Keys that draw stable (k, l) and canary (m, n). */
const keys = { k: { key: 'user-1' }, l: { key: 'user-2' }, m: { key: 'user-3' }, n: { key: 'user-4' } };

describe('splitByWeight', () => {
  marble('equal keys stay in their group, in which the nodes take turns', ({ nodes, picks, expectPicks }) => {
    nodes('a---------|', { a: [s, t, c] }).pipe(splitByWeight(weights));
    picks('-kkmmllkmm|', keys);
    expectPicks('-stccstscc|');
  });

  marble('a group in which nobody can serve falls to the others, and takes its keys back', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    const down = updateNode(c, { health: 'notServing' });
    nodes('a----b----a---|', { a: [s, c], b: [s, down] }).pipe(splitByWeight(weights));
    picks('-kmn--kmn--kmn|', keys);
    expectPicks('-scc--sss--scc|');
  });

  marble('without a fallback the calls of such a group fail', ({ nodes, picks, expectPicks }) => {
    nodes('a----b---|', { a: [s, c], b: [s] }).pipe(splitByWeight(weights, { fallback: false }));
    picks('-kmn--kmn|', keys);
    expectPicks('-scc--s00|');
  });

  marble('a node that was tried gives way to its own group first, then to another', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    nodes('a-----|', { a: [s, t, c] }).pipe(splitByWeight(weights));
    picks('-kuvw-|', {
      k: { key: 'user-1' },
      u: { key: 'user-1', exclude: new Set(['s']) },
      v: { key: 'user-1', exclude: new Set(['s', 't']) },
      w: { key: 'user-1', exclude: new Set(['s', 't', 'c']) },
    });
    expectPicks('-stcs-|');
  });

  marble('no key: chance draws the group', ({ nodes, picks, expectPicks }) => {
    const chances = [0.1, 0.6, 0.49, 0.51];
    nodes('a-----|', { a: [s, c] }).pipe(splitByWeight(weights, { random: () => chances.shift()! }));
    picks('-pppp-|');
    expectPicks('-scsc-|');
  });

  marble('nodes of no group are of the first one; those of a group without a share take nothing', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    nodes('a----b--|', { a: [node('u'), node('w', 'other'), c], b: [node('w', 'other')] }).pipe(splitByWeight(weights));
    picks('-km---km|', keys);
    expectPicks('-uc---00|');
  });

  marble('within a group another balancer may pick', ({ nodes, picks, expectPicks }) => {
    nodes('a-----|', { a: [s, t, c] }).pipe(splitByWeight({ stable: 1 }, { balancer: consistentHash() }));
    picks('-kkkk-|', keys);
    expectPicks('-ssss-|');
  });

  lifecycle(() => splitByWeight({ stable: 90, canary: 10 }));
});
