/** When the network is asked. */

import { querySchedule } from '../../../src/discovery/mdns/querySchedule.js';
import { marble } from '../../../src/testing/marble.js';

const times = { initialIntervalMs: 10, maxIntervalMs: 40, random: () => 0 };

describe('querySchedule', () => {
  marble('asks soon, then after waits that double, and never more seldom than the longest wait', (m) => {
    const asked$ = querySchedule({ ...times, scheduler: m.scheduler });
    m.expectObservable(asked$, '^ 140ms !').toBe('20ms a 9ms b 19ms c 39ms d 39ms e', { a: 0, b: 1, c: 2, d: 3, e: 4 });
  });

  marble('spreads the first question over 100 ms, so that clients that start together do not ask together', (m) => {
    const asked$ = querySchedule({ ...times, random: () => 0.5, scheduler: m.scheduler });
    m.expectObservable(asked$, '^ 75ms !').toBe('70ms a', { a: 0 });
  });

  marble('asks nothing when it is left before the first question', (m) => {
    const asked$ = querySchedule({ ...times, scheduler: m.scheduler });
    m.expectObservable(asked$, '^ 10ms !').toBe('-');
  });

  marble('starts afresh for each subscriber', (m) => {
    const asked$ = querySchedule({ ...times, scheduler: m.scheduler });
    m.expectObservable(asked$, '^ 25ms !').toBe('20ms a', { a: 0 });
    m.expectObservable(asked$, '5ms ^ 25ms !').toBe('25ms a', { a: 0 });
  });
});
