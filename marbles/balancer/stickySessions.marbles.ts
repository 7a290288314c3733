import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { randomSubset } from '../../src/balancer/randomSubset.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { stickySessions } from '../../src/balancer/stickySessions.js';
import { createNode, updateNode, type Node } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

/** Nodes of their own for each case, since sessions are placed by load. */
const nodesOf = (ids: string) => ids.split('').map((id) => createNode({ id, address: `${id}.example:50051` }));
const down = (node: Node) => updateNode(node, { health: 'notServing' });
const keys = { k: { key: 'ann' }, l: { key: 'bob' }, m: { key: 'cid' } };
const task = (name: string) => ({ name: `task ${name}`, test: ({ tags }: Node) => name in tags });

describe('stickySessions', () => {
  marble('a session stays where it was placed until its node can take no more calls', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    const [x, y, z] = nodesOf('xyz');
    nodes('a------b-------|', { a: [x!, y!], b: [down(x!), y!, z!] }).pipe(stickySessions());
    picks('-klkl---klkl---|', keys);
    expectPicks('-xyxy---zyzy---|');
  });

  marble('a session that was placed anew does not go back', ({ nodes, picks, expectPicks }) => {
    const [x, y] = nodesOf('xy');
    nodes('a---b---a---|', { a: [x!, y!], b: [y!] }).pipe(stickySessions());
    picks('-kk--kk--kk-|', keys);
    expectPicks('-xx--yy--yy-|');
  });

  marble('nodes that come take new sessions and no old ones', ({ nodes, picks, expectPicks }) => {
    const [x, y, z] = nodesOf('xyz');
    nodes('a---b-----|', { a: [x!, y!], b: [x!, y!, z!] }).pipe(stickySessions());
    picks('-kl--klmm-|', keys);
    expectPicks('-xy--xyzz-|');
  });

  marble('calls without a key are nothing to it', ({ nodes, picks, expectPicks }) => {
    nodes('a-------|', { a: nodesOf('xyz') }).pipe(stickySessions({ balancer: roundRobin() }));
    picks('-kpppkp-|', keys);
    expectPicks('-xyzxxy-|');
  });

  marble('a call that may not go to its node goes elsewhere, and the session follows the answer', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    nodes('a----------|', { a: nodesOf('xyz') }).pipe(stickySessions({ balancer: roundRobin() }));
    picks('-ktkfkteyk-|', {
      ...keys,
      t: { key: 'ann', exclude: new Set(['x']) },
      f: { end: 'y', failed: true },
      e: { end: 'z' },
      y: { end: 'y' },
    });
    // The second try fails too, and changes nothing; the third is answered.
    expectPicks('-xyxyxzzyz-|');
  });

  marble('when everybody was tried the call goes where its session is', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: nodesOf('xyz') }).pipe(stickySessions({ balancer: roundRobin() }));
    picks('-ktu-|', {
      ...keys,
      t: { key: 'ann', exclude: new Set(['x', 'y', 'z']) },
      u: { key: 'ann', exclude: new Set(['x', 'y', 'z']), strict: true },
    });
    expectPicks('-xx0-|');
  });

  marble('calls that its node cannot serve have a session of their own', ({ nodes, picks, expectPicks }) => {
    const [x, y, z] = nodesOf('xyz').map((node, i) =>
      updateNode(node, { tags: [{ ocr: '' }, { llm: '' }, { llm: '' }][i]! }),
    );
    nodes('a--------|', { a: [x!, y!, z!] }).pipe(stickySessions({ balancer: roundRobin() }));
    picks('-kolokol-|', {
      k: keys.k,
      o: { key: 'ann', requires: task('ocr') },
      l: { key: 'ann', requires: task('llm') },
    });
    expectPicks('-xxyxxxy-|');
  });

  marble('a session is over when it was not used for long enough', ({ nodes, picks, expectPicks, scheduler }) => {
    const terms = { balancer: roundRobin(), idleMs: 5, scheduler };
    nodes('a------------------|', { a: nodesOf('xyz') }).pipe(stickySessions(terms));
    // A call in flight keeps it, and its end is a use.
    picks('-k-----e---k-e-----k|', { ...keys, e: { end: 'x' } });
    expectPicks('-x-----x---x-x-----y|');
  });

  marble('the session that was used longest ago gives way', ({ nodes, picks, expectPicks }) => {
    nodes('a--------|', { a: nodesOf('wxyz') }).pipe(stickySessions({ balancer: roundRobin(), maxSessions: 2 }));
    // m takes the place of l, which then takes that of k.
    picks('-klkmlkm-|', keys);
    expectPicks('-wxwyzwx-|');
  });

  marble('a node that leaves the reach of the balancer within gives its sessions up', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    const all = nodesOf('uvwxy');
    const balancer = randomSubset(2, { seed: 52, balancer: leastLoaded() });
    nodes('a---b---|', { a: all, b: all.filter(({ id }) => id !== 'w') }).pipe(stickySessions({ balancer }));
    picks('-klk-kll|', keys);
    expectPicks('-vwv-vyy|');
  });

  lifecycle(stickySessions);
});
