import { concat, NEVER, of, range, take, throwError, timer, ignoreElements, type Observable } from 'rxjs';
import { createCircuitBreaker, type CreateCircuitBreakerOptions } from '../../src/call/createCircuitBreaker.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const down = new Error('down');
const open = new FleetError(
  'CIRCUIT_OPEN',
  'the circuit breaker of source is open: 2 failures in a row, the last: down',
  {
    sent: false,
  },
);
const halfOpen = new FleetError(
  'CIRCUIT_OPEN',
  'the circuit breaker of source is half-open: its probes are under way',
  {
    sent: false,
  },
);

function breakerOf(m: MarbleHelpers, options: CreateCircuitBreakerOptions = {}) {
  const breaker = createCircuitBreaker({
    ...{ scheduler: m.scheduler, consecutiveFailures: 2, cooldownMs: 10, jitter: 0 },
    ...options,
  });
  const at = (source: Observable<string>, begin: string, expected: string, error?: unknown) =>
    m.expectObservable(breaker.protect(source), begin).toBe(expected, undefined, error);
  const names = { c: 'closed', o: 'open', h: 'halfOpen' };
  const expectStates = (expected: string, until = '^ 49ms !') =>
    m.expectObservable(breaker.state$, until).toBe(expected, names);
  return { breaker, at, expectStates };
}

describe('createCircuitBreaker', () => {
  marble('a source that failed so often is not subscribed to for a while; then once, to see', (m) => {
    const { at, expectStates } = breakerOf(m);
    const bad = m.cold('-#', undefined, down);
    const good = m.cold('--a|');
    at(bad, '^', '-#', down);
    at(bad, '--^', '---#', down);
    at(good, '-----^', '-----#', open);
    at(good, '14ms ^', '14ms --a|');
    at(good, '15ms ^', '15ms #', halfOpen);
    at(good, '17ms ^', '17ms --a|');
    expectStates('c--o 9ms h--c');
    m.expectSubscriptions(good.subscriptions).toBe(['14ms ^--!', '17ms ^--!']);
  });

  marble('values, the end and unsubscribing pass as they are', (m) => {
    const { breaker } = breakerOf(m);
    const source = m.cold('a-b-c|');
    m.expectObservable(source.pipe(breaker.protect)).toBe('a-b-c|');
    m.expectObservable(source.pipe(breaker.protect), '^--!').toBe('a-b');
    m.expectObservable(breaker.protect(m.cold('|'))).toBe('|');
    m.expectObservable(breaker.protect(m.cold('-')), '^ 20ms !').toBe('-');
    m.expectSubscriptions(source.subscriptions).toBe(['^----!', '^--!']);
  });

  marble('each subscription is asked for on its own, so that a retry finds it open', (m) => {
    const { breaker, expectStates } = breakerOf(m);
    const bad = m.cold('#', undefined, down);
    const protectedSource = breaker.protect(bad);
    for (const ms of [0, 1]) m.expectObservable(protectedSource, `${ms}ms ^`).toBe(`${ms}ms #`, undefined, down);
    m.expectObservable(protectedSource, '--^').toBe('--#', undefined, open);
    expectStates('co 9ms h');
  });

  marble('one that is left before it said anything counts for nothing; after a value it was a success', (m) => {
    const { at, expectStates } = breakerOf(m);
    const bad = m.cold('#', undefined, down);
    at(bad, '^', '#', down);
    at(m.cold('-'), '-^-!', '-');
    at(m.cold('a-a-a').pipe(take(1)), '----^', '----(a|)');
    at(bad, '-----^', '-----#', down);
    at(m.cold('a-#', undefined, down), '------^', '------a-#', down);
    expectStates('c-------o 9ms h');
  });

  marble('take(1) of an endless synchronous source ends, and is a success', (m) => {
    const { breaker, expectStates } = breakerOf(m, { consecutiveFailures: 1 });
    m.expectObservable(breaker.protect(range(0, Infinity)).pipe(take(1))).toBe('(a|)', { a: 0 });
    expectStates('c');
  });

  marble('a probe counts at its first value, and gives its place back when it is left or never speaks', (m) => {
    const { at, expectStates } = breakerOf(m, { halfOpen: { probeTimeoutMs: 20 } });
    const bad = m.cold('#', undefined, down);
    at(bad, '^', '#', down);
    at(bad, '-^', '-#', down);
    at(NEVER as Observable<string>, '12ms ^---!', '12ms -');
    at(NEVER as Observable<string>, '17ms ^ 60ms !', '17ms -');
    at(concat(of('a'), NEVER), '58ms ^ 9ms !', '58ms a');
    expectStates('co 9ms h 25ms o 19ms hc', '^ 70ms !');
  });

  marble('a value that takes too long is a failure', (m) => {
    const { at, expectStates } = breakerOf(m, { slowCallMs: 3 });
    at(m.cold('----a|'), '^', '----a|');
    at(m.cold('----a-------|'), '^', '----a-------|');
    expectStates('c 11ms o 9ms h');
  });

  marble('which errors are failures may be said; the fault of a request is none', (m) => {
    const missing = new FleetError('NOT_FOUND', 'no such thing');
    const usual = breakerOf(m);
    for (const ms of [0, 1, 2]) usual.at(m.cold('#', undefined, missing), `${ms}ms ^`, `${ms}ms #`, missing);
    usual.expectStates('c');
    const own = breakerOf(m, { countsAsFailure: (error) => error === missing });
    for (const ms of [0, 1]) own.at(m.cold('#', undefined, down), `${ms}ms ^`, `${ms}ms #`, down);
    for (const ms of [2, 3]) own.at(m.cold('#', undefined, missing), `${ms}ms ^`, `${ms}ms #`, missing);
    own.expectStates('c--o 9ms h');
    const throwing = breakerOf(m, {
      countsAsFailure: () => {
        throw new Error('no idea');
      },
    });
    for (const ms of [0, 1]) throwing.at(m.cold('#', undefined, down), `${ms}ms ^`, `${ms}ms #`, down);
    throwing.expectStates('co 9ms h');
  });

  marble('who acts upon a state is told of the next one after all others have heard of this one', (m) => {
    const { breaker, at } = breakerOf(m);
    const bad = m.cold('#', undefined, down);
    breaker.state$.subscribe((state) => {
      if (state === 'halfOpen' && m.scheduler.now() < 20)
        breaker.protect(throwError(() => down)).subscribe({ error: () => undefined });
    });
    const heard: string[] = [];
    breaker.state$.subscribe((state) => heard.push(state));
    for (const ms of [0, 1]) at(bad, `${ms}ms ^`, `${ms}ms #`, down);
    m.expectObservable(timer(40, m.scheduler).pipe(ignoreElements())).toBe('40ms |');
    m.flush();
    expect(heard).toEqual(['closed', 'open', 'halfOpen', 'open', 'halfOpen']);
  });

  marble('closed for good it refuses everything, ends its states, and holds no timer', (m) => {
    const { breaker, at, expectStates } = breakerOf(m, { name: 'the price list' });
    const bad = m.cold('#', undefined, down);
    for (const ms of [0, 1]) at(bad, `${ms}ms ^`, `${ms}ms #`, down);
    m.cold('---x').subscribe(() => breaker[Symbol.dispose]());
    const closed = new FleetError('CLOSED', 'the circuit breaker of the price list was closed', { sent: false });
    at(bad, '-----^', '-----#', closed);
    expectStates('co-|');
    m.flush();
    expect(m.scheduler.actions.length).toBe(0);
  });
});
