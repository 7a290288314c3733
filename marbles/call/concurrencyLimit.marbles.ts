import { catchError, EMPTY, map, of, Subject, takeUntil, tap } from 'rxjs';
import type { Balancer } from '../../src/balancer/picker.js';
import { pickFirst } from '../../src/balancer/pickFirst.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { aimdLimit } from '../../src/call/aimdLimit.js';
import type { Limited } from '../../src/call/callEvent.js';
import { circuitBreaker } from '../../src/call/circuitBreaker.js';
import { concurrencyLimit, type ConcurrencyLimitOptions } from '../../src/call/concurrencyLimit.js';
import { fixedLimit } from '../../src/call/fixedLimit.js';
import type { Limit, LimitSample } from '../../src/call/limit.js';
import { rateLimit } from '../../src/call/rateLimit.js';
import { FleetError } from '../../src/core/fleetError.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { callsAt, type DrawnClient } from './callsAt.js';
import { drawnClient, failedAt, node, type Answers } from './drawnClient.js';

/** A client of one node that takes 4 ms for each call. */
function limited(m: MarbleHelpers, options: ConcurrencyLimitOptions, answer: Answers = m.cold('----(a|)')) {
  return drawnClient(m, { x: answer }, { policies: [concurrencyLimit(options)] });
}

const refused = (text: string) => new FleetError('CONCURRENCY_LIMITED', `call: ${text}`, { sent: false });
const events = (client: DrawnClient) =>
  client.events
    .filter((event): event is Limited => event.type === 'limited')
    .map(({ by, key, result, waitedMs }) => `${by} ${key} ${result} ${waitedMs}`);
const report = (client: DrawnClient) => client.running[0]!.report!();

