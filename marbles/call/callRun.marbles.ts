import { catchError, defer, EMPTY, ignoreElements, interval, mergeMap, take } from 'rxjs';
import { checkHedgeOptions } from '../../src/call/hedgeOptions.js';
import type { Entrant, Gate, NodeGate, Policy, RunningPolicy } from '../../src/call/policy.js';
import { FleetError } from '../../src/core/fleetError.js';
import { retryBudget } from '../../src/core/retryBudget.js';
import { marble } from '../../src/testing/marble.js';
import { drawnClient, failedAt, type DrawnCallOptions } from './drawnClient.js';

const down = new FleetError('UNAVAILABLE', 'down');
const broken = new FleetError('INTERNAL', 'broken');

describe('hedging', () => {
  const hedged: DrawnCallOptions = { hedge: { delayMs: 3 } };

  marble('a call that is slow gets a second chance on another node, and the first answer counts', (m) => {
    const slow = m.cold('------a|');
    const fast = m.cold('-b|');
    m.expectObservable(drawnClient(m, { x: slow, y: fast }).call(hedged)).toBe('----b|');
    m.expectSubscriptions(slow.subscriptions).toBe('^---!');
    m.expectSubscriptions(fast.subscriptions).toBe('---^-!');
  });

  marble('the copy is cancelled when the first attempt answers after all', (m) => {
    const first = m.cold('----a|');
    const copy = m.cold('------b|');
    m.expectObservable(drawnClient(m, { x: first, y: copy }).call(hedged)).toBe('----a|');
    m.expectSubscriptions(copy.subscriptions).toBe('---^!');
  });

  marble('a call that answers in time is sent once', (m) => {
    const copy = m.cold('b|');
    m.expectObservable(drawnClient(m, { x: m.cold('--a|'), y: copy }).call(hedged)).toBe('--a|');
    m.expectSubscriptions(copy.subscriptions).toBe([]);
  });

  marble('of streams the first message decides, and the loser is cancelled though it would speak later', (m) => {
    const loser = m.cold('-----a-a-a|');
    const winner = m.cold('-b-b-b|');
    m.expectObservable(drawnClient(m, { x: loser, y: winner }).call(hedged)).toBe('----b-b-b|');
    m.expectSubscriptions(loser.subscriptions).toBe('^---!');
  });

  marble('a copy that fails leaves the other alone', (m) => {
    const first = m.cold('-------a|');
    m.expectObservable(drawnClient(m, { x: first, y: m.cold('-#', {}, down) }).call(hedged)).toBe('-------a|');
    m.expectSubscriptions(first.subscriptions).toBe('^-------!');
  });

  marble('one that fails sends the next copy at once', (m) => {
    const third = m.cold('-c|');
    const answers = { x: m.cold('-------a|'), y: m.cold('-#', {}, down), z: third };
    m.expectObservable(drawnClient(m, answers).call({ hedge: { delayMs: 3, maxAttempts: 3 } })).toBe('-----c|');
    m.expectSubscriptions(third.subscriptions).toBe('----^-!');
  });

  marble('a code that nobody can mend ends the call and every copy', (m) => {
    const first = m.cold('-------a|');
    const { call } = drawnClient(m, { x: first, y: m.cold('-#', {}, broken) });
    m.expectObservable(call(hedged)).toBe('----#', {}, failedAt(broken, ['y', 1]));
    m.expectSubscriptions(first.subscriptions).toBe('^---!');
  });

  marble('a copy that never left, or that is too late, leaves the other alone whatever the codes', (m) => {
    const hedge = { delayMs: 2, nonFatalCodes: [] };
    const refused = new FleetError('UNAVAILABLE', 'refused', { sent: false });
    const unsent = { x: m.cold('----(a|)'), y: m.cold('#', {}, refused) };
    m.expectObservable(drawnClient(m, unsent).call({ hedge })).toBe('----(a|)');
    const late = { x: m.cold('-'), y: m.cold('---(b|)') };
    const options = { hedge, firstResponseTimeoutMs: 4 };
    m.expectObservable(drawnClient(m, late).call(options)).toBe('-----(b|)');
  });

  marble('when all copies have failed the call is retried as any other', (m) => {
    const answers = { x: m.cold('----#', {}, down), y: m.cold('--#', {}, down), z: m.cold('a|') };
    m.expectObservable(drawnClient(m, answers).call(hedged)).toBe('---------a|');
  });

  marble('what a node says of further copies holds for those after it, whatever fails later', (m) => {
    const stop = new FleetError('UNAVAILABLE', 'down', { trailers: { 'grpc-retry-pushback-ms': '-1' } });
    const answers = { x: m.cold('------------a|'), y: m.cold('-----#', {}, down), z: m.cold('-#', {}, stop) };
    const client = drawnClient(m, { ...answers, w: m.cold('d|') });
    m.expectObservable(client.call({ hedge: { delayMs: 3, maxAttempts: 4 } })).toBe('------------a|');
    m.flush();
    expect(client.asked).toEqual(['x', 'y', 'z']);
  });

  marble('a copy that has failed leaves its room to those of other calls', (m) => {
    const budget = retryBudget({ scheduler: m.scheduler, ratio: 0, minPerSecond: 1 });
    const answers = { x: [m.cold('-'), m.cold('--c|')], y: m.cold('-'), z: m.cold('-#', {}, down) };
    const client = drawnClient(m, answers, { budget });
    // The copy of the first fails at 4, so that there is room for one of the second at 5.
    m.expectObservable(client.call({ hedge: { delayMs: 3, maxAttempts: 2 } }), '^----------!').toBe('-');
    m.expectObservable(client.call({ hedge: { delayMs: 5, maxAttempts: 2 } })).toBe('-------c|');
  });

  marble('a node that asks for time gets it before the next copy, and one that asks for no more is heard', (m) => {
    const pushedBack = (ms: string) =>
      m.cold('-#', {}, new FleetError('UNAVAILABLE', 'down', { trailers: { 'grpc-retry-pushback-ms': ms } }));
    const third = m.cold('c|');
    const options = { hedge: { delayMs: 2, maxAttempts: 3 } };
    m.expectObservable(drawnClient(m, { x: m.cold('-'), y: pushedBack('4'), z: third }).call(options)).toBe(
      '-------c|',
    );
    const fourth = m.cold('d|');
    const { call } = drawnClient(m, { x: m.cold('---------a|'), y: pushedBack('-1'), z: fourth });
    m.expectObservable(call(options)).toBe('---------a|');
    m.expectSubscriptions(fourth.subscriptions).toBe([]);
  });

  marble('a method that must not run twice is not hedged, unless the caller says so', (m) => {
    const copy = m.cold('b|');
    const client = drawnClient(m, { x: m.cold('------a|'), y: copy });
    m.expectObservable(client.call({ ...hedged, idempotent: false })).toBe('------a|');
    const other = drawnClient(m, { x: m.cold('------a|'), y: m.cold('b|') });
    m.expectObservable(other.call({ ...hedged, idempotent: false, failover: true })).toBe('---b|');
    m.expectSubscriptions(copy.subscriptions).toBe([]);
  });

  marble('a fleet of one is not hedged: the copy would double the work of the same node', (m) => {
    const only = m.cold('------a|');
    m.expectObservable(drawnClient(m, { x: only }).call(hedged)).toBe('------a|');
    m.expectSubscriptions(only.subscriptions).toBe('^------!');
  });

  marble(
    'copies for which there is no node cost their call no attempts, the client no budget, and nobody a wait',
    (m) => {
      for (const waitForReady of [false, true]) {
        const budget = retryBudget({ scheduler: m.scheduler, ratio: 0, minPerSecond: 0.1 });
        const answers = { x: [m.cold('----#', {}, down), m.cold('a|')] };
        const client = drawnClient(m, answers, { budget });
        const options = { waitForReady, hedge: { delayMs: 1, maxAttempts: 2 } };
        m.expectObservable(client.call(options)).toBe('------a|');
      }
    },
  );

  marble('an exhausted budget sends no copies', (m) => {
    const budget = retryBudget({ scheduler: m.scheduler, ratio: 0, minPerSecond: 0 });
    const { call } = drawnClient(m, { x: m.cold('------a|'), y: m.cold('b|') }, { budget });
    m.expectObservable(call(hedged)).toBe('------a|');
  });

  marble('an outage is amplified by a fifth whatever the code that copies fail with', (m) => {
    const exhausted = new FleetError('RESOURCE_EXHAUSTED', 'too much');
    const budget = retryBudget({ scheduler: m.scheduler, minPerSecond: 0 });
    const well = m.cold('-(a|)');
    const ill = m.cold('30ms #', {}, exhausted);
    const answer = defer(() => (m.scheduler.now() < 5_000 ? well : ill));
    const client = drawnClient(m, { x: answer, y: answer, z: answer }, { budget });
    const options: DrawnCallOptions = {
      hedge: { delayMs: 5, maxAttempts: 3, nonFatalCodes: ['RESOURCE_EXHAUSTED'] },
      retry: { maxAttempts: 1 },
    };
    const calls$ = interval(10, m.scheduler).pipe(
      take(900),
      mergeMap(() => client.call(options).pipe(catchError(() => EMPTY))),
      ignoreElements(),
    );
    m.expectObservable(calls$, '9s !').toBe('-');
    m.flush();
    const inOutage = client.events.filter(({ type, at }) => type === 'attemptStarted' && at >= 6_000 && at < 9_000);
    expect(inOutage.length).toBeGreaterThan(300 * 1.15);
    expect(inOutage.length).toBeLessThanOrEqual(300 * 1.2 + 1);
  });

  marble('the delay is what the given share of the calls took lately, once there are enough of them', (m) => {
    const client = drawnClient(m, { x: m.cold('-a|'), y: m.cold('-a|') });
    const method = client.meter.of('call');
    for (let i = 0; i < 19; i++) method.firstAnswers.record(2, 0);
    const slow = drawnClient(m, { x: m.cold('----------a|'), y: m.cold('b|') });
    for (let i = 0; i < 20; i++) slow.meter.of('call').firstAnswers.record(i < 19 ? 4 : 40, 0);
    const options = { hedge: { percentile: 0.95 } };
    m.expectObservable(client.call(options)).toBe('-a|');
    m.expectObservable(slow.call(options)).toBe('----b|');
    m.flush();
    expect(client.asked).toEqual(['x']);
  });

  marble('unsubscribing cancels every copy', (m) => {
    const first = m.cold('-');
    const copy = m.cold('-');
    m.expectObservable(drawnClient(m, { x: first, y: copy }).call(hedged), '^----!').toBe('-');
    m.expectSubscriptions(first.subscriptions).toBe('^----!');
    m.expectSubscriptions(copy.subscriptions).toBe('---^-!');
  });

  marble('the loser counts for load, not against its node', (m) => {
    const client = drawnClient(m, { x: m.cold('------a|'), y: m.cold('-b|') });
    m.expectObservable(client.call(hedged)).toBe('----b|');
    m.flush();
    expect(client.ended).toEqual(['x cancelled 4', 'y ok 2']);
    expect(client.leases.open).toBe(0);
    const ends = client.events.filter((event) => event.type === 'attemptEnded');
    expect(ends.map(({ attempt, outrun, reason }) => [attempt, outrun, reason])).toEqual([
      [1, true, 'first'],
      [2, false, 'hedge'],
    ]);
    expect(client.meter.of('call').hedges).toBe(1);
  });
});

