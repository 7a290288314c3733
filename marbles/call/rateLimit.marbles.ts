import { map } from 'rxjs';
import type { Limited } from '../../src/call/callEvent.js';
import { circuitBreaker } from '../../src/call/circuitBreaker.js';
import { pickFirst } from '../../src/balancer/pickFirst.js';
import { pickerOf } from '../../src/balancer/pickerOf.js';
import { rateLimit, type RateLimitOptions } from '../../src/call/rateLimit.js';
import { FleetError } from '../../src/core/fleetError.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { callsAt, type DrawnClient } from './callsAt.js';
import { drawnClient, failedAt, node } from './drawnClient.js';

/** One call every 4 ms. */
const slow: RateLimitOptions = { perSecond: 250, burst: 1 };
const patient: RateLimitOptions = { ...slow, maxWaitMs: 100 };

/** A client of one node that answers at once, and calls by letters, of which the small ones are their answers. */
function limited(m: MarbleHelpers, options: RateLimitOptions, answer = 'a') {
  return drawnClient(m, { x: m.cold(`(${answer}|)`) }, { policies: [rateLimit(options)] });
}

const refused = (why: string, remedy = 'call less often, or raise perSecond or maxWaitMs') =>
  new FleetError('RATE_LIMITED', `call: the rate limit of ${why}; ${remedy}`, { sent: false });
const usedUp = (ms: number, maxWaitMs = 0, whose = '') =>
  refused(
    `${whose}250 calls a second is used up: it would have to wait for ${ms} ms, more than maxWaitMs (${maxWaitMs} ms)`,
  );
const overtaken = (ms: number) => {
  const what = `it waited for ${ms} ms (maxWaitMs), since others came first or cost more than was known`;
  return refused(`250 calls a second is used up: ${what}`, 'call less often, or raise its priority or maxWaitMs');
};
const events = (client: DrawnClient) =>
  client.events
    .filter((event): event is Limited => event.type === 'limited')
    .map(({ by, key, result, waitedMs }) => `${by} ${key} ${result} ${waitedMs}`);