describe('concurrencyLimit', () => {
  marble('lets as many run as it says, and the next when one of them is over', (m) => {
    const { call } = limited(m, { max: 2 });
    m.expectObservable(call()).toBe('----(a|)');
    m.expectObservable(call()).toBe('----(a|)');
    m.expectObservable(call()).toBe('--------(a|)');
    m.expectObservable(call()).toBe('--------(a|)');
    m.expectObservable(call()).toBe('------------(a|)');
  });

  marble('a failed call and one that was given up leave their places too', (m) => {
    const broken = new FleetError('INTERNAL', 'broken');
    const { call } = limited(m, { max: 1 }, [m.cold('---#', {}, broken), m.cold('-----(a|)'), m.cold('-(a|)')]);
    m.expectObservable(call()).toBe('---#', {}, failedAt(broken, ['x', 3]));
    m.expectObservable(call(), '-----!').toBe('');
    m.expectObservable(call()).toBe('------(a|)');
  });

  marble('a caller who leaves the queue gives the place to those behind', (m) => {
    const client = limited(m, { max: 1 });
    m.expectObservable(client.call()).toBe('----(a|)');
    m.expectObservable(client.call(), '--!').toBe('');
    m.expectObservable(client.call()).toBe('--------(a|)');
    m.flush();
    expect(report(client)).toMatchObject({ inFlight: 0, waiting: 0, waited: 1 });
  });

  marble('one more attempt does not take one more place', (m) => {
    const down = new FleetError('UNAVAILABLE', 'down');
    const answers = { x: m.cold('-#', {}, down), y: m.cold('-(a|)') };
    const client = drawnClient(m, answers, { policies: [concurrencyLimit({ max: 1 })] });
    m.expectObservable(client.call()).toBe('----(a|)');
    m.expectObservable(client.call()).toBe('--------(a|)');
  });

  marble('without a queue, refuses at once what is too much', (m) => {
    const { call } = limited(m, { max: 1, queue: false });
    const why = 'nobody may wait; call less at once, or raise the limit or give it a queue';
    const error = refused(
      `the limit of 1 calls at once is reached, and 0 wait, the last of them for about 0 ms: ${why}`,
    );
    m.expectObservable(call()).toBe('----(a|)');
    m.expectObservable(call()).toBe('#', {}, error);
  });

  marble('calls go by their priority, then by their deadline, then as they came', (m) => {
    const client = limited(m, { max: 1 });
    const calls = callsAt(m, client, {
      a: [0],
      b: [1, { deadlineMs: 200 }],
      c: [1, { deadlineMs: 100 }],
      d: [2, { deadlineMs: 99 }],
      e: [3, { priority: 1, deadlineMs: 900 }],
      f: [3],
    });
    m.expectObservable(calls.a).toBe('4ms (a|)');
    m.expectObservable(calls.e).toBe('8ms (e|)');
    m.expectObservable(calls.c).toBe('12ms (c|)');
    m.expectObservable(calls.d).toBe('16ms (d|)');
    m.expectObservable(calls.b).toBe('20ms (b|)');
    m.expectObservable(calls.f).toBe('24ms (f|)');
  });

  marble('who could not be in time is refused at once, and not let to wait in vain', (m) => {
    const client = limited(m, { max: 1 });
    // The first tells how long calls take: 4 ms, or 2 if they are quick.
    const calls = callsAt(m, client, {
      a: [0],
      b: [5],
      c: [5],
      d: [5, { deadlineMs: 10 }],
      e: [5, { deadlineMs: 5 }],
    });
    const why = 'it takes 2 ms at least, and its deadline is in 5 ms; call less at once, or give it a later deadline';
    m.expectObservable(calls.a).toBe('4ms (a|)');
    m.expectObservable(calls.b).toBe('9ms (b|)');
    m.expectObservable(calls.d).toBe('13ms (d|)');
    m.expectObservable(calls.c).toBe('17ms (c|)');
    m.expectObservable(calls.e).toBe(
      '5ms #',
      {},
      refused(`the limit of 1 calls at once is reached, and 2 wait, the last of them for about 8 ms: ${why}`),
    );
  });

  marble('who has too little time left is refused while there is time to go elsewhere', (m) => {
    const client = limited(m, { max: 1 }, [m.cold('----(a|)'), m.cold('20ms (a|)')]);
    const calls = callsAt(m, client, { a: [0], b: [5], c: [6, { deadlineMs: 10 }] });
    m.expectObservable(calls.a).toBe('4ms (a|)');
    m.expectObservable(calls.b).toBe('25ms (b|)');
    const why = 'it takes 2 ms at least, and its deadline is in 1 ms; call less at once, or raise the limit';
    m.expectObservable(calls.c).toBe(
      '15ms #',
      {},
      refused(`the limit of 1 calls at once is reached, and 0 wait, the last of them for about 0 ms: ${why}`),
    );
  });

  marble('what takes too long tells how long calls take', (m) => {
    const { call } = limited(m, { max: 1 }, m.cold('-'));
    const code = catchError((error: FleetError) => of(error.code));
    m.expectObservable(call({ deadlineMs: 10 }).pipe(code)).toBe('10ms (d|)', { d: 'DEADLINE_EXCEEDED' });
    m.expectObservable(call({ deadlineMs: 40 }).pipe(code)).toBe('40ms (d|)', { d: 'DEADLINE_EXCEEDED' });
    // Ten milliseconds, or five if it is quick: at 45 it has no longer.
    const why = 'it takes 5 ms at least, and its deadline is in 4 ms; call less at once, or raise the limit';
    const error = `the limit of 1 calls at once is reached, and 0 wait, the last of them for about 0 ms: ${why}`;
    m.expectObservable(call({ deadlineMs: 41, priority: -1 })).toBe('37ms #', {}, refused(error));
  });

  marble('a call that is given up within the refusal of another leaves nothing behind', (m) => {
    const away = new Subject<void>();
    const policies = [
      rateLimit({ perSecond: 250, burst: 2, maxWaitMs: 100 }),
      concurrencyLimit({ max: 1, queue: { size: 1 } }),
    ];
    const client = drawnClient(m, { x: m.cold('9ms (a|)') }, { policies });
    m.expectObservable(client.call()).toBe('9ms (a|)');
    m.expectObservable(
      client.call().pipe(
        tap({ error: () => away.next() }),
        catchError(() => EMPTY),
      ),
    ).toBe('----|');
    // It comes from the rate limit, and takes the place in the queue.
    m.expectObservable(client.call({ priority: 1 }).pipe(takeUntil(away))).toBe('----|');
    m.flush();
    expect(client.running[1]!.report!()).toMatchObject({ inFlight: 0, waiting: 0, refused: 1 });
    expect(client.asked).toEqual(['x']);
  });

  marble('nobody waits for longer than the queue allows', (m) => {
    const { call } = limited(m, { max: 1, queue: { maxWaitMs: 2 } });
    const why = 'it waited for 2 ms (queue.maxWaitMs); call less at once, or raise the limit';
    m.expectObservable(call()).toBe('----(a|)');
    m.expectObservable(call()).toBe(
      '--#',
      {},
      refused(`the limit of 1 calls at once is reached, and 0 wait, the last of them for about 0 ms: ${why}`),
    );
  });

  marble('a full queue sends the newcomer away when all are alike', (m) => {
    const { call } = limited(m, { max: 1, queue: { size: 1 } });
    const why = 'no more than 1 may wait; call less at once, or raise the limit or queue.size';
    m.expectObservable(call()).toBe('----(a|)');
    m.expectObservable(call()).toBe('--------(a|)');
    m.expectObservable(call()).toBe(
      '#',
      {},
      refused(`the limit of 1 calls at once is reached, and 1 wait, the last of them for about 0 ms: ${why}`),
    );
  });

  marble('a full queue sends the lowest priority away for a higher one', (m) => {
    const client = limited(m, { max: 1, queue: { size: 2 } });
    const calls = callsAt(m, client, { a: [0], b: [1, { priority: 1 }], c: [1], d: [2, { priority: 2 }] });
    const why = 'it gave its place in the queue to another; raise queue.size';
    m.expectObservable(calls.a).toBe('4ms (a|)');
    m.expectObservable(calls.d).toBe('8ms (d|)');
    m.expectObservable(calls.b).toBe('12ms (b|)');
    m.expectObservable(calls.c).toBe(
      '--#',
      {},
      refused(`the limit of 1 calls at once is reached, and 2 wait, the last of them for about 0 ms: ${why}`),
    );
    m.flush();
    expect(events(client)).toEqual([
      'concurrencyLimit  refused 1',
      'concurrencyLimit  waited 2',
      'concurrencyLimit  waited 7',
    ]);
  });

  marble('of equal priority, a full queue sends away who has the least time to spare', (m) => {
    const client = limited(m, { max: 1, queue: { size: 2 } });
    const calls = callsAt(m, client, {
      a: [0],
      b: [4],
      c: [5, { deadlineMs: 11 }],
      d: [5, { deadlineMs: 100 }],
      e: [6, { deadlineMs: 90 }],
    });
    const why = 'it gave its place in the queue to another; raise queue.size';
    m.expectObservable(calls.c).toBe(
      '6ms #',
      {},
      refused(`the limit of 1 calls at once is reached, and 2 wait, the last of them for about 8 ms: ${why}`),
    );
    m.expectObservable(calls.e).toBe('12ms (e|)');
    m.expectObservable(calls.d).toBe('16ms (d|)');
    m.expectObservable(calls.a).toBe('4ms (a|)');
    m.expectObservable(calls.b).toBe('8ms (b|)');
  });

  marble('each key has places and a queue of its own', (m) => {
    const { call } = limited(m, { max: 1, per: ({ metadata }) => metadata?.tenant as string, queue: { size: 1 } });
    const a = { metadata: { tenant: 'a' } };
    const why = 'no more than 1 may wait; call less at once, or raise the limit or queue.size';
    m.expectObservable(call(a)).toBe('----(a|)');
    m.expectObservable(call(a)).toBe('--------(a|)');
    m.expectObservable(call(a)).toBe(
      '#',
      {},
      refused(`the limit of a of 1 calls at once is reached, and 1 wait, the last of them for about 0 ms: ${why}`),
    );
    m.expectObservable(call({ metadata: { tenant: 'b' } })).toBe('----(a|)');
    m.expectObservable(call()).toBe('----(a|)');
  });

  marble('a key that changes while a call runs does not keep its place', (m) => {
    let tenant = 'a';
    const client = limited(m, { max: 1, per: () => tenant });
    const calls = callsAt(m, client, { a: [0], b: [0], c: [20] });
    m.scheduler.schedule(() => (tenant = 'b'), 1);
    m.scheduler.schedule(() => (tenant = 'a'), 10);
    m.expectObservable(calls.a).toBe('----(a|)');
    m.expectObservable(calls.b).toBe('--------(b|)');
    m.expectObservable(calls.c).toBe('24ms (c|)');
  });

  marble('a limit that grows lets in at once who waits', (m) => {
    const { call } = limited(m, { per: 'client', limit: aimdLimit({ initial: 1 }) });
    m.expectObservable(call()).toBe('----(a|)');
    for (let i = 0; i < 2; i++) m.expectObservable(call()).toBe('--------(a|)');
    for (let i = 0; i < 4; i++) m.expectObservable(call()).toBe('------------(a|)');
  });

  marble('learns from answers and from what is too much for a node, and from nothing else', (m) => {
    const samples: string[] = [];
    const learning = (): Limit => ({
      limit: 9,
      onSample: ({ latencyMs, inFlight, dropped }: LimitSample) =>
        void samples.push(`${dropped ? 'dropped' : 'ok'} ${latencyMs} ${inFlight}`),
    });
    const failing = (code: FleetError['code']) => m.cold('-#', {}, new FleetError(code, 'no'));
    const client = limited(m, { limit: learning }, [
      ...[m.cold('--(a|)'), failing('RESOURCE_EXHAUSTED'), failing('UNAVAILABLE'), failing('NOT_FOUND')],
      m.cold('-'),
    ]);
    const quiet = { error: () => undefined };
    for (let i = 0; i < 4; i++) client.call({ retry: false }).subscribe(quiet);
    client.call({ deadlineMs: 5 }).subscribe(quiet);
    const given = client.call().subscribe(quiet);
    m.scheduler.schedule(() => given.unsubscribe(), 6);
    m.flush();
    expect(samples).toEqual(['dropped 1 6', 'dropped 1 5', 'ok 2 3', 'dropped 5 2']);
    expect(report(client)).toMatchObject({ inFlight: 0 });
  });

  marble('a call that waited here until it was too late says nothing of the nodes', (m) => {
    for (const per of ['client', 'node'] as const) {
      const samples: string[] = [];
      const limit = (): Limit => ({
        limit: 1,
        onSample: ({ latencyMs, dropped }: LimitSample) =>
          void samples.push(`${dropped ? 'dropped' : 'ok'} ${latencyMs}`),
      });
      const answers = [m.cold('------(a|)'), m.cold('------(a|)'), m.cold('-')];
      const client = limited(m, { limit, per }, answers);
      const quiet = { error: () => undefined };
      client.call().subscribe(quiet);
      // It has waited for 6 of its 10 ms: that it has no answer within the 4 that are left is no wonder.
      client.call({ deadlineMs: 10 }).subscribe(quiet);
      // This one has waited for 10 of its 20, and has had its time.
      client.call({ deadlineMs: 20 }).subscribe(quiet);
      m.flush();
      expect(samples).toEqual(['ok 6', 'dropped 10']);
    }
  });

  marble('learns from the first answer where it is told to, since the length of a stream says nothing', (m) => {
    const samples: number[] = [];
    const limit = (): Limit => ({ limit: 9, onSample: ({ latencyMs }: LimitSample) => void samples.push(latencyMs) });
    for (const latency of ['end', 'firstAnswer'] as const) {
      limited(m, { per: 'client', limit, latency }, m.cold('--a--b|')).call().subscribe();
      limited(m, { limit, latency, per: 'node' }, m.cold('--a--b|')).call().subscribe();
      // One that its caller has left, after an answer.
      const left = limited(m, { per: 'client', limit, latency }, m.cold('---a--b--')).call().subscribe();
      m.scheduler.schedule(() => left.unsubscribe(), 7);
    }
    m.flush();
    expect(samples).toEqual([6, 6, 2, 2, 3]);
  });

  marble('what another policy refuses leaves its place, and teaches nothing', (m) => {
    const samples: number[] = [];
    const limit = (): Limit => ({ limit: 1, onSample: ({ latencyMs }: LimitSample) => void samples.push(latencyMs) });
    const policies = [concurrencyLimit({ per: 'client', limit }), rateLimit({ perSecond: 250, burst: 1 })];
    const client = drawnClient(m, { x: m.cold('-(a|)') }, { policies });
    const calls = callsAt(m, client, { a: [0], b: [0], c: [4] });
    const what = 'the rate limit of 250 calls a second is used up: it would have to wait for 3 ms';
    const remedy = 'more than maxWaitMs (0 ms); call less often, or raise perSecond or maxWaitMs';
    m.expectObservable(calls.a).toBe('-(a|)');
    m.expectObservable(calls.b).toBe(
      '-#',
      {},
      new FleetError('RATE_LIMITED', `call: ${what}, ${remedy}`, { sent: false }),
    );
    m.expectObservable(calls.c).toBe('-----(c|)');
    m.flush();
    expect(samples).toEqual([1, 1]);
  });

  marble('tells what it stands at', (m) => {
    const client = limited(m, { per: 'client', limit: fixedLimit(1), name: 'front' });
    for (let i = 0; i < 3; i++) client.call().subscribe();
    expect(report(client)).toMatchObject({
      inFlight: 1,
      waiting: 2,
      refused: 0,
      used: { '': { limit: 1, inFlight: 1 } },
    });
    m.flush();
    expect(report(client)).toMatchObject({ inFlight: 0, waiting: 0, waited: 2 });
    expect(events(client)).toEqual(['front  waited 4', 'front  waited 8']);
  });

  marble('a client that is closed sends away who waits', (m) => {
    const client = limited(m, { max: 1 });
    const closed = new FleetError('CLOSED', 'call: the client was closed', { sent: false });
    m.expectObservable(client.call()).toBe('----(a|)');
    m.expectObservable(client.call()).toBe('-#', {}, closed);
    m.scheduler.schedule(() => client.running[0]!.close(), 1);
  });
});

