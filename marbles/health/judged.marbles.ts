import { judged, type JudgedOptions } from '../../src/health/judged.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { health, verdicts } from './letters.js';

const run = ({ cold }: MarbleHelpers, diagram: string, options?: JudgedOptions) =>
  cold(diagram, verdicts).pipe(judged(options), health());

describe('judged', () => {
  marble('three bad verdicts in a row take a node out, two good ones in again', (helpers) => {
    helpers.expectObservable(run(helpers, 'g-b-b-b-g-g-g')).toBe('s-----n---s--');
  });

  marble('a single slip changes nothing', (helpers) => {
    helpers.expectObservable(run(helpers, 'g-b-b-g-b-b-g')).toBe('s------------');
  });

  marble('a single good verdict does not bring back a node that is out', (helpers) => {
    helpers.expectObservable(run(helpers, 'b-b-b-g-b-g-g')).toBe('----n-------s');
  });

  marble('a node that was never judged is in after one good verdict', (helpers) => {
    helpers.expectObservable(run(helpers, 'b-b-g-')).toBe('----s-');
  });

  marble('what the node itself says counts at once, both ways', (helpers) => {
    helpers.expectObservable(run(helpers, 'G-B-G-B-b-g-g')).toBe('s-n-s-n-----s');
  });

  marble('thresholds of one follow every verdict', (helpers) => {
    helpers.expectObservable(run(helpers, 'g-b-g-b', { failuresOut: 1, successesIn: 1 })).toBe('s-n-s-n');
  });

  marble('no verdict, no health', (helpers) => {
    helpers.expectObservable(run(helpers, '----')).toBe('----');
    helpers.expectObservable(run(helpers, '--|')).toBe('--|');
    helpers.expectObservable(run(helpers, 'g-#')).toBe('s-#');
  });

  marble('unsubscribing leaves the verdicts', ({ cold, expectObservable, expectSubscriptions }) => {
    const verdict$ = cold('g-b-b-b', verdicts);
    expectObservable(verdict$.pipe(judged(), health()), '^--!').toBe('s');
    expectSubscriptions(verdict$.subscriptions).toBe('^--!');
  });
});