describe('rateLimit', () => {
  marble('lets a burst through at once, and refuses what comes too soon after it', (m) => {
    const { call } = limited(m, { ...slow, burst: 2 });
    m.expectObservable(call()).toBe('(a|)');
    m.expectObservable(call()).toBe('(a|)');
    m.expectObservable(call()).toBe('#', {}, usedUp(4));
  });

  marble('is filled again as time passes, and never above the burst', (m) => {
    const client = limited(m, slow);
    const calls = callsAt(m, client, { a: [0], b: [3], c: [4], d: [50], e: [50] });
    m.expectObservable(calls.a).toBe('(a|)');
    m.expectObservable(calls.b).toBe('---#', {}, usedUp(1));
    m.expectObservable(calls.c).toBe('----(c|)');
    m.expectObservable(calls.d).toBe('50ms (d|)');
    m.expectObservable(calls.e).toBe('50ms #', {}, usedUp(4));
  });

  marble('makes those wait who may, each for its turn', (m) => {
    const { call } = limited(m, patient);
    m.expectObservable(call()).toBe('(a|)');
    m.expectObservable(call()).toBe('----(a|)');
    m.expectObservable(call()).toBe('--------(a|)');
  });

  marble('refuses at once who would wait for longer than it may', (m) => {
    const { call } = limited(m, { ...slow, maxWaitMs: 7 });
    m.expectObservable(call()).toBe('(a|)');
    m.expectObservable(call()).toBe('----(a|)');
    m.expectObservable(call()).toBe('#', {}, usedUp(8, 7));
  });

  marble('refuses at once who would wait past its deadline', (m) => {
    const { call } = limited(m, { ...slow, maxWaitMs: Infinity });
    const why = '250 calls a second is used up: it would have to wait for 8 ms, and its deadline is in 8 ms';
    m.expectObservable(call()).toBe('(a|)');
    m.expectObservable(call({ deadlineMs: 8 })).toBe('----(a|)');
    m.expectObservable(call({ deadlineMs: 8 })).toBe('#', {}, refused(why));
    m.expectObservable(call({ deadlineMs: 9 })).toBe('--------(a|)');
  });

  marble('lets calls of higher priority in first, and equal ones as they came', (m) => {
    const client = limited(m, patient);
    const calls = callsAt(m, client, {
      a: [0],
      b: [1],
      c: [1, { priority: 5 }],
      d: [2, { priority: 1 }],
      e: [3, { priority: 5 }],
    });
    m.expectObservable(calls.a).toBe('(a|)');
    m.expectObservable(calls.c).toBe('4ms (c|)');
    m.expectObservable(calls.e).toBe('8ms (e|)');
    m.expectObservable(calls.d).toBe('12ms (d|)');
    m.expectObservable(calls.b).toBe('16ms (b|)');
  });

  marble('a call of higher priority waits behind its equals alone, so it is not refused for the others', (m) => {
    const { call } = limited(m, { ...slow, maxWaitMs: 8 });
    m.expectObservable(call()).toBe('(a|)');
    m.expectObservable(call()).toBe('--------(a|)');
    m.expectObservable(call({ priority: -1 })).toBe('--------#', {}, overtaken(8));
    m.expectObservable(call({ priority: -1 })).toBe('#', {}, usedUp(12, 8));
    m.expectObservable(call({ priority: 1 })).toBe('----(a|)');
  });

  marble('who is overtaken for too long is told so when its time is up', (m) => {
    const client = limited(m, { ...slow, maxWaitMs: 6 });
    const calls = callsAt(m, client, { a: [0], b: [0], c: [2, { priority: 1 }] });
    m.expectObservable(calls.a).toBe('(a|)');
    m.expectObservable(calls.c).toBe('----(c|)');
    m.expectObservable(calls.b).toBe('------#', {}, overtaken(6));
  });

  marble('a caller who leaves gives the place to those behind', (m) => {
    const { call } = limited(m, patient);
    m.expectObservable(call()).toBe('(a|)');
    m.expectObservable(call(), '-!').toBe('');
    m.expectObservable(call()).toBe('----(a|)');
  });

  marble('a deadline that comes while it waits ends the wait', (m) => {
    const client = limited(m, patient);
    const calls = callsAt(m, client, { a: [0], b: [0, { deadlineMs: 6 }], c: [1, { priority: 1 }], d: [2] });
    const error = new FleetError('DEADLINE_EXCEEDED', 'call had no answer within 6 ms: it never came to a node', {
      sent: false,
    });
    m.expectObservable(calls.a).toBe('(a|)');
    m.expectObservable(calls.c).toBe('----(c|)');
    m.expectObservable(calls.b).toBe('------#', {}, error);
    m.expectObservable(calls.d).toBe('--------(d|)');
  });

  marble('counts by what calls cost, and refuses for ever what is more than the burst', (m) => {
    const { call } = limited(m, { perSecond: 1_000, burst: 10, by: 'tokens', maxWaitMs: 100 });
    m.expectObservable(call({ cost: { tokens: 10 } })).toBe('(a|)');
    m.expectObservable(call({ cost: { tokens: 5 } })).toBe('-----(a|)');
    m.expectObservable(call({ cost: { tokens: 2 } })).toBe('-------(a|)');
    const why = '1000 tokens a second: its 11 tokens are more than the burst of 10, so it would never pass';
    m.expectObservable(call({ cost: { tokens: 11 } })).toBe(
      '#',
      {},
      refused(why, 'ask for less at once, or raise burst'),
    );
  });

  marble('what nobody knows the cost of costs nothing', (m) => {
    const { call } = limited(m, { ...slow, by: 'bytes' });
    m.expectObservable(call()).toBe('(a|)');
    m.expectObservable(call()).toBe('(a|)');
  });

  marble('a cost that makes no sense fails the call, not the client', (m) => {
    const client = limited(m, { ...slow, by: ({ options }) => options.priority! });
    const error = new FleetError(
      'INVALID_OPTION',
      'call: what rateLimit.by says must be a number of at least 0, not undefined',
    );
    m.expectObservable(client.call()).toBe('#', {}, error);
    m.expectObservable(client.call({ priority: 1 })).toBe('(a|)');
  });

  marble('each key has a bucket of its own', (m) => {
    const { call } = limited(m, { ...slow, per: ({ metadata }) => metadata?.tenant as string });
    const a = { metadata: { tenant: 'a' } };
    m.expectObservable(call(a)).toBe('(a|)');
    m.expectObservable(call(a)).toBe('#', {}, usedUp(4, 0, 'a of '));
    m.expectObservable(call({ metadata: { tenant: 'b' } })).toBe('(a|)');
    m.expectObservable(call()).toBe('(a|)');
    m.expectObservable(call()).toBe('#', {}, usedUp(4));
  });

  marble('a call counts once, however many attempts it takes', (m) => {
    const down = new FleetError('UNAVAILABLE', 'down');
    const answers = { x: m.cold('#', {}, down), y: m.cold('(a|)') };
    const client = drawnClient(m, answers, { policies: [rateLimit(slow)] });
    m.expectObservable(client.call()).toBe('--(a|)');
    m.flush();
    expect(client.ended).toEqual(['x failed 0', 'y ok 0']);
  });

  marble('a refused call never came to a node, and counts against none', (m) => {
    const client = limited(m, slow);
    m.expectObservable(client.call()).toBe('(a|)');
    m.expectObservable(client.call()).toBe('#', {}, usedUp(4));
    m.flush();
    expect(client.asked).toEqual(['x']);
    expect(client.ended).toEqual(['x ok 0']);
  });

  marble('what a call has cost beyond what it paid is waited for by those who follow', (m) => {
    const client = limited(m, { ...patient, settle: (_, code) => (code === 'OK' ? 2 : 0) });
    const calls = callsAt(m, client, { a: [0], b: [1] });
    m.expectObservable(calls.a).toBe('(a|)');
    m.expectObservable(calls.b).toBe('12ms (b|)');
  });

  marble('what a call paid and did not need is given back', (m) => {
    const client = limited(m, { ...slow, settle: () => -1 });
    const calls = callsAt(m, client, { a: [0], b: [1], c: [2] });
    m.expectObservable(calls.a).toBe('(a|)');
    m.expectObservable(calls.b).toBe('-(b|)');
    m.expectObservable(calls.c).toBe('--(c|)');
  });

  marble('tells of waits and refusals, and sums them up', (m) => {
    const client = limited(m, { ...slow, maxWaitMs: 4, name: 'quota' });
    for (let i = 0; i < 3; i++) client.call().subscribe({ error: () => undefined });
    expect(client.running[0]!.report!()).toMatchObject({
      ...{ perSecond: 250, burst: 1, buckets: 1, waiting: 1, waited: 0, refused: 1, waitedMs: undefined },
      used: { '': { available: 0, waiting: 1 } },
    });
    m.flush();
    expect(events(client)).toEqual(['quota  refused 0', 'quota  waited 4']);
    expect(client.running[0]!.report!()).toMatchObject({ waiting: 0, waited: 1, refused: 1 });
  });

  marble('a client that is closed sends away who waits', (m) => {
    const client = limited(m, patient);
    m.expectObservable(client.call()).toBe('(a|)');
    m.expectObservable(client.call()).toBe(
      '-#',
      {},
      new FleetError('CLOSED', 'call: the client was closed', { sent: false }),
    );
    m.scheduler.schedule(() => client.running[0]!.close(), 1);
  });
});

