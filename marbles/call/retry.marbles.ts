import { defer, type Observable } from 'rxjs';
import { Call, type CallOptions } from '../../src/call/call.js';
import type { Handler } from '../../src/call/middleware.js';
import { retry } from '../../src/call/retry.js';
import { FleetError } from '../../src/core/fleetError.js';
import { retryBudget, type RetryBudget } from '../../src/core/retryBudget.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const down = new FleetError('UNAVAILABLE', 'down');
const refused = new FleetError('UNAVAILABLE', 'refused', { sent: false });
const broken = new FleetError('INTERNAL', 'broken');

interface Setting extends CallOptions {
  readonly idempotent?: boolean;
  readonly budget?: RetryBudget;
  /** A node has failed already. */
  readonly tried?: boolean;
}

/** The call whose attempts are the given sources in turn; waits are 2, 4, 8 … ms, without jitter. */
function attempts({ scheduler }: MarbleHelpers, sources: readonly Observable<string>[], setting: Setting = {}) {
  const { idempotent = true, tried = false, budget = retryBudget({ scheduler }), ...options } = setting;
  let next = 0;
  const handler = retry({ budget, scheduler, random: () => 0.5 })((() =>
    defer(() => sources[next++]!)) as unknown as Handler<unknown>);
  const call = new Call<unknown, string>({
    name: 'call',
    run: () => null as never,
    options: { ...options, retry: options.retry ?? { initialBackoffMs: 2, maxAttempts: 3 } },
    single: false,
    idempotent,
    startedAt: 0,
    demand: undefined,
  });
  if (tried) call.failed({ node: 'x', address: 'x:1', code: 'UNAVAILABLE', message: 'down', durationMs: 0 });
  return handler(call);
}

describe('retry', () => {
  marble('a failed attempt is followed by another after the backoff', (m) => {
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

  marble('a stream that has spoken is not repeated: no token comes twice', (m) => {
    const second = m.cold('x|');
    m.expectObservable(attempts(m, [m.cold('a-#', undefined, down), second])).toBe('a-#', undefined, down);
    m.expectSubscriptions(second.subscriptions).toBe([]);
  });

  marble('a code that another try cannot mend passes at once', (m) => {
    m.expectObservable(attempts(m, [m.cold('-#', undefined, broken), m.cold('x|')])).toBe('-#', undefined, broken);
  });

  marble('the attempts end where maxAttempts says, with the last error', (m) => {
    const dead = () => m.cold('#', undefined, down);
    m.expectObservable(attempts(m, [dead(), dead(), dead(), m.cold('x|')])).toBe('------#', undefined, down);
  });

  marble('a method that is not idempotent is not repeated once it was sent', (m) => {
    const first = m.cold('-#', undefined, down);
    m.expectObservable(attempts(m, [first, m.cold('x|')], { idempotent: false })).toBe('-#', undefined, down);
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
    m.expectObservable(attempts(m, [dead(), m.cold('x|')], { failover: false })).toBe('#', undefined, refused);
    m.expectObservable(attempts(m, [dead(), m.cold('x|')], { retry: false })).toBe('#', undefined, refused);
  });

  marble('a wait that would pass the deadline is not begun', (m) => {
    const first = m.cold('---#', undefined, down);
    m.expectObservable(attempts(m, [first, m.cold('x|')], { deadlineMs: 5 })).toBe('---#', undefined, down);
  });

  marble('an exhausted budget lets the error pass', (m) => {
    const budget = retryBudget({ scheduler: m.scheduler, ratio: 0, minPerSecond: 0 });
    m.expectObservable(attempts(m, [m.cold('#', undefined, down), m.cold('x|')], { budget })).toBe(
      '#',
      undefined,
      down,
    );
  });

  marble('when nobody is left to try, the error is what the last node said', (m) => {
    const nobody = new FleetError('NO_NODES', 'nobody', { sent: false });
    const first = defer(() => m.cold('#', undefined, down));
    const none = m.cold('#', undefined, nobody);
    m.expectObservable(attempts(m, [first, none, none], { tried: true })).toBe('------#', undefined, down);
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
});
