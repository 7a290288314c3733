import { concat, delay, map, of, switchMap } from 'rxjs';
import type { Balancer } from '../../src/balancer/picker.js';
import { pickerOf } from '../../src/balancer/pickerOf.js';
import { randomSubset } from '../../src/balancer/randomSubset.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

const all = 'uvwxy'.split('').map((id) => createNode({ id, address: `${id}.example:50051` }));
const without = (...ids: string[]) => all.filter(({ id }) => !ids.includes(id));
const seed = 52;

describe('randomSubset', () => {
  marble('a node that is down keeps its place, one that is gone gives it to another', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    const down = all.map((node) => (node.id === 'w' ? updateNode(node, { health: 'notServing' }) : node));
    nodes('a---b---c---|', { a: all, b: down, c: without('w') }).pipe(randomSubset(2, { seed }));
    picks('-pp--pp--pp-|');
    expectPicks('-vw--vv--vy-|');
  });

  marble('a node that comes back has its place again', ({ nodes, picks, expectPicks }) => {
    nodes('a---b---a---|', { a: all, b: without('w') }).pipe(randomSubset(2, { seed }));
    picks('-pp--pp--pp-|');
    expectPicks('-vw--vy--vw-|');
  });

  marble('what goes on outside is nothing to it', ({ nodes, picks, expectPicks }) => {
    nodes('a--b--c--|', { a: all, b: without('u'), c: without('u', 'x', 'y') }).pipe(randomSubset(2, { seed }));
    picks('-pp-pp-pp|');
    expectPicks('-vw-vw-vw|');
  });

  marble('nobody of it can take a call: wait while one of it is being dialled, whatever the others are', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    const as = (availability: 'connecting' | 'unavailable') =>
      all.map((node) => ('vw'.includes(node.id) ? updateNode(node, { availability }) : node));
    nodes('a---b---|', { a: as('connecting'), b: as('unavailable') }).pipe(randomSubset(2, { seed }));
    picks('-p---p--|');
    expectPicks('-?---0--|');
  });

  marble('a balancer within that changes its mind by itself is heard', ({ cold, expectObservable }) => {
    // It picks the first of its nodes, and two frames later the last.
    const restless: Balancer = switchMap((set) =>
      concat(of(pickerOf(set, (nodes) => nodes[0])), of(pickerOf(set, (nodes) => nodes.at(-1))).pipe(delay(2))),
    );
    const set$ = cold('a----b----|', { a: NodeSet.of(all), b: NodeSet.of(without('w')) });
    const picked$ = set$.pipe(
      randomSubset(2, { seed, balancer: restless }),
      map((picker) => picker.pick({}).node!.id),
    );
    expectObservable(picked$).toBe('v-w--v-y--|');
  });

  lifecycle(() => randomSubset(20));
});
