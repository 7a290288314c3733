import { peakEwma } from '../../src/balancer/peakEwma.js';
import { createNode, type NodeInit } from '../../src/core/node.js';
import { marble } from '../../src/testing/marble.js';
import { lifecycle } from './lifecycle.js';

const node = (id: string, init: NodeInit = {}) => createNode({ ...init, id, address: `${id}.example:50051` });
const reads = { name: 'task ocr', test: (n: { tags: Readonly<Record<string, string>> }) => 'ocr' in n.tags };
/** x is drawn first, then y. */
const random = () => 0;

describe('peakEwma', () => {
  marble('a slow answer counts at once, and calls go where they end sooner', (helpers) => {
    const { nodes, picks, expectPicks, scheduler } = helpers;
    nodes('a----------|', { a: [node('x'), node('y')] }).pipe(peakEwma({ random, scheduler }));
    picks('-pepf-pppp-|', { e: { end: 'x', latencyMs: 100 }, f: { end: 'y', latencyMs: 350 } });
    expectPicks('-xxyy-xxxy-|');
  });

  marble('a node of which nothing is known gets one call, and more when that is answered', (helpers) => {
    const { nodes, picks, expectPicks, scheduler } = helpers;
    nodes('a------------|', { a: [node('x'), node('y')] }).pipe(peakEwma({ random, scheduler }));
    picks('-pe-pppp-fpp-|', { e: { end: 'x', latencyMs: 100 }, f: { end: 'y', latencyMs: 100 } });
    expectPicks('-xx-yxxx-yyy-|');
  });

  marble('a slow node without calls is tried again when its slowness has decayed', (helpers) => {
    const { nodes, picks, expectPicks, scheduler } = helpers;
    nodes('a----- 50ms ---|', { a: [node('x'), node('y')] }).pipe(peakEwma({ decayMs: 10, random, scheduler }));
    picks('-pepf- 50ms pep|', { e: { end: 'x', latencyMs: 100 }, f: { end: 'y', latencyMs: 500 } });
    expectPicks('-xxyy- 50ms xxy|');
  });

  marble('a node that leaves a call unanswered does not look better for the time that passes', (helpers) => {
    const { nodes, picks, expectPicks, scheduler } = helpers;
    const given = [node('x'), node('y')];
    nodes('a------- 50ms ----|', { a: given }).pipe(peakEwma({ decayMs: 10, random, scheduler }));
    // y keeps a call of which nothing is heard; x needs 150 ms.
    picks('-pepfppg 50ms pgp-|', {
      e: { end: 'x', latencyMs: 150 },
      f: { end: 'y', latencyMs: 100 },
      g: { end: 'x', latencyMs: 150 },
    });
    expectPicks('-xxyyyxx 50ms xxx-|');
  });

  marble('a failure counts as slow though it comes at once', ({ nodes, picks, expectPicks, scheduler }) => {
    nodes('a----------|', { a: [node('x'), node('y')] }).pipe(peakEwma({ random, scheduler }));
    picks('-pfpepppp--|', { f: { end: 'x', failed: true }, e: { end: 'y', latencyMs: 1_000 } });
    expectPicks('-xxyyyyyx--|');
  });

  marble('a node that nobody picked for a second is picked, though it is slow', (helpers) => {
    const { nodes, picks, expectPicks, scheduler } = helpers;
    nodes('a----- 500ms -- 500ms ---|', { a: [node('x'), node('y')] }).pipe(peakEwma({ random, scheduler }));
    picks('-pepf- 500ms pe 500ms pep|', { e: { end: 'x', latencyMs: 1 }, f: { end: 'y', latencyMs: 500 } });
    expectPicks('-xxyy- 500ms xx 500ms xxy|');
  });

  marble('what calls with a requirement tell of a node counts for all', ({ nodes, picks, expectPicks, scheduler }) => {
    const given = [node('x', { tags: { ocr: '' } }), node('y')];
    nodes('a-------|', { a: given }).pipe(peakEwma({ random, scheduler }));
    picks('-perfpp-|', {
      r: { requires: reads },
      e: { end: 'x', latencyMs: 10 },
      f: { end: 'x', latencyMs: 500 },
    });
    expectPicks('-xxxxyx-|');
  });

  marble('what is known of a node survives the sets, though it was gone from one', (helpers) => {
    const { nodes, picks, expectPicks, scheduler } = helpers;
    const [x, y] = [node('x'), node('y')];
    nodes('a----b-a-b|', { a: [x, y], b: [y] }).pipe(peakEwma({ random, scheduler }));
    picks('-pepf-p-pp|', { e: { end: 'x', latencyMs: 500 }, f: { end: 'y', latencyMs: 10 } });
    expectPicks('-xxyy-y-yy|');
  });

  marble('a node of weight 2 carries two calls where others carry one', (helpers) => {
    const { nodes, picks, expectPicks, scheduler } = helpers;
    nodes('a------|', { a: [node('x', { weight: 2 }), node('y')] }).pipe(peakEwma({ random, scheduler }));
    picks('-pppppp|');
    expectPicks('-xyxxyx|');
  });

  lifecycle(peakEwma);
});