describe('hedge options', () => {
  it('that make no sense are refused, by name', () => {
    expect(() => checkHedgeOptions({})).toThrow('hedge must be given a delayMs or a percentile');
    expect(() => checkHedgeOptions({ delayMs: -1 })).toThrow('hedge.delayMs');
    expect(() => checkHedgeOptions({ delayMs: NaN })).toThrow('hedge.delayMs');
    expect(() => checkHedgeOptions({ percentile: 1 })).toThrow('hedge.percentile');
    expect(() => checkHedgeOptions({ percentile: 0 })).toThrow('hedge.percentile');
    for (const maxAttempts of [1, 6, 2.5]) {
      expect(() => checkHedgeOptions({ delayMs: 1, maxAttempts })).toThrow('hedge.maxAttempts');
    }
  });
});

/** A gate that is opened and shut by hand, and writes down what happens at it. */
function handGate() {
  const log: string[] = [];
  const waiting: Entrant[] = [];
  const state = { open: true, refusal: undefined as FleetError | undefined };
  const gate: Gate = {
    enter(entrant) {
      if (state.refusal) throw state.refusal;
      log.push(state.open ? 'in' : 'waits');
      if (!state.open) waiting.push(entrant);
      return state.open;
    },
    withdraw: (entrant) => {
      log.push('gives up');
      waiting.splice(waiting.indexOf(entrant), 1);
    },
    leave: (_, { code, latencyMs }) => void log.push(`out ${code} ${latencyMs}`),
  };
  const policy: Policy = { name: 'hand', start: () => ({ gate, close: () => undefined }) };
  return { policy, log, waiting, state };
}

