import type { Observable } from 'rxjs';
import { continuationOf } from '../../src/call/resume.js';
import { FleetError } from '../../src/core/fleetError.js';
import { retryBudget } from '../../src/core/retryBudget.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnClient, failedAt, type DrawnCallOptions } from './drawnClient.js';

const down = new FleetError('UNAVAILABLE', 'down');
const refused = new FleetError('UNAVAILABLE', 'refused', { sent: false });
const broken = new FleetError('INTERNAL', 'broken');
const pushedBack = (ms: string) =>
  new FleetError('UNAVAILABLE', 'down', { trailers: { 'grpc-retry-pushback-ms': ms } });

/** A call whose attempts, on x, y, z in turn, are the given sources; waits are 2, 4, 8 … ms, without jitter. */
function attempts(m: MarbleHelpers, sources: readonly Observable<string>[], options: DrawnCallOptions = {}) {
  const [x, y, z] = ['x', 'y', 'z'];
  const answers = Object.fromEntries(sources.slice(0, 3).map((source, i) => [[x, y, z][i]!, source]));
  return drawnClient(m, answers).call(options);
}

describe('retry', () => {
  marble('a failed attempt is followed by another, on another node, after the backoff', (m) => {
    const first = m.cold('-#', undefined, down);
    const second = m.cold('-a-b|');
    m.expectObservable(attempts(m, [first, second])).toBe('----a-b|');
    m.expectSubscriptions(first.subscriptions).toBe('^!');
    m.expectSubscriptions(second.subscriptions).toBe('---^---!');
  });

  marble('each wait is twice the one before', (m) => {
    const third = m.cold('a|');
    m.expectObservable(attempts(m, [m.cold('#', undefined, down), m.cold('#', undefined, down), third])).toBe(
      '------a|',
    );
  });

  marble('a request that never left goes to the next node at once', (m) => {
    m.expectObservable(attempts(m, [m.cold('#', undefined, refused), m.cold('a|')])).toBe('a|');
  });

  marble('one that never left does not count for maxAttempts', (m) => {
    const retry = { maxAttempts: 1 };
    m.expectObservable(attempts(m, [m.cold('#', undefined, refused), m.cold('a|')], { retry })).toBe('a|');
  });

  marble('a request that never left is repeated whatever the codes, for any method, once', (m) => {
    const options = { retry: { retryableCodes: ['RESOURCE_EXHAUSTED'] as const }, idempotent: false };
    const unsent = () => m.cold('#', undefined, refused);
    m.expectObservable(attempts(m, [unsent(), m.cold('a|')], options)).toBe('a|');
    m.expectObservable(attempts(m, [unsent(), m.cold('#', undefined, broken), m.cold('x|')], options)).toBe(
      '#',
      undefined,
      broken.with({ attempts: [...failedAt(refused, ['x', 0]).attempts, ...failedAt(broken, ['y', 0]).attempts] }),
    );
  });

  marble('a request that its own client finds too long is not', (m) => {
    const tooLong = new FleetError('RESOURCE_EXHAUSTED', 'too long', { sent: false });
    m.expectObservable(attempts(m, [m.cold('#', undefined, tooLong), m.cold('x|')])).toBe(
      '#',
      undefined,
      failedAt(tooLong, ['x', 0]),
    );
  });

  marble('a node that is too late with its first answer is passed over whatever the codes, where that is safe', (m) => {
    const options = { retry: { retryableCodes: ['ABORTED'] as const, initialBackoffMs: 2 }, firstResponseTimeoutMs: 3 };
    m.expectObservable(attempts(m, [m.cold('-'), m.cold('a|')], options)).toBe('-----a|');
    const late = new FleetError('UNAVAILABLE', 'no response within 3 ms (firstResponseTimeoutMs)');
    m.expectObservable(attempts(m, [m.cold('-'), m.cold('x|')], { ...options, idempotent: false })).toBe(
      '---#',
      undefined,
      failedAt(late, ['x', 3]),
    );
  });

  marble('a stream that has spoken is not repeated: no token comes twice', (m) => {
    const second = m.cold('x|');
    m.expectObservable(attempts(m, [m.cold('a-#', undefined, down), second])).toBe(
      'a-#',
      undefined,
      failedAt(down, ['x', 2]),
    );
    m.expectSubscriptions(second.subscriptions).toBe([]);
  });

  marble('a code that another try cannot mend passes at once', (m) => {
    m.expectObservable(attempts(m, [m.cold('-#', undefined, broken), m.cold('x|')])).toBe(
      '-#',
      undefined,
      failedAt(broken, ['x', 1]),
    );
  });

  marble('the attempts end where maxAttempts says, with the last error', (m) => {
    const dead = () => m.cold('#', undefined, down);
    m.expectObservable(attempts(m, [dead(), dead(), dead()])).toBe(
      '------#',
      undefined,
      failedAt(down, ['x', 0], ['y', 0], ['z', 0]),
    );
  });

  marble('a method that is not idempotent is not repeated once it was sent', (m) => {
    const first = m.cold('-#', undefined, down);
    m.expectObservable(attempts(m, [first, m.cold('x|')], { idempotent: false })).toBe(
      '-#',
      undefined,
      failedAt(down, ['x', 1]),
    );
  });

  marble('a method that is not idempotent is repeated when it surely never arrived', (m) => {
    m.expectObservable(attempts(m, [m.cold('#', undefined, refused), m.cold('a|')], { idempotent: false })).toBe('a|');
  });

  marble('failover: true repeats also what may have run', (m) => {
    const first = m.cold('-#', undefined, down);
    m.expectObservable(attempts(m, [first, m.cold('a|')], { idempotent: false, failover: true })).toBe('---a|');
  });

  marble('failover: false and retry: false repeat nothing', (m) => {
    const dead = () => m.cold('#', undefined, refused);
    const error = failedAt(refused, ['x', 0]);
    m.expectObservable(attempts(m, [dead(), m.cold('x|')], { failover: false })).toBe('#', undefined, error);
    m.expectObservable(attempts(m, [dead(), m.cold('x|')], { retry: false })).toBe('#', undefined, error);
  });

  marble('a wait that would pass the deadline is not begun', (m) => {
    const first = m.cold('---#', undefined, down);
    m.expectObservable(attempts(m, [first, m.cold('x|')], { deadlineMs: 5 })).toBe(
      '---#',
      undefined,
      failedAt(down, ['x', 3]),
    );
  });

  marble('a node that says how long to wait is waited for so long', (m) => {
    m.expectObservable(attempts(m, [m.cold('#', undefined, pushedBack('5')), m.cold('a|')])).toBe('-----a|');
  });

  marble('after a wait that a node asked for, the backoff begins anew', (m) => {
    const fails = (error: FleetError) => m.cold('#', undefined, error);
    const answers = [fails(down), fails(down), fails(pushedBack('1')), fails(down), m.cold('a|')];
    const { call } = drawnClient(m, { x: answers });
    // 2, 4, 1, and 2 again, where it would be 16.
    m.expectObservable(call({ retry: { initialBackoffMs: 2, maxAttempts: 5 } })).toBe('---------a|');
  });

  marble('a node that asks for no more is left alone', (m) => {
    for (const ms of ['-1', 'soon', '']) {
      const error = pushedBack(ms);
      m.expectObservable(attempts(m, [m.cold('#', undefined, error), m.cold('a|')])).toBe(
        '#',
        undefined,
        failedAt(error, ['x', 0]),
      );
    }
  });

  marble('each attempt knows how many were before it', (m) => {
    const dead = m.cold('#', undefined, down);
    const client = drawnClient(m, { x: dead, y: m.cold('#', undefined, refused), z: m.cold('a|') });
    m.expectObservable(client.call()).toBe('--a|');
    m.flush();
    expect(client.contexts.map(({ number, previous }) => [number, previous])).toEqual([
      [1, 0],
      [2, 1],
      // The second never reached its node.
      [3, 1],
    ]);
  });

  marble('an exhausted budget lets the error pass', (m) => {
    const budget = retryBudget({ scheduler: m.scheduler, ratio: 0, minPerSecond: 0 });
    const { call } = drawnClient(m, { x: m.cold('#', undefined, down), y: m.cold('a|') }, { budget });
    m.expectObservable(call()).toBe('#', undefined, failedAt(down, ['x', 0]));
  });

  marble('a budget hears what came of each attempt, by the codes that its call goes by', (m) => {
    const heard = (answers: Record<string, Observable<string>>, options: DrawnCallOptions = {}) => {
      const all: (boolean | string | undefined)[] = [];
      const budget = {
        ...retryBudget({ scheduler: m.scheduler }),
        ended: (ok: boolean | undefined) => void all.push(ok),
        wasted: () => void all.push('in vain'),
      };
      drawnClient(m, answers, { budget })
        .call(options)
        .subscribe({ error: () => undefined });
      return all;
    };
    const exhausted = new FleetError('RESOURCE_EXHAUSTED', 'too much');
    const failing = (x: string, y: string, error: FleetError) => ({
      x: m.cold(x, undefined, error),
      y: m.cold(y, undefined, error),
    });
    const steady = { continuity: 'none', begin: () => 0, see: () => 0, next: () => 0, maxResumes: 1 } as const;
    const retried = heard(failing('#', '#', down), { retry: { maxAttempts: 2 } });
    const refusedForGood = heard(failing('#', '#', broken));
    const hedged = heard(failing('---#', '-#', exhausted), {
      hedge: { delayMs: 1, nonFatalCodes: ['RESOURCE_EXHAUSTED'] },
    });
    const resumed = heard(failing('-a#', '#', broken), { continuation: () => continuationOf(steady, 0) });
    m.flush();
    expect(retried).toEqual([false, false, 'in vain']);
    expect(refusedForGood).toEqual([undefined]);
    expect(hedged).toEqual([false, 'in vain', false]);
    expect(resumed).toEqual([true, false, false, 'in vain']);
  });

  marble('a node that was tried is asked again when nobody else is left', (m) => {
    const { call } = drawnClient(m, { x: [m.cold('#', undefined, down), m.cold('a|')] });
    m.expectObservable(call()).toBe('--a|');
  });

  marble('unsubscribing during the wait begins no further attempt', (m) => {
    const second = m.cold('x|');
    m.expectObservable(attempts(m, [m.cold('#', undefined, down), second]), '^!').toBe('-');
    m.expectSubscriptions(second.subscriptions).toBe([]);
  });

  marble('never, empty and endless attempts pass as they are', (m) => {
    m.expectObservable(attempts(m, [m.cold('-')])).toBe('-');
    m.expectObservable(attempts(m, [m.cold('--|')])).toBe('--|');
    m.expectObservable(attempts(m, [m.cold('a-a-a-a')])).toBe('a-a-a-a');
  });

  marble('why a call was not tried again is told', (m) => {
    const reasons = (error: FleetError, options: DrawnCallOptions = {}) => {
      const client = drawnClient(m, { x: m.cold('#', undefined, error), y: m.cold('#', undefined, error) });
      m.expectObservable(client.call(options)).toBe('#', undefined, failedAt(error, ['x', 0]));
      return client.events;
    };
    const refusals = [
      reasons(broken),
      reasons(down, { idempotent: false }),
      reasons(down, { retry: { maxAttempts: 1 } }),
      reasons(pushedBack('-1')),
      reasons(down, { retry: false }),
      reasons(down, { deadlineMs: 1, retry: { initialBackoffMs: 2 } }),
    ];
    m.flush();
    const told = refusals.map((events) => events.find(({ type }) => type === 'retryRefused'));
    expect(told.map((event) => event && 'reason' in event && event.reason)).toEqual([
      'code',
      'unsafe',
      'attempts',
      'pushback',
      'off',
      'deadline',
    ]);
  });
});
