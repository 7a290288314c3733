import { of, throwError } from 'rxjs';
import { fastestResponse } from '../../src/balancer/fastestResponse.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble } from '../../src/testing/marble.js';
import { chances } from './chances.js';
import { lifecycle } from './lifecycle.js';

const fresh = () => ['x', 'y'].map((id) => createNode({ id, address: `${id}.example:50051` }));
const told = (x: number, y: number) => new Map([...Object.entries({ x, y })]);
/** Of the first, the first interval; then columns 0, 1, 1 of two: the last two, a tenth and six tenths of the way. */
const drawn = () => chances(0, 0.1, 0.55, 0.8);

describe('fastestResponse', () => {
  marble('a node that is three times as fast gets three of four calls', (helpers) => {
    const { nodes, picks, expectPicks, scheduler } = helpers;
    const latencies$ = of(told(10, 30));
    nodes('a---|', { a: fresh() }).pipe(fastestResponse({ latencies$, random: drawn(), scheduler }));
    picks('-ppp|');
    expectPicks('-xyx|');
  });

  marble('addresses name nodes, too', ({ nodes, picks, expectPicks, scheduler }) => {
    const latencies$ = of(new Map([['x.example:50051', 10], ['y.example:50051', 30]])); // prettier-ignore
    nodes('a---|', { a: fresh() }).pipe(fastestResponse({ latencies$, random: drawn(), scheduler }));
    picks('-ppp|');
    expectPicks('-xyx|');
  });

  marble('what is no latency tells nothing: all nodes have equal shares', (helpers) => {
    const { nodes, picks, expectPicks, scheduler } = helpers;
    const latencies$ = of(told(NaN, 30));
    nodes('a---|', { a: fresh() }).pipe(fastestResponse({ latencies$, random: drawn(), scheduler }));
    picks('-ppp|');
    expectPicks('-xyy|');
  });

  marble('what is told in the middle of an interval counts from its end on', (helpers) => {
    const { nodes, picks, expectPicks, cold, scheduler } = helpers;
    const latencies$ = cold('--m----------', { m: told(10, 30) });
    const random = chances(0, 0.8, 0.8, 0.8);
    const options = { latencies$, updateIntervalMs: 10, random, scheduler };
    nodes('a-------------|', { a: fresh() }).pipe(fastestResponse(options));
    picks('-p-p-------ep-|', { e: { end: 'y' } });
    expectPicks('-y-y-------yx-|');
  });

  marble('what this client measures counts when nobody tells', (helpers) => {
    const { nodes, picks, expectPicks, scheduler } = helpers;
    const random = chances(0, 0.1, 0.8, 0.8);
    nodes('a-------------|', { a: fresh() }).pipe(fastestResponse({ updateIntervalMs: 10, random, scheduler }));
    picks('-p-p-------efp|', { e: { end: 'x', latencyMs: 10 }, f: { end: 'y', latencyMs: 30 } });
    expectPicks('-x-y-------xyx|');
  });

  marble('a failing node that is drawn is passed over at once', ({ nodes, picks, expectPicks, scheduler }) => {
    nodes('a-------|', { a: fresh() }).pipe(fastestResponse({ random: () => 0, scheduler }));
    picks('-pfpppp-|', { f: { end: 'x', failed: true } });
    expectPicks('-xxyyxy-|');
  });

  marble('a source of latencies that fails leaves the calls alone', ({ nodes, picks, expectPicks, scheduler }) => {
    const latencies$ = throwError(() => new Error('Prometheus is down'));
    nodes('a---|', { a: fresh() }).pipe(fastestResponse({ latencies$, random: drawn(), scheduler }));
    picks('-ppp|');
    expectPicks('-xyy|');
  });

  marble('the source of latencies is left with the nodes, not before', (helpers) => {
    const { cold, expectObservable, expectSubscriptions, scheduler } = helpers;
    const latencies$ = cold('m-m-m-m-m-m-m', { m: told(1, 1) });
    const picker$ = cold('a-a-a|', { a: NodeSet.of(fresh()) }).pipe(fastestResponse({ latencies$, scheduler }));
    expectObservable(picker$, '---^---------!');
    expectObservable(picker$, '^--!');
    expectSubscriptions(latencies$.subscriptions).toBe(['^--!', '---^----!']);
  });

  lifecycle(fastestResponse);
});