describe('a gate', () => {
  marble('is passed once a call, whatever its attempts, and left at its end', (m) => {
    const { policy, log } = handGate();
    const answers = { x: m.cold('-#', {}, down), y: m.cold('--a|') };
    m.expectObservable(drawnClient(m, answers, { policies: [policy] }).call()).toBe('-----a|');
    m.flush();
    expect(log).toEqual(['in', 'out OK 6']);
  });

  marble('may make a call wait; nothing is sent meanwhile', (m) => {
    const { policy, log, waiting, state } = handGate();
    state.open = false;
    const attempt = m.cold('-a|');
    m.scheduler.schedule(() => waiting.splice(0).forEach((entrant) => entrant.admit()), 3);
    m.expectObservable(drawnClient(m, { x: attempt }, { policies: [policy] }).call()).toBe('----a|');
    m.expectSubscriptions(attempt.subscriptions).toBe('---^-!');
    m.flush();
    expect(log).toEqual(['waits', 'out OK 2']);
  });

  marble('may send a call away, which is then no attempt and no failure of a node', (m) => {
    const { policy, state } = handGate();
    state.refusal = new FleetError('RATE_LIMITED', 'too many', { sent: false });
    const client = drawnClient(m, { x: m.cold('a|') }, { policies: [policy] });
    m.expectObservable(client.call()).toBe('#', {}, state.refusal);
    m.flush();
    expect(client.ended).toEqual([]);
  });

  marble('may send it away after a wait', (m) => {
    const { policy, waiting, state } = handGate();
    const full = new FleetError('CONCURRENCY_LIMITED', 'too late', { sent: false });
    state.open = false;
    m.scheduler.schedule(() => waiting.splice(0).forEach((entrant) => entrant.refuse(full)), 3);
    m.expectObservable(drawnClient(m, { x: m.cold('a|') }, { policies: [policy] }).call()).toBe('---#', {}, full);
  });

  marble('hears of callers who leave while they wait, and of deadlines', (m) => {
    const { policy, log, state } = handGate();
    state.open = false;
    const { call } = drawnClient(m, { x: m.cold('a|') }, { policies: [policy] });
    m.expectObservable(call(), '^--!').toBe('---');
    m.expectObservable(call({ deadlineMs: 4 })).toBe(
      '----#',
      {},
      new FleetError('DEADLINE_EXCEEDED', 'call had no answer within 4 ms: it never came to a node', { sent: false }),
    );
    m.flush();
    expect(log).toEqual(['waits', 'waits', 'gives up', 'gives up']);
  });

  marble('is left as well when its call fails, is cancelled, or is refused by the next gate', (m) => {
    const first = handGate();
    const second = handGate();
    const policies = [first.policy, second.policy];
    const failing = drawnClient(m, { x: m.cold('-#', {}, broken) }, { policies });
    m.expectObservable(failing.call()).toBe('-#', {}, failedAt(broken, ['x', 1]));
    m.expectObservable(drawnClient(m, { x: m.cold('-') }, { policies }).call(), '^-!').toBe('-');
    m.flush();
    expect(first.log).toEqual(['in', 'in', 'out INTERNAL 1', 'out CANCELLED 2']);
    second.state.refusal = new FleetError('RATE_LIMITED', 'too many', { sent: false });
    m.expectObservable(drawnClient(m, { x: m.cold('a|') }, { policies }).call()).toBe('--#', {}, second.state.refusal);
    m.flush();
    expect(first.log.slice(4)).toEqual(['in', 'out RATE_LIMITED 0']);
  });

  marble('takes the one answer as success, also when its caller takes it and leaves', (m) => {
    const { policy, log } = handGate();
    const { call } = drawnClient(m, { x: m.cold('-a--|') }, { policies: [policy] });
    m.expectObservable(call({ single: true }), '^-!').toBe('-a');
    m.flush();
    expect(log).toEqual(['in', 'out OK 1']);
  });
});

