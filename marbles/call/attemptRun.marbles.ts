import { map, mergeMap, startWith, timer } from 'rxjs';
import type { Balancer } from '../../src/balancer/picker.js';
import { pickerOf } from '../../src/balancer/pickerOf.js';
import { circuitBreaker } from '../../src/call/circuitBreaker.js';
import { perAttempt, type Middleware } from '../../src/call/middleware.js';
import type { Policy } from '../../src/call/policy.js';
import { FleetError } from '../../src/core/fleetError.js';
import type { Continuation } from '../../src/call/resume.js';
import type { Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnClient, failedAt, node } from './drawnClient.js';

/** Sets of which the first is there at once, as a BehaviorSubject has it. */
const after = (m: MarbleHelpers, first: readonly Node[], diagram = '-', sets: Record<string, readonly Node[]> = {}) =>
  m
    .cold(diagram, Object.fromEntries(Object.entries(sets).map(([letter, nodes]) => [letter, NodeSet.of(nodes)])))
    .pipe(startWith(NodeSet.of(first)));

const once = { retry: false } as const;

describe('attemptRun', () => {
  marble('runs on the node that was picked, and tells how it ended', (m) => {
    const client = drawnClient(m, { x: m.cold('-a-b|') });
    m.expectObservable(client.call()).toBe('-a-b|');
    m.flush();
    expect(client.ended).toEqual(['x ok 4']);
    expect(client.leases.open).toBe(0);
  });

  marble('waits while a node is being dialled, and runs as soon as it is ready', (m) => {
    const sets = after(m, [node('x', { availability: 'connecting' })], '---b', {
      b: [node('x', { availability: 'ready' })],
    });
    m.expectObservable(drawnClient(m, { x: m.cold('-a|') }, { sets }).call()).toBe('----a|');
  });

  marble('nobody can take it: an error at once that names who was left out and why', (m) => {
    const down = node('x', { availability: 'unavailable', availabilityReason: 'refused' });
    const error = new FleetError('NO_NODES', 'call: no node can take the call. Known are x: unavailable: refused', {
      sent: false,
    });
    m.expectObservable(drawnClient(m, {}, { sets: after(m, [down]) }).call()).toBe('#', {}, error);
  });

  marble('where every node is out by its breaker, the error says so', (m) => {
    const ejections = [{ by: 'circuitBreaker', obstacle: 'circuitOpen', reason: '5 failures', until: 9 }] as const;
    const open = node('x', { health: 'ejected', healthReason: 'circuitBreaker: 5 failures', ejections });
    const error = new FleetError(
      'CIRCUIT_OPEN',
      'call: no node can take the call. Known are x: ejected: circuitBreaker: 5 failures',
      { sent: false },
    );
    m.expectObservable(drawnClient(m, {}, { sets: after(m, [open]) }).call()).toBe('#', {}, error);
  });

  marble('an unknown task is an error at once, not a wait', (m) => {
    const requires = { name: 'task ocr', test: () => false };
    const error = new FleetError(
      'NO_NODE_FOR_TASK',
      'call: no node offers task ocr. Known are x: does not offer task ocr',
      { sent: false },
    );
    m.expectObservable(drawnClient(m, { x: m.cold('a|') }).call({ requires })).toBe('#', {}, error);
  });

  marble('waitForReady waits where others would fail', (m) => {
    const sets = after(m, [], '---b', { b: [node('x')] });
    const client = drawnClient(m, { x: m.cold('-a|') }, { sets });
    m.expectObservable(client.call({ waitForReady: true })).toBe('----a|');
  });

  marble('a failure is charged to the node and carries its name', (m) => {
    const reset = new FleetError('UNAVAILABLE', 'reset');
    const client = drawnClient(m, { x: m.cold('--#', {}, reset) });
    m.expectObservable(client.call(once)).toBe('--#', {}, failedAt(reset, ['x', 2]));
    m.flush();
    expect(client.ended).toEqual(['x failed 2']);
    expect(client.leases.open).toBe(0);
  });

  marble('when nobody is left to try, the error is what the last node said', (m) => {
    const down = new FleetError('UNAVAILABLE', 'down');
    const sets = after(m, [node('x')], '-b', { b: [] });
    const client = drawnClient(m, { x: m.cold('#', {}, down) }, { sets });
    m.expectObservable(client.call()).toBe('------#', {}, failedAt(down, ['x', 0]));
  });

  marble('a node that accepts and never answers is given up after firstResponseTimeoutMs', (m) => {
    const silent = m.cold('-');
    const client = drawnClient(m, { x: silent });
    const error = new FleetError('UNAVAILABLE', 'no response within 3 ms (firstResponseTimeoutMs)');
    m.expectObservable(client.call({ ...once, firstResponseTimeoutMs: 3 })).toBe('---#', {}, failedAt(error, ['x', 3]));
    m.expectSubscriptions(silent.subscriptions).toBe('^--!');
  });

  marble('what a middleware or a gate waits for is no latency of the node, and does not use up its time', (m) => {
    const asking: Middleware<string> = (next) => (call) => timer(5, m.scheduler).pipe(mergeMap(() => next(call)));
    const waiting: Policy = {
      name: 'door',
      start: () => ({
        gate: {
          enter(call) {
            m.scheduler.schedule(() => call.admit(), 4);
            return false;
          },
          withdraw: () => undefined,
          leave: () => undefined,
        },
        close: () => undefined,
      }),
    };
    const clients = [
      [5, { use: [asking] }],
      [4, { policies: [waiting] }],
      [9, { use: [asking], policies: [waiting] }],
    ] as const;
    const ends = clients.map(([ms, options]) => {
      const client = drawnClient(m, { x: m.cold('--(a|)') }, options);
      m.expectObservable(client.call({ firstResponseTimeoutMs: 3 })).toBe(`${ms}ms --(a|)`);
      return client.ended;
    });
    m.flush();
    expect(ends.flat()).toEqual(['x ok 2', 'x ok 2', 'x ok 2']);
  });

  marble('a stream that has begun in time may then be slow', (m) => {
    const client = drawnClient(m, { x: m.cold('--a-----b|') });
    m.expectObservable(client.call({ firstResponseTimeoutMs: 3 })).toBe('--a-----b|');
  });

  marble('a caller who leaves cancels on the node, and it counts for load but not against the node', (m) => {
    const answers = m.cold('-a-b-c|');
    const client = drawnClient(m, { x: answers });
    m.expectObservable(client.call(), '^--!').toBe('-a-');
    m.expectSubscriptions(answers.subscriptions).toBe('^--!');
    m.flush();
    expect(client.ended).toEqual(['x cancelled 3']);
    expect(client.leases.open).toBe(0);
  });

  marble('a caller who takes the one answer and leaves has not cancelled it', (m) => {
    const client = drawnClient(m, { x: m.cold('-(a|)') });
    m.expectObservable(client.call({ single: true }), '^!').toBe('-');
    m.expectObservable(client.call({ single: true }), '^-!').toBe('-(a|)');
    m.flush();
    expect(client.ended).toEqual(['x cancelled 1', 'x ok 1']);
  });

  marble('a node that has just gone is a failure before sending, so anyone may take over', (m) => {
    const client = drawnClient(m, { x: m.cold('a|') }, { gone: true });
    const error = new FleetError('UNAVAILABLE', 'the node has just gone', { sent: false });
    m.expectObservable(client.call(once)).toBe('#', {}, failedAt(error, ['x', 0]));
  });

  marble('a balancer that throws fails the call, not the process', (m) => {
    const broken = new Error('no idea');
    const client = drawnClient(
      m,
      { x: m.cold('a|') },
      {
        balancer: map((set) => ({
          set,
          pick: () => {
            throw broken;
          },
        })),
      },
    );
    m.expectObservable(client.call()).toBe('#', {}, FleetError.from(broken));
  });

  marble('a balancer, a requirement or a gate that throws while a call waits fails that call, not the process', (m) => {
    const broken = new Error('no idea');
    const fail = () => {
      throw broken;
    };
    const dialled = () =>
      after(m, [node('x', { availability: 'connecting' })], '---b', { b: [node('x', { availability: 'ready' })] });
    const balancer: Balancer = map((set) => pickerOf(set, fail));
    const requires = { name: 'gpu', test: fail };
    const nodeGate = { enter: fail, leave: () => undefined, undo: () => undefined };
    const guard: Policy = { name: 'guard', start: () => ({ nodeGate, close: () => undefined }) };
    const calls = [
      drawnClient(m, { x: m.cold('a|') }, { sets: dialled(), balancer }).call(),
      drawnClient(m, { x: m.cold('a|') }, { sets: dialled() }).call({ requires }),
      drawnClient(m, { x: m.cold('a|') }, { sets: dialled(), policies: [guard] }).call(),
    ];
    for (const call of calls) m.expectObservable(call).toBe('---#', {}, FleetError.from(broken));
  });

  marble('a middleware around attempts sees each of them, with its node, and may add a header', (m) => {
    const down = new FleetError('UNAVAILABLE', 'down');
    const seen: string[] = [];
    const layer = perAttempt<string>((next) => (attempt) => {
      seen.push(`${attempt.number} ${attempt.node.id}`);
      attempt.metadata = { ...attempt.metadata, 'x-attempt': String(attempt.number) };
      return next(attempt);
    });
    const answers = { x: m.cold('#', {}, down), y: m.cold('a|') };
    const client = drawnClient(m, answers, { perAttempt: [layer.perAttempt] });
    m.expectObservable(client.call()).toBe('--a|');
    m.flush();
    expect(seen).toEqual(['1 x', '2 y']);
    expect(client.contexts.map(({ metadata }) => metadata)).toEqual([{ 'x-attempt': '1' }, { 'x-attempt': '2' }]);
  });

  marble('a middleware around attempts that throws takes no node out: the fault is not theirs', (m) => {
    const broken = new TypeError('x is undefined');
    const layer = perAttempt<string>(() => () => {
      throw broken;
    });
    const policies = [circuitBreaker({ consecutiveFailures: 1 })];
    const client = drawnClient(m, { x: m.cold('(a|)') }, { perAttempt: [layer.perAttempt], policies });
    const what = 'use: what is around attempts threw before anything was sent: x is undefined';
    const error = new FleetError('INVALID_OPTION', what, { sent: false, cause: broken });
    for (const at of [0, 2]) {
      const call = timer(at, m.scheduler).pipe(mergeMap(() => client.call()));
      m.expectObservable(call).toBe(at === 0 ? '#' : '--#', {}, failedAt(error, ['x', 0]));
    }
    m.flush();
    expect(client.nodes().get('x')).toMatchObject({ health: 'unknown', stats: { failures: 0, inFlight: 0 } });
    expect(client.leases.open).toBe(0);
  });

  marble('what fails within a middleware around attempts stays the failure of its node', (m) => {
    const reset = new FleetError('UNAVAILABLE', 'reset');
    const layer = perAttempt<string>((next) => (attempt) => next(attempt));
    const client = drawnClient(m, { x: m.cold('#', {}, reset) }, { perAttempt: [layer.perAttempt] });
    m.expectObservable(client.call(once)).toBe('#', {}, failedAt(reset, ['x', 0]));
    m.flush();
    expect(client.nodes().get('x')!.stats.failures).toBe(1);
  });

  marble('what happens to an attempt is told as it happens', (m) => {
    const client = drawnClient(m, { x: m.cold('-a|') });
    m.expectObservable(client.call()).toBe('-a|');
    m.flush();
    expect(client.events.map(({ type }) => type)).toEqual([
      'callStarted',
      'decision',
      'attemptStarted',
      'attemptEnded',
      'callEnded',
    ]);
    expect(client.events[1]).toMatchObject({ chosen: { id: 'x' }, strategy: 'round_robin', leftOut: [] });
    expect(client.events[3]).toMatchObject({ attempt: 1, messages: 1, outcome: { status: 'ok', latencyMs: 2 } });
    expect(client.events[4]).toMatchObject({ code: 'OK', latencyMs: 2, firstMessageMs: 1, messages: 1 });
  });

  marble('who watches the messages of an attempt is told of each, and others of that attempt, too', (m) => {
    const told: string[] = [];
    const down = new FleetError('UNAVAILABLE', 'down');
    const client = drawnClient(
      m,
      { x: m.cold('a#', { a: 'a' }, down), y: m.cold('-bc|') },
      {
        listener(event) {
          if (event.type !== 'attemptStarted') return;
          const tell = (who: string, what: string) => (bytes: number) =>
            void told.push(`${who} ${event.node.id} ${what} ${bytes} at ${m.scheduler.now()}`);
          const watcher = (who: string) => ({ sent: tell(who, 'sent'), received: tell(who, 'received') });
          if (event.node.id === 'x') event.watchMessages(watcher('one'));
          event.watchMessages(watcher('two'));
        },
      },
    );
    const resumed = { continuation: () => plainResume() };
    m.expectObservable(client.call(resumed)).toBe('a-bc|');
    m.flush();
    expect(told).toEqual([
      ...['one x sent 1 at 0', 'two x sent 1 at 0', 'one x received 2 at 0', 'two x received 2 at 0'],
      ...['two y sent 1 at 1', 'two y received 2 at 2', 'two y received 2 at 3'],
    ]);
  });

  marble('a gate hears of the first answer of a stream, long before its end', (m) => {
    const heard: string[] = [];
    const listening: Policy = {
      name: 'listening',
      start: () => ({
        nodeGate: {
          enter: ({ id }) => void heard.push(`${m.scheduler.now()} ${id} entered`),
          answered: ({ id }, _, latencyMs) => void heard.push(`${m.scheduler.now()} ${id} answered in ${latencyMs}`),
          leave: ({ id }, _, { status }) => void heard.push(`${m.scheduler.now()} ${id} ${status}`),
          undo: () => undefined,
        },
        close: () => undefined,
      }),
    };
    const client = drawnClient(m, { x: m.cold('--a-b--c|') }, { policies: [listening] });
    m.expectObservable(client.call(), '-^').toBe('---a-b--c|');
    m.expectObservable(client.call({ single: true }), '20ms ^--!').toBe('20ms --a');
    m.flush();
    expect(heard).toEqual([
      '1 x entered',
      '3 x answered in 2',
      '9 x ok',
      // The one answer is its end.
      '20 x entered',
      '22 x ok',
    ]);
  });
});

/** Goes on at the next node, whatever was said. */
function plainResume(): Continuation<string> {
  const go = { codes: [], resume: () => true, tell: () => undefined };
  return { continuity: 'none', stall: false, resumed: false, take: (answer) => answer, ...go };
}