describe('rateLimit of nodes', () => {
  const two = (m: MarbleHelpers, options: RateLimitOptions) =>
    drawnClient(m, { x: m.cold('(x|)'), y: m.cold('(y|)') }, { policies: [rateLimit({ ...options, per: 'node' })] });

  marble('a node without tokens is passed over', (m) => {
    const { call } = two(m, slow);
    m.expectObservable(call()).toBe('(x|)');
    m.expectObservable(call()).toBe('(y|)');
    m.expectObservable(call()).toBe('#', {}, usedUp(4, 0, 'x of '));
  });

  marble('when all are used up, a call waits for the first that has tokens again', (m) => {
    const client = two(m, patient);
    const calls = callsAt(m, client, { a: [0], b: [1], c: [2], d: [2], e: [2] });
    m.expectObservable(calls.a).toBe('(a|)');
    m.expectObservable(calls.b).toBe('-(b|)');
    m.expectObservable(calls.c).toBe('----(c|)');
    m.expectObservable(calls.d).toBe('-----(d|)');
    m.expectObservable(calls.e).toBe('--------(e|)');
    m.flush();
    expect(client.asked).toEqual(['x', 'y', 'x', 'y', 'x']);
    expect(events(client)).toEqual(['rateLimit x waited 2', 'rateLimit y waited 3', 'rateLimit x waited 6']);
  });

  marble('tokens that were held for a call are given back when it goes elsewhere', (m) => {
    const favourite = () => (m.scheduler.now() < 4 ? 'x' : 'y');
    const balancer = map((set: NodeSet) =>
      pickerOf(set, (nodes) => nodes.find(({ id }) => id === favourite()) ?? nodes[0]),
    );
    const policies = [rateLimit({ ...patient, per: 'node' })];
    const client = drawnClient(m, { x: m.cold('(x|)'), y: m.cold('(y|)') }, { balancer, policies });
    // c waits for x, and when its time has come y has tokens as well, and is liked better.
    const calls = callsAt(m, client, { a: [0], b: [0], c: [1], d: [5] });
    m.expectObservable(calls.c).toBe('----(c|)');
    m.expectObservable(calls.d).toBe('-----(d|)');
    m.expectObservable(calls.a).toBe('(a|)');
    m.expectObservable(calls.b).toBe('(b|)');
    m.flush();
    expect(client.asked).toEqual(['x', 'y', 'y', 'x']);
  });

  marble('a call waits for tokens of a node though another, which has some, is half-open', (m) => {
    const down = new FleetError('UNAVAILABLE', 'down');
    const policies = [
      rateLimit({ ...patient, per: 'node' }),
      circuitBreaker({ consecutiveFailures: 1, cooldownMs: 4, jitter: 0 }),
    ];
    const answers = { x: m.cold('(x|)'), y: [m.cold('#', {}, down), m.cold('-')] };
    const client = drawnClient(m, answers, { policies, balancer: pickFirst() });
    // At 5 c goes to x, and d is the probe of y; at 9 both have tokens again.
    const calls = callsAt(m, client, { a: [0], b: [0, { retry: false }], c: [5], d: [5], e: [9], f: [10] });
    m.expectObservable(calls.a).toBe('(a|)');
    m.expectObservable(calls.b).toBe('#', {}, failedAt(down, ['y', 0]));
    m.expectObservable(calls.c).toBe('-----(c|)');
    m.expectObservable(calls.d, '^ 20ms !').toBe('-');
    m.expectObservable(calls.e).toBe('---------(e|)');
    m.expectObservable(calls.f).toBe('-------------(f|)');
  });

  marble('each attempt counts', (m) => {
    const down = new FleetError('UNAVAILABLE', 'down');
    const client = drawnClient(m, { x: m.cold('#', {}, down) }, { policies: [rateLimit({ ...patient, per: 'node' })] });
    m.expectObservable(client.call({ retry: { initialBackoffMs: 1, maxAttempts: 2 } })).toBe(
      '----#',
      {},
      failedAt(down, ['x', 0], ['x', 0]),
    );
  });

  marble('a node that goes sends those who wait for it to the others', (m) => {
    const sets = m.cold('a-b', { a: [node('x')], b: [node('y')] }).pipe(map((nodes) => NodeSet.of(nodes)));
    const policies = [rateLimit({ perSecond: 10, burst: 1, maxWaitMs: 200, per: 'node' })];
    const client = drawnClient(m, { x: m.cold('(x|)'), y: m.cold('(y|)') }, { sets, policies });
    const calls = callsAt(m, client, { a: [1], b: [1] });
    m.expectObservable(calls.a).toBe('-(a|)');
    m.expectObservable(calls.b).toBe('--(b|)');
    m.flush();
    expect(client.asked).toEqual(['x', 'y']);
  });

  marble('a caller who leaves gives back the tokens that were to come', (m) => {
    const { call } = two(m, patient);
    m.expectObservable(call()).toBe('(x|)');
    m.expectObservable(call()).toBe('(y|)');
    m.expectObservable(call(), '-!').toBe('');
    m.expectObservable(call(), '-!').toBe('');
    m.expectObservable(call()).toBe('----(y|)');
  });
});