describe('a policy', () => {
  marble('may give each attempt a header, and is told how the call ended', (m) => {
    const told: unknown[] = [];
    const policy: Policy = {
      name: 'told',
      start: () => ({
        begin: (attempt) =>
          (attempt.metadata = { ...attempt.metadata, 'x-attempt': `${attempt.number} ${attempt.node.id}` }),
        end: ({ name }, { code, latencyMs, messages }) => void told.push([name, code, latencyMs, messages]),
        close: () => undefined,
      }),
    };
    const answers = { x: m.cold('-#', {}, down), y: m.cold('--a-b|') };
    const client = drawnClient(m, answers, { policies: [policy] });
    m.expectObservable(client.call({ metadata: { 'x-own': 'kept' } })).toBe('-----a-b|');
    m.flush();
    expect(client.contexts.map(({ metadata }) => metadata)).toEqual([
      { 'x-own': 'kept', 'x-attempt': '1 x' },
      { 'x-own': 'kept', 'x-attempt': '2 y' },
    ]);
    expect(told).toEqual([['call', 'OK', 8, 2]]);
  });

  marble('that throws as a call ends tells the process; the call ends all the same', (m) => {
    const told: unknown[] = [];
    const ending = (name: string, end: NonNullable<RunningPolicy['end']>): Policy => {
      return { name, start: () => ({ end, close: () => undefined }) };
    };
    const broken = ending('broken', () => {
      throw new Error('disk full');
    });
    const policies = [broken, ending('told', ({ name }, { code }) => void told.push([name, code]))];
    const client = drawnClient(m, { x: m.cold('-#', {}, down) }, { policies });
    m.expectObservable(client.call({ retry: false })).toBe('-#', {}, failedAt(down, ['x', 1]));
    expect(() => m.flush()).toThrow('disk full');
    expect(told).toEqual([['call', 'UNAVAILABLE']]);
    expect(client.events.at(-1)).toMatchObject({ type: 'callEnded', code: 'UNAVAILABLE' });
  });

  marble('that throws at an attempt fails the call by its own fault, and leaves nothing behind', (m) => {
    const broken = new Error('a header that cannot be made');
    const policy: Policy = {
      name: 'broken',
      start: () => ({
        begin: () => {
          throw broken;
        },
        close: () => undefined,
      }),
    };
    const client = drawnClient(m, { x: m.cold('a|') }, { policies: [policy] });
    const what = 'use: what is around attempts threw before anything was sent: a header that cannot be made';
    const error = new FleetError('INVALID_OPTION', what, { sent: false, cause: broken });
    m.expectObservable(client.call()).toBe('#', {}, failedAt(error, ['x', 0]));
    m.flush();
    expect(client.leases.open).toBe(0);
    expect(client.nodes().get('x')!.stats).toMatchObject({ inFlight: 0, failures: 0 });
  });
});

