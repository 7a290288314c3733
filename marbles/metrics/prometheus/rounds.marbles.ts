import { defer, NEVER, of } from 'rxjs';
import { rounds } from '../../../src/metrics/prometheus/rounds.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';

/** 1, 2, 4, 8, … */
const doubling = (retry: number) => 2 ** (retry - 1);

/** One round after the other, the last again and again; with the failures as `wait:error`. */
function drawn(m: MarbleHelpers, ...diagrams: readonly string[]) {
  const told: string[] = [];
  let next = 0;
  const round$ = defer(() => m.cold(diagrams[Math.min(next++, diagrams.length - 1)]!));
  const rounds$ = rounds(round$, {
    ...{ intervalMs: 3, backoff: doubling, scheduler: m.scheduler, random: () => 0.5 },
    failed: (thrown, retryInMs) => told.push(`${retryInMs}:${String(thrown)}`),
  });
  return { rounds$, told };
}

const failed = { u: undefined, a: 'a', b: 'b' };

describe('rounds', () => {
  marble('begin at once, and again when the interval after their end is over', (m) => {
    m.expectObservable(drawn(m, '-a|', 'b|').rounds$, '12ms !').toBe('-a---b---b---');
  });

  marble('that fail are told, and follow each other later and later', (m) => {
    const { rounds$, told } = drawn(m, '#', '#', '#', 'a|');
    m.expectObservable(rounds$, '10ms !').toBe('uu-u---a---', failed);
    m.flush();
    expect(told).toEqual(['1:error', '2:error', '4:error']);
  });

  marble('come as usual again after a success, and the next failure is a first one', (m) => {
    const { rounds$, told } = drawn(m, '#', '#', 'a|', '#', 'b|');
    m.expectObservable(rounds$, '10ms !').toBe('uu-a---ub--', failed);
    m.flush();
    expect(told).toEqual(['1:error', '2:error', '1:error']);
  });

  marble('that emitted before they failed have failed all the same', (m) => {
    const { rounds$, told } = drawn(m, 'a#', 'b|');
    m.expectObservable(rounds$, '4ms !').toBe('aub--', failed);
    m.flush();
    expect(told).toEqual(['1:error']);
  });

  marble('that say nothing count as done', (m) => {
    m.expectObservable(drawn(m, '|', 'a|').rounds$, '4ms !').toBe('---a-');
  });

  marble('that do not end are waited for', (m) => {
    const rounds$ = rounds(NEVER, {
      ...{ intervalMs: 3, backoff: doubling, scheduler: m.scheduler, random: () => 0.5, failed: () => undefined },
    });
    m.expectObservable(rounds$, '9ms !').toBe('----------');
  });

  marble('end with who listens, and with them the one that runs', (m) => {
    const round$ = m.cold('--a|');
    const rounds$ = rounds(round$, {
      ...{ intervalMs: 3, backoff: doubling, scheduler: m.scheduler, random: () => 0.5, failed: () => undefined },
    });
    m.expectObservable(rounds$, '-------!').toBe('--a-----');
    m.expectSubscriptions(round$.subscriptions).toBe(['^--!', '------^!']);
  });

  marble('of two who listen are their own', (m) => {
    const seen = rounds(of('a'), {
      ...{ intervalMs: 3, backoff: doubling, scheduler: m.scheduler, random: () => 0.5, failed: () => undefined },
    });
    m.expectObservable(seen, '5ms !').toBe('a--a--');
    m.expectObservable(seen, '-^---!').toBe('-a--a');
  });
});
