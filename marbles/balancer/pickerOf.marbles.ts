import { map } from 'rxjs';
import type { Balancer } from '../../src/balancer/picker.js';
import { pickerOf } from '../../src/balancer/pickerOf.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

const nearest =
  (zone: string): Balancer =>
  (nodes$) =>
    nodes$.pipe(map((set) => pickerOf(set, (nodes) => nodes.find((n) => n.zone === zone) ?? nodes[0])));

const x = createNode({ id: 'x', address: '10.0.0.1:50051', zone: 'us-1' });
const y = createNode({ id: 'y', address: '10.0.0.2:50051', zone: 'eu-1' });

describe('pickerOf', () => {
  marble('a function of the nodes is a balancer', ({ nodes, picks, expectPicks }) => {
    nodes('a--b--|', { a: [x, y], b: [x] }).pipe(nearest('eu-1'));
    picks('-p--p-|');
    expectPicks('-y--x-|');
  });

  marble('it is offered only nodes that can take the call', ({ nodes, picks, expectPicks }) => {
    const down = updateNode(y, { availability: 'unavailable' });
    nodes('a--b--|', { a: [x, y], b: [x, down] }).pipe(nearest('eu-1'));
    picks('-tv-p-|', { t: { exclude: new Set(['y']) }, v: { exclude: new Set(['x', 'y']) } });
    expectPicks('-xy-x-|');
  });

  marble('it may say nobody', ({ nodes, picks, expectPicks }) => {
    nodes('a--|', { a: [x] }).pipe((nodes$) =>
      nodes$.pipe(map((set) => pickerOf(set, (all) => all.find((n) => n.zone === 'eu-1')))),
    );
    picks('-p-|');
    expectPicks('-0-|');
  });

  lifecycle(() => nearest('eu-1'));
});
