import { consistentHash } from '../../src/balancer/consistentHash.js';
import { priorityFailover } from '../../src/balancer/priorityFailover.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { chances } from './chances.js';
import { lifecycle } from './lifecycle.js';

const node = (id: string, priority: number) =>
  createNode({ id, address: `${id}.example:50051`, metadata: { priority: String(priority) } });
const [w, x, y, z] = [node('w', 0), node('x', 0), node('y', 1), node('z', 1)];
const out = (of: typeof w) => updateNode(of, { health: 'ejected' });
const gone = (of: typeof w) => updateNode(of, { availability: 'unavailable' });

describe('priorityFailover', () => {
  marble('the best priority takes all calls as long as it can bear them', ({ nodes, picks, expectPicks }) => {
    nodes('a------|', { a: [y, w, z, x] }).pipe(priorityFailover());
    picks('-pppp--|');
    expectPicks('-wxwx--|');
  });

  marble('half of it down: it keeps 70 % of the calls, and 30 % go to the next', ({ nodes, picks, expectPicks }) => {
    nodes('a----b-------|', { a: [w, x, y, z], b: [w, out(x), y, z] }).pipe(
      priorityFailover({ random: chances(0.1, 0.3, 0.5, 0.69, 0.71, 0.9) }),
    );
    picks('-pp---pppppp-|');
    expectPicks('-wx---wwwwyz-|');
  });

  marble('all of it gone: everything goes to the next, and comes back', ({ nodes, picks, expectPicks }) => {
    nodes('a---b---a---|', { a: [w, y, z], b: [gone(w), y, z] }).pipe(priorityFailover());
    picks('-pp--pp--pp-|');
    expectPicks('-ww--yz--ww-|');
  });

  marble('a key goes to one node, whoever takes it over', ({ nodes, picks, expectPicks }) => {
    const keys = { k: { key: 'user-1' }, l: { key: 'user-4' } };
    nodes('a----b----a----|', { a: [w, x, y], b: [gone(w), gone(x), y] }).pipe(
      priorityFailover({ balancer: consistentHash() }),
    );
    picks('-klkl-kl---kl--|', keys);
    expectPicks('-xwxw-yy---xw--|');
  });

  marble('a node that was tried gives way to its own priority first, then to the next', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    nodes('a-----|', { a: [w, x, y] }).pipe(priorityFailover());
    picks('-tuvs-|', {
      t: { exclude: new Set(['w']) },
      u: { exclude: new Set(['w', 'x']) },
      v: { exclude: new Set(['w', 'x', 'y']) },
      s: { exclude: new Set(['w', 'x', 'y']), strict: true },
    });
    expectPicks('-xyw0-|');
  });

  marble('too few healthy in all priorities: health is ignored, by the number of nodes', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    nodes('a-------|', { a: [w, out(x), out(y), out(z)] }).pipe(
      priorityFailover({ overprovisioningFactor: 1, panicThreshold: 0.6, random: chances(0.1, 0.2, 0.6, 0.7) }),
    );
    picks('-pppp---|');
    expectPicks('-wxyz---|');
  });

  lifecycle(() => priorityFailover());
});
