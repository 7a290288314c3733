import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { createNode, type NodeInit } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

const node = (id: string, init: NodeInit = {}) => createNode({ ...init, id, address: `${id}.example:50051` });
const reads = { name: 'task ocr', test: (n: { tags: Readonly<Record<string, string>> }) => 'ocr' in n.tags };

describe('leastLoaded', () => {
  marble('the node whose call ends takes the next', ({ nodes, picks, expectPicks }) => {
    nodes('a---------|', { a: [node('x'), node('y'), node('z')] }).pipe(leastLoaded());
    picks('-p-p-p-ep-|', { e: { end: 'y' } });
    expectPicks('-x-y-z-yy-|');
  });

  marble('equals take turns, the one that waited longest first', ({ nodes, picks, expectPicks }) => {
    nodes('a---------|', { a: [node('x'), node('y')] }).pipe(leastLoaded());
    picks('-pe-pf-pe-|', { e: { end: 'x' }, f: { end: 'y' } });
    expectPicks('-xx-yy-xx-|');
  });

  marble('a node that comes new is filled up first', ({ nodes, picks, expectPicks }) => {
    const [x, y] = [node('x'), node('y')];
    nodes('a-----b----|', { a: [x], b: [x, y] }).pipe(leastLoaded());
    picks('-p-p---pppp|');
    expectPicks('-x-x---yyxy|');
  });

  marble('a node of weight 2 carries twice as many', ({ nodes, picks, expectPicks }) => {
    nodes('a------|', { a: [node('x'), node('y', { weight: 2 })] }).pipe(leastLoaded());
    picks('-pppppp|');
    expectPicks('-yxyyxy|');
  });

  marble('what a node reports as queued counts like calls in flight', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [node('x', { load: { queue: 2 } }), node('y')] }).pipe(leastLoaded());
    picks('-pppp|');
    expectPicks('-yyxy|');
  });

  marble('our own calls in a report are not counted twice', ({ nodes, picks, expectPicks }) => {
    const [x, y] = [node('x'), node('y')];
    const reported = { ...x, load: { inFlight: 2 } };
    nodes('a----b----|', { a: [x, y], b: [reported, y] }).pipe(leastLoaded());
    picks('-pppp-pp--|');
    expectPicks('-xyxy-xy--|');
  });

  marble('a full processor counts as twice as busy', ({ nodes, picks, expectPicks }) => {
    nodes('a-----|', { a: [node('x', { load: { cpu: 1, memory: 0.2 } }), node('y')] }).pipe(leastLoaded());
    picks('-pppp-|');
    expectPicks('-yxyy-|');
  });

  marble('calls with a requirement weigh on the others, too', ({ nodes, picks, expectPicks }) => {
    nodes('a------|', { a: [node('x', { tags: { ocr: '' } }), node('y')] }).pipe(leastLoaded());
    picks('-prrpp-|', { r: { requires: reads } });
    expectPicks('-xxxyy-|');
  });

  marble('a node that fails at once looks idle, but is charged for it', ({ nodes, picks, expectPicks }) => {
    nodes('a---------|', { a: [node('x'), node('y')] }).pipe(leastLoaded());
    picks('-pfpepepp-|', { f: { end: 'x', failed: true }, e: { end: 'y' } });
    expectPicks('-xxyyyyyx-|');
  });

  marble('a node that was tried is passed over, and is as free as before for the next', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    nodes('a----|', { a: [node('x'), node('y'), node('z')] }).pipe(leastLoaded());
    picks('-tpp-|', { t: { exclude: new Set(['x', 'y']) } });
    expectPicks('-zxy-|');
  });

  marble('a random start falls anywhere', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [node('x'), node('y'), node('z')] }).pipe(leastLoaded({ random: () => 0.5 }));
    picks('-ppp-|');
    expectPicks('-yzx-|');
  });

  lifecycle(leastLoaded);
});
