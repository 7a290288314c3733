import {
  catchError,
  distinctUntilChanged,
  map,
  mergeMap,
  of,
  startWith,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { circuitBreaker, type CircuitBreakerOptions } from '../../src/call/circuitBreaker.js';
import type { CircuitBreakerPolicy } from '../../src/call/circuitBreaker/breakerPolicy.js';
import type { Policy } from '../../src/call/policy.js';
import { rateLimit } from '../../src/call/rateLimit.js';
import { createPool, type PoolOptions } from '../../src/client/pool.js';
import { FleetError } from '../../src/core/fleetError.js';
import type { Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnClient, failedAt, node, type Answers, type DrawnCallOptions } from './drawnClient.js';

const down = new FleetError('UNAVAILABLE', 'down');
const missing = new FleetError('NOT_FOUND', 'no such thing');
const once = { retry: false } as const;

/** What a call fails with when nobody else could take it; by the name of the node, why not. */
const circuitOpen = (reasons: Record<string, string>) =>
  new FleetError(
    'CIRCUIT_OPEN',
    `call: no node can take the call. Known are ${Object.entries(reasons)
      .map(([id, reason]) => `${id}: ${reason}`)
      .join('; ')}`,
    { sent: false },
  );
const ejected = 'ejected: 2 failures in a row, the last: UNAVAILABLE';
const underWay = 'circuit half-open: its probes are under way';

/** `c`, `o`, `h`: closed, open, half-open; of the first of the nodes that are not closed. */
const stateOf = ({ states$ }: CircuitBreakerPolicy): Observable<string> =>
  states$.pipe(
    map(([first]) => first?.state[0] ?? 'c'),
    distinctUntilChanged(),
  );

/** Opens after two failures in a row, for 10 ms; then 20. */
const small: CircuitBreakerOptions = { consecutiveFailures: 2, cooldownMs: 10, jitter: 0 };

/** Nodes behind a breaker, and one call after the other to them. */
function broken(m: MarbleHelpers, answers: Record<string, Answers>, options: CircuitBreakerOptions = {}) {
  const breaker = circuitBreaker({ ...small, ...options });
  const client = drawnClient(m, answers, { policies: [breaker] });
  /** A call that begins when the diagram says, and what becomes of it. */
  const call = (begin: string, expected: string, error?: FleetError, more: DrawnCallOptions = once) =>
    m.expectObservable(client.call(more), begin).toBe(expected, undefined, error);
  return { ...client, at: call, breaker, state$: stateOf(breaker) };
}

describe('circuitBreaker', () => {
  marble('a node that failed so often gets no more calls; the others do', (m) => {
    const { at, asked, state$ } = broken(m, { x: m.cold('#', {}, down), y: m.cold('a|') });
    at('^', '#', failedAt(down, ['x', 0]));
    at('-^', '-a|');
    at('--^', '--#', failedAt(down, ['x', 0]));
    for (let i = 3; i < 9; i++) at(`${i}ms ^`, `${i}ms a|`);
    m.expectObservable(state$, '^ 9ms !').toBe('c-o');
    m.flush();
    expect(asked.join(' ')).toBe('x y x y y y y y y');
  });

  marble('a success in between begins the count anew', (m) => {
    const bad = m.cold('#', {}, down);
    const good = m.cold('a|');
    const { at, state$ } = broken(m, { x: [bad, good, bad, bad] });
    at('^', '#', failedAt(down, ['x', 0]));
    at('-^', '-a|');
    at('---^', '---#', failedAt(down, ['x', 0]));
    at('-----^', '-----#', failedAt(down, ['x', 0]));
    m.expectObservable(state$, '^ 9ms !').toBe('c----o');
  });

  marble('where all of them are open a call fails at once, and no node is asked', (m) => {
    const { at, asked } = broken(m, { x: m.cold('#', {}, down), y: m.cold('#', {}, down) });
    for (const [i, id] of ['x', 'y', 'x', 'y'].entries()) at(`${i}ms ^`, `${i}ms #`, failedAt(down, [id, 0]));
    at('-----^', '-----#', circuitOpen({ x: ejected, y: ejected }));
    m.flush();
    expect(asked.join(' ')).toBe('x y x y');
  });

  marble('a fleet of one: refused at once while open, then one call to see, which closes it', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, state$, asked } = broken(m, { x: [bad, bad, m.cold('---a|'), m.cold('a|')] });
    at('^', '#', failedAt(down, ['x', 0]));
    at('-^', '-#', failedAt(down, ['x', 0]));
    at('--^', '--#', circuitOpen({ x: ejected }));
    at('10ms ^', '10ms #', circuitOpen({ x: ejected }));
    at('12ms ^', '12ms ---a|');
    at('13ms ^', '13ms #', circuitOpen({ x: underWay }));
    at('17ms ^', '17ms a|');
    m.expectObservable(state$, '^ 29ms !').toBe('co 9ms h 3ms c');
    m.flush();
    expect(asked.length).toBe(4);
  });

  marble('a probe that fails opens it for longer, up to the longest', (m) => {
    const { at, state$, asked } = broken(m, { x: m.cold('#', {}, down) }, { maxCooldownMs: 25 });
    at('^', '#', failedAt(down, ['x', 0]));
    at('-^', '-#', failedAt(down, ['x', 0]));
    for (const ms of [12, 33, 59]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    m.expectObservable(state$, '^ 70ms !').toBe('co 9ms ho 19ms ho 24ms ho');
    m.flush();
    expect(asked.length).toBe(5);
  });

  marble(
    'where all were shut, the first that is back has the others looked at, or it would have the calls of all',
    (m) => {
      const bad = m.cold('#', {}, down);
      const { at, asked, events } = broken(m, { x: [bad, bad, m.cold('(a|)')], y: [bad, bad, m.cold('(b|)')] });
      const failing = { 0: 'x', 1: 'y', 2: 'x', 6: 'y' };
      for (const [ms, id] of Object.entries(failing)) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, [id, 0]));
      at('13ms ^', '13ms (a|)');
      at('14ms ^', '14ms (a|)');
      at('15ms ^', '15ms (b|)');
      m.flush();
      expect(asked.join(' ')).toBe('x y x y x x y');
      expect(
        events.flatMap((event) => (event.type === 'breakerChanged' ? `${event.at} ${event.node} ${event.to}` : [])),
      ).toEqual(['2 x open', '6 y open', '12 x halfOpen', '13 x closed', '13 y halfOpen', '15 y closed']);
    },
  );

  marble('half-open, calls beyond the probes go to another node, and are not counted as retries', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, asked, meter } = broken(m, { x: [bad, bad, m.cold('9ms a|')], y: m.cold('a|') });
    for (const i of [0, 1, 2])
      at(`${i}ms ^`, `${i}ms ${i === 1 ? 'a|' : '#'}`, i === 1 ? undefined : failedAt(down, ['x', 0]));
    at('14ms ^', '14ms a|');
    at('15ms ^', '15ms 9ms a|');
    at('16ms ^', '16ms a|');
    at('17ms ^', '17ms a|');
    m.flush();
    expect(asked.join(' ')).toBe('x y x y x y y');
    expect(meter.of('call').retries + meter.of('call').failovers).toBe(0);
  });

  marble('no more than the given number of probes run at once, and so many must succeed', (m) => {
    const bad = m.cold('#', {}, down);
    const slow = m.cold('----a|');
    const { at, state$ } = broken(
      m,
      { x: [bad, bad, slow, slow, bad, slow] },
      { halfOpen: { probes: 3, successes: 2 } },
    );
    at('^', '#', failedAt(down, ['x', 0]));
    at('-^', '-#', failedAt(down, ['x', 0]));
    at('12ms ^', '12ms ----a|');
    at('13ms ^', '13ms ----a|');
    at('14ms ^', '14ms #', failedAt(down, ['x', 0]));
    // Two run and one has failed: a fourth would not matter.
    at('15ms ^', '15ms #', circuitOpen({ x: underWay }));
    m.expectObservable(state$, '^ 29ms !').toBe('co 9ms h 5ms c');
  });

  marble('it opens again once the successes that are needed cannot be reached any more', (m) => {
    const bad = m.cold('#', {}, down);
    const options = { halfOpen: { probes: 1, successes: 3 } };
    const { at, state$ } = broken(m, { x: [bad, bad, m.cold('a|'), m.cold('a|'), bad] }, options);
    for (const ms of [0, 1]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    at('12ms ^', '12ms a|');
    at('14ms ^', '14ms a|');
    at('16ms ^', '16ms #', failedAt(down, ['x', 0]));
    m.expectObservable(state$, '^ 19ms !').toBe('co 9ms h 4ms o');
  });

  marble('a probe that never answers gives its place back after probeTimeoutMs, and counts as failed', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, state$ } = broken(m, { x: [bad, bad, m.cold('-')] }, { halfOpen: { probeTimeoutMs: 30 } });
    for (const ms of [0, 1]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    at('12ms ^ 99ms !', '12ms -');
    m.expectObservable(state$, '^ 80ms !').toBe('co 9ms h 30ms o 19ms h');
  });

  marble('a probe that its caller gives up counts for nothing, and the next one may see', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, state$, leases } = broken(m, { x: [bad, bad, m.cold('-'), m.cold('-'), m.cold('a|')] });
    for (const ms of [0, 1]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    at('12ms ^---!', '12ms -');
    at('20ms ^---!', '20ms -');
    at('25ms ^', '25ms a|');
    m.expectObservable(state$, '^ 39ms !').toBe('co 9ms h 13ms c');
    m.flush();
    expect(leases.open).toBe(0);
  });

  marble('a probe that is outrun by a copy of its call counts for nothing, and gives its place back', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, state$, ended } = broken(m, { x: [bad, bad, m.cold('-'), m.cold('a|')], y: m.cold('a|') });
    at('^', '#', failedAt(down, ['x', 0]));
    at('-^', '-a|');
    at('--^', '--#', failedAt(down, ['x', 0]));
    // The one that comes to x does not wait for it.
    const hedged = { ...once, hedge: { delayMs: 3 } };
    at('14ms ^', '14ms a|');
    at('15ms ^', '15ms ---a|', undefined, hedged);
    at('20ms ^', '20ms a|');
    at('21ms ^', '21ms a|');
    m.expectObservable(state$, '^ 39ms !').toBe('c-o 9ms h 7ms c');
    m.flush();
    expect(ended).toContain('x cancelled 3');
  });

  marble('a probe that fails by its own fault counts for nothing, and does not leave the breaker stuck', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, state$ } = broken(m, { x: [bad, bad, m.cold('#', {}, missing), m.cold('a|')] });
    for (const ms of [0, 1]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    at('12ms ^', '12ms #', failedAt(missing, ['x', 0]));
    at('13ms ^', '13ms a|');
    m.expectObservable(state$, '^ 39ms !').toBe('co 9ms h-c');
  });

  marble('a probe on a stream counts at its first answer: nobody waits for the end of a stream', (m) => {
    const bad = m.cold('#', {}, down);
    const endless = m.cold('--a---a---a---a---a---a');
    const { at, state$ } = broken(m, { x: [bad, bad, endless, m.cold('a|')] });
    for (const ms of [0, 1]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    at('12ms ^', '12ms --a---a---a---a---a---a');
    at('16ms ^', '16ms a|');
    m.expectObservable(state$, '^ 39ms !').toBe('co 9ms h--c');
  });

  marble('a stream counts at its end: a node that always breaks off amid the answers is found out', (m) => {
    const breaks = m.cold('a-#', undefined, down);
    const { at, state$ } = broken(m, { x: breaks });
    at('^', 'a-#', failedAt(down, ['x', 2]));
    at('---^', '---a-#', failedAt(down, ['x', 2]));
    m.expectObservable(state$, '^ 9ms !').toBe('c----o');
  });

  marble('a caller who leaves amid the answers was answered: that is a success', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, state$ } = broken(m, { x: [bad, m.cold('a-a-a-a'), bad, bad] });
    at('^', '#', failedAt(down, ['x', 0]));
    at('--^--!', '--a-a');
    at('------^', '------#', failedAt(down, ['x', 0]));
    at('--------^', '--------#', failedAt(down, ['x', 0]));
    m.expectObservable(state$, '^ 12ms !').toBe('c-------o');
  });

  marble('callers who give up, and requests that fail by their own fault, open nothing', (m) => {
    const { at, state$ } = broken(m, { x: [m.cold('-'), m.cold('-'), m.cold('#', {}, missing)] });
    at('^-!', '-');
    at('-^-!', '-');
    for (let ms = 3; ms < 9; ms++) at(`${ms}ms ^`, `${ms}ms #`, failedAt(missing, ['x', 0]));
    m.expectObservable(state$, '^ 9ms !').toBe('c');
  });

  marble('calls that came late from a queue open nothing when their time is over; those that had it do', (m) => {
    const policies = [
      rateLimit({ perSecond: 100, burst: 1, maxWaitMs: Infinity }),
      circuitBreaker({ consecutiveFailures: 1 }),
    ];
    const client = drawnClient(m, { x: m.cold('-----(a|)') }, { policies });
    const ends = (at: number, deadlineMs: number) =>
      timer(at, m.scheduler).pipe(
        mergeMap(() => client.call({ deadlineMs })),
        catchError(({ code }: FleetError) => of(code)),
      );
    m.expectObservable(ends(0, 50)).toBe('-----(a|)');
    // Let in at 10, with 3 ms left.
    m.expectObservable(ends(1, 12)).toBe('13ms (d|)', { d: 'DEADLINE_EXCEEDED' });
    m.expectObservable(ends(30, 4)).toBe('34ms (d|)', { d: 'DEADLINE_EXCEEDED' });
    m.flush();
    const changes = client.events.filter(({ type }) => type === 'breakerChanged');
    expect(changes[0]).toMatchObject({ at: 34, to: 'open' });
  });

  marble('a node that says at once that it ran out of time has failed, however long the call may take', (m) => {
    const late = new FleetError('DEADLINE_EXCEEDED', 'its own');
    const run = broken(m, { x: m.cold('-#', {}, late) }, { consecutiveFailures: 1 });
    run.at('^', '-#', failedAt(late, ['x', 1]), { ...once, deadlineMs: 100 });
    m.expectObservable(run.state$, '^--!').toBe('co');
  });

  marble('what counts as a failure may be said; a judgement that throws leaves it at the usual one', (m) => {
    const full = new FleetError('RESOURCE_EXHAUSTED', 'full');
    const judge = { countsAsFailure: ({ code }: { code?: string }) => code === 'NOT_FOUND' };
    const other = broken(m, { x: [m.cold('#', {}, full), m.cold('#', {}, full), m.cold('#', {}, missing)] }, judge);
    for (const ms of [0, 1]) other.at(`${ms}ms ^`, `${ms}ms #`, failedAt(full, ['x', 0]));
    for (const ms of [2, 3]) other.at(`${ms}ms ^`, `${ms}ms #`, failedAt(missing, ['x', 0]));
    m.expectObservable(other.state$, '^ 9ms !').toBe('c--o');

    const throwing = {
      countsAsFailure: () => {
        throw new Error('no idea');
      },
    };
    const usual = broken(m, { x: m.cold('#', {}, down) }, throwing);
    for (const ms of [0, 1]) usual.at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    m.expectObservable(usual.state$, '^ 9ms !').toBe('co');
  });

  marble('a place that another gate refused is as if it had never been taken', (m) => {
    const bad = m.cold('#', {}, down);
    const breaker = circuitBreaker(small);
    const limit = { obstacle: 'limited', reason: 'full', code: 'CONCURRENCY_LIMITED' } as const;
    const limiter: Policy = {
      name: 'limiter',
      start: () => ({
        nodeGate: {
          enter: () => (m.scheduler.now() > 10 && m.scheduler.now() < 15 ? limit : undefined),
          leave: () => undefined,
          undo: () => undefined,
        },
        close: () => undefined,
      }),
    };
    const client = drawnClient(m, { x: [bad, bad, m.cold('a|')] }, { policies: [breaker, limiter] });
    for (const ms of [0, 1])
      m.expectObservable(client.call(once), `${ms}ms ^`).toBe(`${ms}ms #`, {}, failedAt(down, ['x', 0]));
    const refused = new FleetError('CONCURRENCY_LIMITED', 'call: no node can take the call. Known are x: full', {
      sent: false,
    });
    for (const ms of [12, 13, 14]) m.expectObservable(client.call(once), `${ms}ms ^`).toBe(`${ms}ms #`, {}, refused);
    m.expectObservable(client.call(once), '15ms ^').toBe('15ms a|');
    m.expectObservable(stateOf(breaker), '^ 39ms !').toBe('co 9ms h 3ms c');
  });

  marble('failures that began before it opened do not prolong the cooldown', (m) => {
    const bad = m.cold('#', {}, down);
    const late = m.cold('9ms #', {}, down);
    const { at, state$ } = broken(m, { x: [late, late, bad, bad, m.cold('a|')] });
    at('^', '9ms #', failedAt(down, ['x', 9]));
    at('-^', '- 9ms #', failedAt(down, ['x', 9]));
    for (const ms of [2, 3]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    at('14ms ^', '14ms a|');
    m.expectObservable(state$, '^ 39ms !').toBe('c--o 9ms hc');
  });

  marble('a success that began before it opened does not end the cooldown', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, state$ } = broken(m, { x: [m.cold('-----a|'), bad, bad] });
    at('^', '-----a|');
    for (const ms of [1, 2]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    m.expectObservable(state$, '^ 19ms !').toBe('c-o 9ms h');
  });

  marble('what began before it opened counts for nothing after it has closed', (m) => {
    const bad = m.cold('#', {}, down);
    const late = m.cold('20ms #', {}, down);
    const { at, state$ } = broken(m, { x: [late, late, bad, bad, m.cold('a|'), bad, m.cold('a|')] });
    at('^', '20ms #', failedAt(down, ['x', 20]));
    at('-^', '- 20ms #', failedAt(down, ['x', 20]));
    for (const ms of [2, 3]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    at('14ms ^', '14ms a|');
    at('19ms ^', '19ms #', failedAt(down, ['x', 0]));
    at('23ms ^', '23ms a|');
    m.expectObservable(state$, '^ 39ms !').toBe('c--o 9ms hc');
  });

  marble('a rate of failures opens it, once there are enough attempts to tell', (m) => {
    const bad = m.cold('#', {}, down);
    const good = m.cold('(a|)');
    const options = {
      consecutiveFailures: false,
      failureRate: { ratio: 0.5, windowMs: 100, minimumCalls: 4 },
    } as const;
    const { at, state$ } = broken(m, { x: [bad, bad, good, bad] }, options);
    for (const ms of [0, 1, 3]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    at('--^', '--(a|)');
    m.expectObservable(state$, '^ 9ms !').toBe('c--o');
  });

  marble('failures of long ago are no rate', (m) => {
    const options = {
      consecutiveFailures: false,
      failureRate: { ratio: 0.5, windowMs: 100, minimumCalls: 3 },
    } as const;
    const { at, state$ } = broken(m, { x: m.cold('#', {}, down) }, options);
    for (const ms of [0, 1, 150, 200]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    m.expectObservable(state$, '^ 230ms !').toBe('c');
  });

  marble('an answer that takes too long is a failure; of a stream, its first', (m) => {
    const slow = broken(m, { x: [m.cold('----(a|)'), m.cold('----a-|')] }, { slowCallMs: 3 });
    slow.at('^', '----(a|)', undefined, { ...once, single: true });
    slow.at('-----^', '-----' + '----a-|');
    m.expectObservable(slow.state$, '^ 19ms !').toBe('c 10ms o');

    const stream = broken(m, { x: m.cold('--a-----a-----a|') }, { slowCallMs: 3 });
    stream.at('^', '--a-----a-----a|');
    stream.at('-^', '---a-----a-----a|');
    m.expectObservable(stream.state$, '^ 29ms !').toBe('c');
  });

  marble('with a breaker for each method, one that fails leaves the others to their node', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, state$, asked } = broken(m, { x: [bad, bad, m.cold('a|')] }, { perMethod: true });
    const reading = { ...once, name: 'read' };
    const writing = { ...once, name: 'write' };
    for (const ms of [0, 1]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]), writing);
    const shut =
      'write: no node can take the call. Known are x: circuit open: 2 failures in a row, the last: UNAVAILABLE';
    at('--^', '--#', new FleetError('CIRCUIT_OPEN', shut, { sent: false }), writing);
    at('---^', '---a|', undefined, reading);
    at('12ms ^', '12ms a|', undefined, writing);
    m.expectObservable(state$, '^ 29ms !').toBe('co 9ms hc');
    m.flush();
    expect(asked.length).toBe(4);
  });

  marble('of the methods of a node one that is shut is passed over: its calls go to another node', (m) => {
    const { at, asked } = broken(m, { x: m.cold('#', {}, down), y: m.cold('a|') }, { perMethod: true });
    at('^', '#', failedAt(down, ['x', 0]));
    at('-^', '-a|');
    at('--^', '--#', failedAt(down, ['x', 0]));
    for (const ms of [3, 4, 5, 6]) at(`${ms}ms ^`, `${ms}ms a|`);
    m.flush();
    expect(asked.join(' ')).toBe('x y x y y y y');
  });

  marble('a call with waitForReady waits for a place, and for the node, instead of failing', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, asked } = broken(m, { x: [bad, bad, m.cold('--#', {}, down), m.cold('---a|'), m.cold('a|')] });
    for (const ms of [0, 1]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    const patient = { ...once, waitForReady: true };
    // Open until 11, the probe fails at 13, open until 33, the next one answers at 36.
    at('2ms ^', '11ms --#', failedAt(down, ['x', 2]), patient);
    at('3ms ^', '33ms ---a|', undefined, patient);
    at('4ms ^', '36ms a|', undefined, patient);
    at('12ms ^', '36ms a|', undefined, patient);
    m.flush();
    expect(asked.length).toBe(6);
  });

  marble('one that gives up waiting for a place takes none', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, asked } = broken(m, { x: [bad, bad, m.cold('---a|'), m.cold('a|')] });
    for (const ms of [0, 1]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    const patient = { ...once, waitForReady: true };
    at('12ms ^', '12ms ---a|');
    at('13ms ^-!', '13ms -', undefined, patient);
    at('13ms ^', '15ms a|', undefined, patient);
    m.flush();
    expect(asked.length).toBe(4);
  });

  marble('each change is told, and why; the report says who is not closed', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, events, running } = broken(m, { x: [bad, bad, m.cold('a|')], y: m.cold('a|') });
    for (const ms of [0, 2]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    at('-^', '-a|');
    let report: object | undefined;
    m.expectObservable(m.cold('-----(a|)').pipe(map(() => (report = running[0]!.report!()))));
    at('13ms ^', '13ms a|');
    at('14ms ^', '14ms a|');
    m.flush();
    expect(events.filter(({ type }) => type === 'breakerChanged')).toEqual([
      {
        ...{
          type: 'breakerChanged',
          at: 2,
          by: 'circuitBreaker',
          node: 'x',
          method: undefined,
          from: 'closed',
          to: 'open',
          retryAt: 12,
        },
        reason: '2 failures in a row, the last: UNAVAILABLE',
      },
      {
        ...{
          type: 'breakerChanged',
          at: 12,
          by: 'circuitBreaker',
          node: 'x',
          method: undefined,
          from: 'open',
          to: 'halfOpen',
        },
        ...{ reason: 'its cooldown is over', retryAt: undefined },
      },
      {
        ...{
          type: 'breakerChanged',
          at: 14,
          by: 'circuitBreaker',
          node: 'x',
          method: undefined,
          from: 'halfOpen',
          to: 'closed',
        },
        ...{ reason: 'the probe succeeded', retryAt: undefined },
      },
    ]);
    const reason = '2 failures in a row, the last: UNAVAILABLE';
    expect(report).toEqual({
      ...{ closed: 1, open: 1, halfOpen: 0 },
      breakers: [{ node: 'x', method: undefined, state: 'open', reason, since: 2, retryAt: 12 }],
    });
    expect(running[0]!.report!()).toEqual({ closed: 2, open: 0, halfOpen: 0, breakers: [] });
  });

  marble(
    'a node that leaves is forgotten: under the same id it comes back closed, and late results are not its own',
    (m) => {
      const bad = m.cold('#', {}, down);
      const late = m.cold('20ms #', {}, down);
      const set = NodeSet.of([node('x')]);
      const sets = m.cold('----b---c', { b: NodeSet.of([]), c: set }).pipe(startWith(set));
      const breaker = circuitBreaker(small);
      const answers = { x: [late, bad, bad, bad, m.cold('a|'), bad] };
      const client = drawnClient(m, answers, { sets, policies: [breaker] });
      m.cold('----x').subscribe(() => client.running[0]!.forget!('x'));
      m.expectObservable(client.call(once)).toBe('20ms #', {}, failedAt(down, ['x', 20]));
      for (const ms of [1, 2])
        m.expectObservable(client.call(once), `${ms}ms ^`).toBe(`${ms}ms #`, {}, failedAt(down, ['x', 0]));
      m.expectObservable(client.call(once), '10ms ^').toBe('10ms #', {}, failedAt(down, ['x', 0]));
      m.expectObservable(client.call(once), '21ms ^').toBe('21ms a|');
      m.expectObservable(stateOf(breaker), '^ 39ms !').toBe('c-o-c');
    },
  );

  marble('one value serves several clients, each with breakers of its own', (m) => {
    const breaker = circuitBreaker(small);
    const bad = drawnClient(m, { x: m.cold('#', {}, down) }, { policies: [breaker] });
    const good = drawnClient(m, { x: m.cold('a|') }, { policies: [breaker] });
    for (const ms of [0, 1])
      m.expectObservable(bad.call(once), `${ms}ms ^`).toBe(`${ms}ms #`, {}, failedAt(down, ['x', 0]));
    m.expectObservable(good.call(once), '3ms ^').toBe('---a|');
    m.cold('-----c').subscribe(() => bad.running[0]!.close());
    m.expectObservable(stateOf(breaker), '^ 9ms !').toBe('co---c');
  });

  marble('a client that is closed leaves no timer behind, whatever its last calls come to', (m) => {
    const { at, running } = broken(m, { x: m.cold('--#', {}, down) });
    for (const ms of [0, 1]) at(`${ms}ms ^`, `${ms}ms --#`, failedAt(down, ['x', 2]));
    m.cold('-c').subscribe(() => running[0]!.close());
    m.flush();
    expect(m.scheduler.now()).toBeLessThan(10);
  });

  marble('a client that is closed refuses those who wait for a place', (m) => {
    const bad = m.cold('#', {}, down);
    const { at, running } = broken(m, { x: [bad, bad, m.cold('-')] });
    for (const ms of [0, 1]) at(`${ms}ms ^`, `${ms}ms #`, failedAt(down, ['x', 0]));
    at('12ms ^ 20ms !', '12ms -');
    const closed = new FleetError('CLOSED', 'call: the client was closed', { sent: false });
    at('13ms ^', '15ms #', closed, { ...once, waitForReady: true });
    m.cold('15ms c').subscribe(() => running[0]!.close());
    m.flush();
  });

  /** A real pool of strings, whose work fails on those that begin with `bad`. */
  const pool = (m: MarbleHelpers, nodes: readonly string[], more: Partial<PoolOptions<string>> = {}) => {
    const breaker = circuitBreaker(small);
    const { scheduler } = m;
    const discovery = staticNodes(nodes.map((address) => ({ id: address, address: `${address}:1` })));
    const options = { discovery, scheduler, open: ({ id }: Node) => id, use: [breaker], ...more };
    const made = createPool(options as PoolOptions<string>);
    let broken = true;
    m.cold('20ms x').subscribe(() => (broken = false));
    const use = () =>
      made.use((id) => (broken && id.startsWith('bad') ? throwError(() => new Error('broken')) : of(id)));
    return { made, use, state$: stateOf(breaker) };
  };

  marble('a pool of anything: its errors open the breaker, and the node is let in again', (m) => {
    const { made, use, state$ } = pool(m, ['bad', 'good']);
    const codes: string[] = [];
    for (let ms = 0; ms < 60; ms++) {
      m.cold(`${ms}ms x`).subscribe(() =>
        use().subscribe({ next: (id) => codes.push(id), error: ({ code }: FleetError) => codes.push(code) }),
      );
    }
    m.expectObservable(state$, '^ 50ms !').toBe('c-o 9ms h-o 19ms h-c');
    m.cold('70ms x').subscribe(() => void made.close({ drainMs: 0 }));
    m.flush();
    expect(codes.slice(0, 4)).toEqual(['UNKNOWN', 'good', 'UNKNOWN', 'good']);
    expect(codes.filter((code) => code === 'UNKNOWN').length).toBe(3);
    expect(codes.slice(40).filter((id) => id === 'bad').length).toBe(10);
  });

  marble('in a panic a bad node is better than none: the open breakers let calls through, and go their way', (m) => {
    const { made, use, state$ } = pool(m, ['bad-1', 'bad-2'], { panic: { threshold: 0.5 } });
    const codes: string[] = [];
    for (let ms = 0; ms < 12; ms++) {
      m.cold(`${ms}ms x`).subscribe(() => use().subscribe({ error: ({ code }: FleetError) => codes.push(code) }));
    }
    m.expectObservable(state$, '^ 9ms !').toBe('c-o');
    m.cold('12ms x').subscribe(() => void made.close({ drainMs: 0 }));
    m.flush();
    expect(codes).toEqual(Array.from({ length: 12 }, () => 'UNKNOWN'));
  });
});
