/** Queries to a Prometheus that answers as the test says, over a real socket. */

import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { firstValueFrom, Subscription, take, toArray } from 'rxjs';
import {
  promql,
  promqlFailoverRate,
  promqlLatencies,
  type PromqlEvent,
  type PromqlLatenciesOptions,
  type PromSample,
} from '../../../src/metrics/prometheus.js';
import { hurried } from '../../support/hurried.js';
import { until } from '../../support/until.js';

type Row = readonly [labels: Record<string, string>, value: string];

let server: Server;
let url: string;
let asked: URL[];
/** The answers in turn; the last stays. */
let answers: ((response: ServerResponse) => void)[];
const life = { subscriptions: new Subscription() };

beforeEach(async () => {
  asked = [];
  life.subscriptions = new Subscription();
  server = createServer((request, response) => {
    asked.push(new URL(request.url!, 'http://x'));
    (answers.length > 1 ? answers.shift()! : answers[0]!)(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  life.subscriptions.unsubscribe();
  server.closeAllConnections();
  server.close();
});

const says =
  (body: unknown, status = 200) =>
  (response: ServerResponse) => {
    response.statusCode = status;
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
const vector = (...rows: Row[]) =>
  says({
    status: 'success',
    data: {
      resultType: 'vector',
      result: rows.map(([metric, value]) => ({ metric, value: [1_700_000_000.5, value] })),
    },
  });
const refuses = says({ status: 'error', errorType: 'bad_data', error: 'parse error' }, 400);
const hangs = () => undefined;

// A hundred times as fast: a second takes ten milliseconds.
const connection = () => ({ url, scheduler: hurried(100), random: () => 0.5, timeoutMs: 60_000 });

function latencies(options: Partial<PromqlLatenciesOptions> = {}) {
  const events: PromqlEvent[] = [];
  const seen: Record<string, number>[] = [];
  const latencies$ = promqlLatencies({
    ...connection(),
    intervalMs: 1_000,
    onEvent: (event) => events.push(event),
    ...options,
  });
  life.subscriptions.add(latencies$.subscribe((found) => seen.push(Object.fromEntries(found))));
  return { events, seen };
}

describe('promql', () => {
  it('asks nothing before somebody listens, and no more once nobody does', async () => {
    answers = [vector()];
    const answers$ = promql({ ...connection(), query: 'up', intervalMs: 100 });
    expect(asked).toEqual([]);
    await firstValueFrom(answers$.pipe(take(3), toArray()));
    const count = asked.length;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(asked).toHaveLength(count);
  });

  it('gives the samples with their labels, also those that are no numbers', async () => {
    answers = [vector([{ job: 'a' }, '1.5'], [{}, 'NaN'], [{}, '+Inf'], [{}, '-Inf'])];
    const samples = await firstValueFrom(promql({ ...connection(), query: 'sum(up)' }));
    expect(samples).toEqual<PromSample[]>([
      { labels: { job: 'a' }, value: 1.5, at: 1_700_000_000_500 },
      { labels: {}, value: NaN, at: 1_700_000_000_500 },
      { labels: {}, value: Infinity, at: 1_700_000_000_500 },
      { labels: {}, value: -Infinity, at: 1_700_000_000_500 },
    ]);
    expect(asked[0]!.pathname).toBe('/api/v1/query');
    expect(asked[0]!.searchParams.get('query')).toBe('sum(up)');
    expect(asked[0]!.searchParams.get('timeout')).toBe('60000ms');
  });

  it('takes a number for a vector of one, and a path before its own', async () => {
    answers = [says({ status: 'success', data: { resultType: 'scalar', result: [1, '42'] } })];
    const samples = await firstValueFrom(promql({ ...connection(), url: `${url}/prom/`, query: 'scalar(x)' }));
    expect(samples).toEqual([{ labels: {}, value: 42, at: 1_000 }]);
    expect(asked[0]!.pathname).toBe('/prom/api/v1/query');
  });

  it('passes warnings on to who looks on', async () => {
    answers = [says({ status: 'success', warnings: ['partial'], data: { resultType: 'vector', result: [] } })];
    const events: PromqlEvent[] = [];
    await firstValueFrom(promql({ ...connection(), query: 'x', onEvent: (event) => events.push(event) }));
    expect(events).toMatchObject([{ type: 'answered', samples: 0, warnings: ['partial'] }]);
  });

  it('is silent while Prometheus cannot answer, says why, asks less and less often, and goes on', async () => {
    answers = [
      refuses,
      says('<html>a proxy says no</html>', 502),
      says('not JSON'),
      says({ status: 'success', data: { resultType: 'matrix', result: [] } }),
      says([]),
      says('null'),
      (response) => response.destroy(),
      vector([{}, '7']),
    ];
    const events: PromqlEvent[] = [];
    const options = {
      ...connection(),
      query: 'x',
      intervalMs: 1_000,
      onEvent: (event: PromqlEvent) => events.push(event),
    };
    const [sample] = await firstValueFrom(promql(options));
    expect(sample).toMatchObject({ value: 7 });
    const failures = events.slice(0, -1) as Extract<PromqlEvent, { type: 'failed' }>[];
    expect(failures.map(({ error }) => [error.code, error.detail.replace(url, 'URL')])).toEqual([
      ['INVALID_ARGUMENT', 'Prometheus at URL refused the query: bad_data: parse error'],
      ['UNAVAILABLE', 'Prometheus at URL answered HTTP 502: <html>a proxy says no</html>'],
      ['BAD_RESPONSE', expect.stringContaining('something else than an answer')],
      ['BAD_RESPONSE', expect.stringContaining('a matrix')],
      ['BAD_RESPONSE', expect.stringContaining('something else')],
      ['BAD_RESPONSE', expect.stringContaining('something else')],
      ['UNAVAILABLE', expect.stringContaining('cannot be reached')],
    ]);
    expect(failures.map(({ retryInMs }) => retryInMs)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
  });

  it('gives up on one that is slow', async () => {
    answers = [hangs, vector([{}, '7'])];
    const events: PromqlEvent[] = [];
    const options = {
      ...connection(),
      timeoutMs: 2_000,
      query: 'x',
      onEvent: (event: PromqlEvent) => events.push(event),
    };
    await firstValueFrom(promql(options));
    expect(events[0]).toMatchObject({ type: 'failed', error: { code: 'DEADLINE_EXCEEDED' } });
  });

  it('refuses senseless options by name', () => {
    const cases: [string, object][] = [
      ['url', { url: 'nowhere' }],
      ['query', { query: ' ' }],
      ['intervalMs', { intervalMs: 0 }],
      ['intervalMs', { intervalMs: NaN }],
      ['timeoutMs', { timeoutMs: Infinity }],
    ];
    for (const [field, options] of cases) {
      const error = expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(field) });
      expect(() => promql({ ...connection(), query: 'x', ...options })).toThrow(error);
    }
    const bad: [string, object][] = [
      ['preset', { preset: 'otel' }],
      ['label', { label: 'a-b' }],
      ['windowMs', { windowMs: 0 }],
      ['windowMs', { windowMs: Infinity }],
      ['keepMs', { keepMs: NaN }],
    ];
    for (const [field, options] of bad) {
      const error = expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(field) });
      expect(() => promqlLatencies({ ...connection(), ...options })).toThrow(error);
    }
    expect(() => promqlFailoverRate({ ...connection(), preset: 'otel' as never })).toThrow(/preset/);
  });
});

describe('promqlLatencies', () => {
  it('asks once for all nodes, in the words of the metrics that we keep', async () => {
    answers = [vector([{ node: 'a' }, '0.012'], [{ node: 'b' }, '0.25'])];
    const { seen } = latencies({ service: 'cart' });
    await until('there is an answer', () => seen.length > 0);
    expect(seen[0]).toEqual({ a: 12, b: 250 });
    const rate = (part: string) =>
      `sum by (node) (rate(rxfleet_node_latency_seconds_${part}{grpc_target="cart"}[60s]))`;
    expect(asked[0]!.searchParams.get('query')).toBe(`${rate('sum')} / ${rate('count')}`);
  });

  it('asks in the words of fyer-rpc, of successes alone', async () => {
    answers = [vector([{ exported_instance: '10.0.0.1:1' }, '0.5'])];
    const { seen } = latencies({
      ...{ preset: 'seeds', service: 'a"b\\c', label: 'exported_instance', windowMs: 1_500, prefix: 'edge_' },
    });
    await until('there is an answer', () => seen.length > 0);
    expect(seen[0]).toEqual({ '10.0.0.1:1': 500 });
    const rate = (part: string) =>
      `sum by (exported_instance) (rate(edge_rpc_response_time_seconds_${part}{service="a\\"b\\\\c",status="success"}[1500ms]))`;
    expect(asked[0]!.searchParams.get('query')).toBe(`${rate('sum')} / ${rate('count')}`);
  });

  it('says nothing of nodes of which nothing is known: not 0, for 0/0 is no latency', async () => {
    answers = [
      vector([{ node: 'a' }, 'NaN'], [{ node: 'b' }, '+Inf'], [{ node: 'c' }, '-1'], [{}, '1'], [{ node: 'd' }, '0.1']),
    ];
    const { seen } = latencies();
    await until('there is an answer', () => seen.length > 0);
    expect(seen[0]).toEqual({ d: 100 });
  });

  it('takes no nonsense for 0', async () => {
    const values: unknown[] = [[1, ''], [1, null], [1, 5], [1], [], null, 'x', {}, [1, 'abc'], [1, ' ']];
    const result = values.map((value, i) => ({ metric: { node: `n-${i}` }, value }));
    answers = [
      says({ status: 'success', data: { resultType: 'vector', result: [...result, null, { value: [1, '1'] }] } }),
    ];
    const { seen } = latencies();
    await until('there is an answer', () => seen.length > 0);
    expect(seen[0]).toEqual({});
  });

  it('says that nothing is known when Prometheus knows nothing', async () => {
    answers = [vector()];
    const { seen } = latencies();
    await until('there is an answer', () => seen.length > 0);
    expect(seen[0]).toEqual({});
  });

  it('takes the mean of several series of a node, as a query of the users own may give them', async () => {
    answers = [
      vector([{ node: 'a', method: 'x' }, '0.1'], [{ node: 'a', method: 'y' }, '0.3'], [{ node: 'a' }, 'NaN']),
    ];
    const { seen } = latencies({ query: 'my_latency' });
    await until('there is an answer', () => seen.length > 0);
    expect(seen[0]!.a).toBeCloseTo(200);
    expect(asked[0]!.searchParams.get('query')).toBe('my_latency');
  });

  it('keeps what it knew of a node that had no calls, and of all while Prometheus is down, slow or wrong', async () => {
    const known = vector([{ node: 'a' }, '0.1'], [{ node: 'b' }, '0.2']);
    const idle = vector([{ node: 'a' }, 'NaN'], [{ node: 'b' }, '0.3']);
    answers = [known, idle, refuses, (response) => response.destroy(), vector(), idle];
    const { seen, events } = latencies();
    await until('it has answered often enough', () => seen.length >= 4);
    expect(seen.slice(0, 4)).toEqual([
      { a: 100, b: 200 },
      { a: 100, b: 300 },
      { a: 100, b: 300 },
      { a: 100, b: 300 },
    ]);
    expect(events.filter(({ type }) => type === 'failed')).toHaveLength(2);
  });

  it('forgets in the end what nobody has confirmed, so that a node that gets no calls may be tried again', async () => {
    answers = [vector([{ node: 'a' }, '0.1'], [{ node: 'b' }, '0.2']), vector([{ node: 'b' }, '0.2'])];
    const { seen } = latencies({ keepMs: 4_000 });
    await until('one is forgotten', () => seen.some((each) => !('a' in each)));
    expect(seen[1]).toEqual({ a: 100, b: 200 });
    expect(seen.at(-1)).toEqual({ b: 200 });
    // Without Prometheus, too, and it is told.
    answers = [refuses];
    await until('all are forgotten', () => Object.keys(seen.at(-1)!).length === 0, 20_000);
  });

  it('is silent until there was a first answer', async () => {
    answers = [refuses, refuses, vector([{ node: 'a' }, '1'])];
    const { seen, events } = latencies({ keepMs: 1 });
    await until('there is an answer', () => seen.length > 0);
    expect(seen[0]).toEqual({ a: 1_000 });
    expect(events.filter(({ type }) => type === 'failed')).toHaveLength(2);
  });

  it('begins anew with each who listens', async () => {
    answers = [vector([{ node: 'a' }, '1'])];
    const latencies$ = promqlLatencies({ ...connection() });
    expect(asked).toHaveLength(0);
    const both = await Promise.all([firstValueFrom(latencies$), firstValueFrom(latencies$)]);
    expect(both.map((each) => each.get('a'))).toEqual([1_000, 1_000]);
    expect(asked).toHaveLength(2);
  });
});

describe('promqlFailoverRate', () => {
  it('asks as fyer-rpc does, and for our own names by default', async () => {
    answers = [vector([{}, '0.25'])];
    expect(await firstValueFrom(promqlFailoverRate({ ...connection(), service: 's' }))).toBe(0.25);
    expect(await firstValueFrom(promqlFailoverRate({ ...connection(), service: 's', preset: 'seeds' }))).toBe(0.25);
    expect(asked.map((each) => each.searchParams.get('query'))).toEqual([
      '(sum(rate(rxfleet_failovers_total{grpc_target="s"}[300s])) or vector(0)) / sum(rate(grpc_client_attempt_started_total{grpc_target="s"}[300s]))',
      '(sum(rate(rpc_failover_total{service="s"}[300s])) or vector(0)) / sum(rate(rpc_requests_total{service="s"}[300s]))',
    ]);
  });

  it('is silent while there are no calls', async () => {
    answers = [vector([{}, 'NaN']), vector(), vector([{}, '0'])];
    expect(await firstValueFrom(promqlFailoverRate({ ...connection(), intervalMs: 100 }))).toBe(0);
    expect(asked).toHaveLength(3);
  });
});