/** Shut at the nodes of `shut`, and writes down who came and went. */
function nodeGate(shut: Set<string>, wait?: NodeGate['wait']) {
  const log: string[] = [];
  const gate: NodeGate = {
    enter({ id }) {
      if (shut.has(id)) return { code: 'CIRCUIT_OPEN', obstacle: 'circuitOpen', reason: `${id} is shut` };
      log.push(`in ${id}`);
      return undefined;
    },
    leave: ({ id }, _, { status }) => void log.push(`out ${id} ${status}`),
    undo: ({ id }) => void log.push(`undo ${id}`),
    ...(wait ? { wait, withdraw: () => log.push('gives up') } : {}),
  };
  const policy: Policy = { name: 'nodes', start: () => ({ nodeGate: gate, close: () => undefined }) };
  return { policy, log };
}

describe('a gate at the nodes', () => {
  marble('sends the pick on to a node that is open', (m) => {
    const { policy, log } = nodeGate(new Set(['x']));
    const client = drawnClient(m, { x: m.cold('a|'), y: m.cold('-b|') }, { policies: [policy] });
    m.expectObservable(client.call()).toBe('-b|');
    m.flush();
    expect(log).toEqual(['in y', 'out y ok']);
    expect(client.events.find(({ type }) => type === 'decision')).toMatchObject({
      chosen: { id: 'y' },
      candidates: [{ node: 'y' }],
      leftOut: [{ node: 'x', obstacle: 'circuitOpen', reason: 'x is shut' }],
    });
  });

  marble('lets the failure of a node stand when all are shut to another try', (m) => {
    const shut = new Set(['y']);
    const { policy } = nodeGate(shut);
    const failing = m.cold('-#', {}, down);
    const client = drawnClient(m, { x: failing, y: m.cold('b|') }, { policies: [policy] });
    m.hot('-s').subscribe(() => shut.add('x'));
    m.expectObservable(client.call()).toBe('---#', {}, failedAt(down, ['x', 1]));
    m.flush();
    expect(client.events.at(-2)).toMatchObject({ type: 'retryRefused', reason: 'code', code: 'CIRCUIT_OPEN' });
  });

  marble('fails the call at once when all are shut, and says so', (m) => {
    const { policy } = nodeGate(new Set(['x', 'y']));
    const client = drawnClient(m, { x: m.cold('a|'), y: m.cold('b|') }, { policies: [policy] });
    m.expectObservable(client.call()).toBe(
      '#',
      {},
      new FleetError('CIRCUIT_OPEN', 'call: no node can take the call. Known are x: x is shut; y: y is shut', {
        sent: false,
      }),
    );
  });

  marble('takes a node that was tried before one that is shut', (m) => {
    const { policy } = nodeGate(new Set(['y']));
    const answers = { x: [m.cold('#', {}, down), m.cold('a|')], y: m.cold('b|') };
    m.expectObservable(drawnClient(m, answers, { policies: [policy] }).call()).toBe('--a|');
  });

  marble('that was passed is as if it had never been, where the next one is shut', (m) => {
    const open = nodeGate(new Set());
    const shut = nodeGate(new Set(['x']));
    const client = drawnClient(m, { x: m.cold('a|'), y: m.cold('b|') }, { policies: [open.policy, shut.policy] });
    m.expectObservable(client.call()).toBe('b|');
    m.flush();
    expect(open.log).toEqual(['in x', 'undo x', 'in y', 'out y ok']);
  });

  marble('may keep calls until a node is free', (m) => {
    const shut = new Set(['x']);
    const { policy, log } = nodeGate(shut, (entrant) => {
      m.scheduler.schedule(() => {
        shut.clear();
        entrant.admit();
      }, 3);
      return true;
    });
    m.expectObservable(drawnClient(m, { x: m.cold('-a|') }, { policies: [policy] }).call()).toBe('----a|');
    m.flush();
    expect(log).toEqual(['in x', 'out x ok']);
  });

  marble('hears of callers who leave while they wait', (m) => {
    const { policy, log } = nodeGate(new Set(['x']), () => true);
    m.expectObservable(drawnClient(m, { x: m.cold('a|') }, { policies: [policy] }).call(), '^--!').toBe('-');
    m.flush();
    expect(log).toEqual(['gives up']);
  });
});