describe('concurrencyLimit of nodes', () => {
  const fleet = (m: MarbleHelpers, answers: Record<string, Answers>, options: ConcurrencyLimitOptions = { max: 1 }) =>
    drawnClient(m, answers, { policies: [concurrencyLimit({ ...options, per: 'node' })] });

  marble('a node at its limit is passed over', (m) => {
    const client = fleet(m, { x: m.cold('9ms (x|)'), y: m.cold('-(y|)') });
    m.expectObservable(callsAt(m, client, { a: [0], b: [1], c: [3], d: [5] }).d).toBe('6ms (d|)');
    const calls = callsAt(m, client, { a: [0], b: [1], c: [3] });
    m.expectObservable(calls.a).toBe('9ms (a|)');
    m.expectObservable(calls.b).toBe('--(b|)');
    m.expectObservable(calls.c).toBe('----(c|)');
    m.flush();
    expect(client.asked).toEqual(['x', 'y', 'y', 'y']);
  });

  marble('when all are full, a call waits for the first that is free', (m) => {
    const client = fleet(m, { x: m.cold('-----(x|)'), y: m.cold('---(y|)') });
    for (const expected of ['-----(x|)', '---(y|)', '------(y|)', '10ms (x|)', '9ms (y|)']) {
      m.expectObservable(client.call()).toBe(expected);
    }
    m.flush();
    expect(client.asked).toEqual(['x', 'y', 'y', 'x', 'y']);
    expect(events(client).map((event) => event.replace('concurrencyLimit ', ''))).toEqual([
      'y waited 3',
      'x waited 5',
      'y waited 6',
    ]);
    expect(report(client)).toMatchObject({ inFlight: 0, waiting: 0, limits: 2 });
  });

  marble('the one that is free is found among many that are full, whosever turn it is', (m) => {
    let picks = 0;
    const balancer: Balancer = (set$) =>
      set$.pipe(
        roundRobin(),
        map((picker) => ({
          set: picker.set,
          pick: (context) => {
            picks++;
            return picker.pick(context);
          },
        })),
      );
    const others = Array.from({ length: 20 }, (_, i) => [`n${i}`, m.cold('50ms (n|)')] as const);
    const answers = Object.fromEntries([['x', m.cold('-----(x|)')], ...others]);
    const client = drawnClient(m, answers, { balancer, policies: [concurrencyLimit({ max: 1, per: 'node' })] });
    for (let i = 0; i < 21; i++) client.call().subscribe();
    const calls = callsAt(m, client, { a: [1] });
    m.expectObservable(calls.a).toBe('10ms (a|)');
    m.flush();
    // One for each of 21 that were free, two in vain, and two again for the one that waited.
    expect(picks).toBe(25);
  });

  marble('each node says itself how much it can do, and one that does not say has no limit', (m) => {
    const max = ({ metadata }: { metadata: Readonly<Record<string, string>> }) => Number(metadata.slots ?? 0);
    const sets = m.cold('a').pipe(map(() => NodeSet.of([node('x', { metadata: { slots: '2' } })])));
    const policies = [concurrencyLimit({ per: 'node', max })];
    const client = drawnClient(m, { x: m.cold('--(x|)') }, { sets, policies });
    const calls = callsAt(m, client, { a: [1], b: [1], c: [1] });
    m.expectObservable(calls.a).toBe('---(a|)');
    m.expectObservable(calls.b).toBe('---(b|)');
    m.expectObservable(calls.c).toBe('-----(c|)');
    const free = fleet(m, { x: m.cold('--(x|)') }, { max });
    for (let i = 0; i < 5; i++) m.expectObservable(free.call()).toBe('--(x|)');
  });

  marble('a node that says that it can do more takes those who wait, at once', (m) => {
    const slots = ({ weight }: { weight: number }) => weight;
    const [one, three] = [
      [node('x'), node('y')],
      [node('x'), node('y', { weight: 3 })],
    ];
    const sets = m.cold('a--b', { a: one, b: three }).pipe(map((nodes) => NodeSet.of(nodes)));
    const policies = [concurrencyLimit({ per: 'node', max: slots })];
    const answers = { x: m.cold('9ms (x|)'), y: m.cold('9ms (y|)') };
    const client = drawnClient(m, answers, { sets, policies });
    const calls = callsAt(m, client, { a: [1], b: [1], c: [1], d: [1] });
    m.expectObservable(calls.a).toBe('10ms (a|)');
    m.expectObservable(calls.b).toBe('10ms (b|)');
    m.expectObservable(calls.c).toBe('12ms (c|)');
    m.expectObservable(calls.d).toBe('12ms (d|)');
    m.flush();
    expect(client.asked).toEqual(['x', 'y', 'y', 'y']);
  });

  marble('a node that comes takes those who wait', (m) => {
    const sets = m.cold('a--b', { a: [node('x')], b: [node('x'), node('y')] }).pipe(map((nodes) => NodeSet.of(nodes)));
    const policies = [concurrencyLimit({ per: 'node', max: 1 })];
    const client = drawnClient(m, { x: m.cold('9ms (x|)'), y: m.cold('-(y|)') }, { sets, policies });
    const calls = callsAt(m, client, { a: [1], b: [1], c: [1] });
    m.expectObservable(calls.a).toBe('10ms (a|)');
    m.expectObservable(calls.b).toBe('----(b|)');
    m.expectObservable(calls.c).toBe('-----(c|)');
  });

  marble('when the last node goes, those who wait are told that nobody is left', (m) => {
    const sets = m.cold('a-b', { a: [node('x')], b: [] }).pipe(map((nodes) => NodeSet.of(nodes)));
    const policies = [concurrencyLimit({ per: 'node', max: 1 })];
    const client = drawnClient(m, { x: m.cold('9ms (x|)') }, { sets, policies });
    const calls = callsAt(m, client, { a: [1], b: [1] });
    const error = new FleetError(
      'NO_NODES',
      'call: no node can take the call. None is known: start one, or check discovery',
      { sent: false },
    );
    m.expectObservable(calls.a).toBe('10ms (a|)');
    m.expectObservable(calls.b).toBe('--#', {}, error);
  });

  marble('calls that require other nodes do not stand in the way', (m) => {
    const on = (id: string) => ({ requires: { name: id, test: ({ id: has }: { id: string }) => has === id } });
    const client = fleet(m, { x: m.cold('9ms (x|)'), y: m.cold('--(y|)') });
    const calls = callsAt(m, client, {
      ...{ a: [0, on('x')], b: [0, on('y')], c: [1, { ...on('x'), priority: 9 }], d: [1, on('y')], e: [1, on('y')] },
    });
    m.expectObservable(calls.a).toBe('9ms (a|)');
    m.expectObservable(calls.b).toBe('--(b|)');
    m.expectObservable(calls.c).toBe('18ms (c|)');
    m.expectObservable(calls.d).toBe('----(d|)');
    m.expectObservable(calls.e).toBe('------(e|)');
  });

  marble('an attempt that is given up within the refusal of another leaves nothing behind', (m) => {
    const away = new Subject<void>();
    const down = m.cold('-#', {}, new FleetError('UNAVAILABLE', 'down'));
    const client = fleet(m, { x: [down, m.cold('9ms (a|)')] }, { max: 1, queue: { size: 1 } });
    // Its first attempt fails; its second finds the node full, and takes the place in the queue.
    m.expectObservable(client.call({ priority: 1 }).pipe(takeUntil(away))).toBe('---|');
    const calls = callsAt(m, client, { b: [2], c: [2] });
    m.expectObservable(calls.b).toBe('11ms (b|)');
    m.expectObservable(
      calls.c.pipe(
        tap({ error: () => away.next() }),
        catchError(() => EMPTY),
      ),
    ).toBe('---|');
    m.flush();
    expect(report(client)).toMatchObject({ inFlight: 0, waiting: 0, refused: 1 });
    expect(client.asked).toEqual(['x', 'x']);
  });

  marble('a place that is held for one who does not take it is given to the next', (m) => {
    const client = fleet(m, { x: m.cold('---(x|)') });
    m.expectObservable(client.call()).toBe('---(x|)');
    m.expectObservable(client.call({ deadlineMs: 2 })).toBe('--#', {}, expired(2));
    m.expectObservable(client.call(), '-!').toBe('');
    m.expectObservable(client.call()).toBe('------(x|)');
  });

  marble('a failed attempt leaves its place, and the next is for another node', (m) => {
    const down = new FleetError('UNAVAILABLE', 'down');
    const client = fleet(m, { x: [m.cold('--#', {}, down), m.cold('-(x|)')], y: m.cold('-------(y|)') });
    m.expectObservable(client.call()).toBe('-----(x|)');
    m.expectObservable(client.call()).toBe('-------(y|)');
    m.flush();
    expect(report(client)).toMatchObject({ inFlight: 0, waiting: 0 });
  });

  marble('a hedge counts as an attempt, and leaves its place when it is outrun', (m) => {
    const client = fleet(m, { x: m.cold('------(x|)'), y: m.cold('--(y|)') });
    m.expectObservable(client.call({ hedge: { delayMs: 1 } })).toBe('---(y|)');
    m.flush();
    expect(client.asked).toEqual(['x', 'y']);
    expect(report(client)).toMatchObject({ inFlight: 0 });
  });

  marble('a place is not lost where the rate of the node is used up', (m) => {
    const policies = [
      concurrencyLimit({ per: 'node', max: 1 }),
      rateLimit({ per: 'node', perSecond: 250, burst: 1, maxWaitMs: 100 }),
    ];
    const client = drawnClient(m, { x: m.cold('-(x|)') }, { policies });
    for (const expected of ['-(x|)', '-----(x|)', '9ms (x|)']) m.expectObservable(client.call()).toBe(expected);
    m.flush();
    expect(client.running.map((policy) => policy.report!())).toMatchObject([
      { inFlight: 0, waiting: 0 },
      { waiting: 0 },
    ]);
  });

  marble('the account of a pick says of a node that is full how full it is', (m) => {
    const told: unknown[] = [];
    const client = drawnClient(
      m,
      { x: m.cold('---(a|)'), y: m.cold('-(a|)') },
      {
        policies: [concurrencyLimit({ per: 'node', max: 1 })],
        balancer: pickFirst(),
        listener: (event) => event.type === 'decision' && told.push(event.leftOut),
      },
    );
    m.expectObservable(client.call()).toBe('---(a|)');
    m.expectObservable(client.call()).toBe('-(a|)');
    m.flush();
    expect(told[1]).toEqual([{ node: 'x', obstacle: 'limited', reason: 'it runs 1 calls, and its limit is 1' }]);
  });

  marble('a call waits for a node that is full though another is half-open, in whichever order they stand', (m) => {
    const down = new FleetError('UNAVAILABLE', 'down');
    for (const breakerFirst of [true, false]) {
      const breaker = circuitBreaker({ consecutiveFailures: 1, cooldownMs: 4, jitter: 0 });
      const limit = concurrencyLimit({ per: 'node', max: 2 });
      const policies = breakerFirst ? [breaker, limit] : [limit, breaker];
      const answers = { x: m.cold('20ms (x|)'), y: [m.cold('#', {}, down), m.cold('-')] };
      const client = drawnClient(m, answers, { policies });
      // Two run on x until 20 and 21, and d is the probe of y.
      const { a, b, c, d, e } = callsAt(m, client, { a: [0], b: [0, { retry: false }], c: [1], d: [6], e: [7] });
      m.expectObservable(a).toBe('20ms (a|)');
      m.expectObservable(b).toBe('#', {}, failedAt(down, ['y', 0]));
      m.expectObservable(c).toBe('21ms (c|)');
      m.expectObservable(d, '^ 50ms !').toBe('-');
      m.expectObservable(e).toBe('40ms (e|)');
    }
  });

  marble('a place that was held in vain is free again', (m) => {
    const out = { health: 'ejected', healthReason: 'out', ejections: [] } as const;
    const sets = m
      .cold('ab----a', { a: [node('x'), node('y')], b: [node('x', out), node('y')] })
      .pipe(map((nodes) => NodeSet.of(nodes)));
    const policies = [concurrencyLimit({ per: 'node', max: 1 })];
    const client = drawnClient(m, { x: m.cold('---(x|)'), y: m.cold('9ms (y|)') }, { sets, policies });
    const calls = callsAt(m, client, { a: [0], b: [0], c: [0] });
    m.expectObservable(calls.a).toBe('---(a|)');
    m.expectObservable(calls.b).toBe('9ms (b|)');
    // At 3 the place at x is free, but x is out; at 6 it is back.
    m.expectObservable(calls.c).toBe('9ms (c|)');
    m.flush();
    expect(client.asked).toEqual(['x', 'y', 'x']);
  });

  marble('a node that comes back while an attempt still runs on it counts it', (m) => {
    const sets = m.cold('a-b-a', { a: [node('x')], b: [] }).pipe(map((nodes) => NodeSet.of(nodes)));
    const policies = [concurrencyLimit({ per: 'node', max: 1 })];
    const client = drawnClient(m, { x: m.cold('9ms (x|)') }, { sets, policies });
    const calls = callsAt(m, client, { a: [1], b: [5] });
    m.expectObservable(calls.a).toBe('10ms (a|)');
    m.expectObservable(calls.b).toBe('19ms (b|)');
  });
});

function expired(ms: number): FleetError {
  return new FleetError('DEADLINE_EXCEEDED', `call had no answer within ${ms} ms: no node was ready to take it`, {
    sent: false,
  });
}
