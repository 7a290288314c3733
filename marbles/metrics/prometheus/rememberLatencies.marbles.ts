import { map } from 'rxjs';
import { rememberLatencies } from '../../../src/metrics/prometheus/rememberLatencies.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';

const rounds = {
  a: new Map(Object.entries({ x: 1, y: 2 })),
  b: new Map(Object.entries({ y: 3 })),
  n: new Map<string, number>(),
  u: undefined,
};

/** The latencies as text: `x1 y2`. */
const told = (m: MarbleHelpers, diagram: string, keepMs = 5) =>
  m.hot(diagram, rounds).pipe(
    rememberLatencies(keepMs, m.scheduler),
    map((latencies) => [...latencies].map(([node, ms]) => `${node}${ms}`).join(' ')),
  );
const both = 'x1 y2';
const newer = 'x1 y3';

describe('rememberLatencies', () => {
  marble('keeps what an answer lacks, until it is too old', (m) => {
    m.expectObservable(told(m, 'a--b--b--b-')).toBe('A--B--C--C-', { A: both, B: newer, C: 'y3' });
  });

  marble('is silent while there is no answer, until something is to be forgotten', (m) => {
    m.expectObservable(told(m, 'a--b--u--u--u')).toBe('A--B--C--D---', { A: both, B: newer, C: 'y3', D: '' });
  });

  marble('is silent before the first answer', (m) => {
    m.expectObservable(told(m, 'u--u--a-')).toBe('------A-', { A: both });
  });

  marble('says so when nothing is known', (m) => {
    m.expectObservable(told(m, 'n--a-')).toBe('N--A-', { N: '', A: both });
  });

  marble('keeps for ever what is to be kept for ever', (m) => {
    m.expectObservable(told(m, 'a 99ms b-', Infinity)).toBe('A 99ms B-', { A: both, B: newer });
  });

  marble('ends as its source does, and with who listens', (m) => {
    m.expectObservable(told(m, 'a--|')).toBe('A--|', { A: both });
    m.expectObservable(told(m, 'a--#')).toBe('A--#', { A: both });
    m.expectObservable(told(m, 'a--b'), '--!').toBe('A--', { A: both });
    m.expectObservable(told(m, '-')).toBe('-');
    m.expectObservable(told(m, '|')).toBe('|');
  });
});
