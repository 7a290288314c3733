/** Pushes to a Pushgateway that does what the test says, over a real socket. */

import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import {
  prometheusMetrics,
  pushPrometheus,
  type PrometheusMetricsOptions,
  type PrometheusPusher,
  type PushEvent,
  type PushPrometheusOptions,
} from '../../../src/metrics/prometheus.js';
import { freePort } from '../../support/prometheus.js';
import { hurried } from '../../support/hurried.js';
import { until } from '../../support/until.js';
import { scriptedFleet } from './scriptedFleet.js';

interface Pushed {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

let server: Server;
let url: string;
let pushes: Pushed[];
/** What it does with a push. Default: takes it. */
let react: (response: ServerResponse) => void;
const pushers: PrometheusPusher[] = [];

beforeEach(async () => {
  pushes = [];
  react = (response) => response.end();
  server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    pushes.push({ method: request.method!, url: request.url!, headers: request.headers, body });
    react(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  react = (response) => response.end();
  await Promise.all(pushers.splice(0).map((pusher) => pusher.close()));
  server.closeAllConnections();
  server.close();
});

const answer =
  (status: number, text = '') =>
  (response: ServerResponse) => {
    response.statusCode = status;
    response.end(text);
  };

function push(options: Partial<PushPrometheusOptions & PrometheusMetricsOptions> = {}) {
  const world = scriptedFleet();
  const events: PushEvent[] = [];
  // A hundred times as fast: a second takes ten milliseconds.
  const pusher = pushPrometheus(world.fleet, {
    ...{ url, job: 'nightly', scheduler: hurried(100), random: () => 0.5 },
    ...{ onEvent: (event: PushEvent) => events.push(event), timeoutMs: 60_000, closeMs: 60_000 },
    ...options,
  });
  pushers.push(pusher);
  return { world, pusher, events };
}

describe('pushPrometheus', () => {
  it('pushes at once and again and again, each time all of the group of this process', async () => {
    const { pusher, events } = push();
    await until('it has pushed three times', () => events.length >= 3);
    const path = `/metrics/job/nightly/instance/${encodeURIComponent(`${hostname()}:${process.pid}`)}`;
    expect(pusher.url).toBe(url + path);
    for (const { method, url: asked, headers, body } of pushes) {
      expect([method, asked, headers['content-type']]).toEqual([
        'PUT',
        path,
        'text/plain; version=0.0.4; charset=utf-8',
      ]);
      expect(body).toContain('# TYPE grpc_client_call_duration_seconds histogram');
    }
    expect(events[0]).toMatchObject({ type: 'pushed', bytes: Buffer.byteLength(pushes[0]!.body) });
  });

  it('pushes a last time at the end, with what has happened since', async () => {
    const { world, pusher } = push({ intervalMs: 3_600_000 });
    await until('it has pushed', () => pushes.length === 1);
    world.end(world.begin());
    await pusher.close();
    await pusher.close();
    expect(pushes).toHaveLength(2);
    expect(pushes[1]!.body).toContain('grpc_client_call_duration_seconds_count{grpc_target="greeter"');
    expect(pusher.metrics.registry.getMetricsAsArray()).toEqual([]);
  });

  it('ends with its client, after a last push', async () => {
    const { world, pusher, events } = push({ intervalMs: Infinity });
    expect(pushes).toEqual([]);
    world.end(world.begin());
    world.close();
    await until('the last push is through', () => events.length === 1);
    await pusher.close();
    expect(pushes).toHaveLength(1);
    expect(pushes[0]!.body).toMatch(/grpc_client_call_duration_seconds_count\{[^}]*\} 1/);
  });

  it('goes on with metrics that somebody keeps, and leaves them at the end', async () => {
    const metrics = prometheusMetrics(scriptedFleet().fleet);
    const pusher = pushPrometheus(metrics, { url, job: 'x', intervalMs: Infinity });
    await pusher.push();
    await pusher.close();
    expect(pushes).toHaveLength(2);
    expect(metrics.registry.getMetricsAsArray().length).toBeGreaterThan(0);
    await metrics.close();
  });

  it('never pushes nothing, which would delete the group', async () => {
    const metrics = prometheusMetrics(scriptedFleet().fleet);
    const pusher = pushPrometheus(metrics, { url, job: 'x', intervalMs: Infinity });
    await metrics.close();
    await pusher.push();
    await pusher.close();
    expect(pushes).toEqual([]);
  });

  it('tries again later and later while the gateway fails, and as usual once it works', async () => {
    react = answer(503, 'out of service\nfor a while');
    const { events } = push({ intervalMs: 5_000 });
    await until('it has failed four times', () => events.length >= 4);
    const failures = events.slice(0, 4) as Extract<PushEvent, { type: 'failed' }>[];
    expect(failures.map(({ retryInMs }) => retryInMs)).toEqual([1_000, 2_000, 4_000, 8_000]);
    expect(failures[0]!.error).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('HTTP 503: out of service'),
    });
    expect(failures[0]!.error.message).not.toContain('a while');
    react = (response) => response.end();
    await until('it pushes again', () => events.at(-1)!.type === 'pushed');
    react = answer(400);
    await until('it fails anew', () => events.at(-1)!.type === 'failed');
    expect(events.at(-1)).toMatchObject({ retryInMs: 1_000, error: { code: 'INVALID_ARGUMENT' } });
  });

  it('gives up on a gateway that says nothing, and one that is not there, and says which', async () => {
    react = () => undefined;
    const silent = push({ timeoutMs: 1_000, intervalMs: 1_000 });
    await until('it has given up', () => silent.events.length > 0);
    expect(silent.events[0]).toMatchObject({ type: 'failed', error: { code: 'DEADLINE_EXCEEDED' } });
    const absent = push({ url: `http://127.0.0.1:${await freePort()}`, closeMs: 0 });
    await until('it has failed', () => absent.events.length > 0);
    expect(absent.events[0]).toMatchObject({
      type: 'failed',
      error: {
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/),
      },
    });
  });

  it('tries the last push again as long as there is time', async () => {
    const { pusher, events } = push({ intervalMs: Infinity, closeMs: 60_000 });
    let left = 2;
    react = (response) => (left-- > 0 ? answer(500)(response) : response.end());
    await pusher.close();
    expect(events.map(({ type }) => type)).toEqual(['failed', 'failed', 'pushed']);
  });

  it('ends in time when the last push does not get through, and says so', async () => {
    react = answer(500);
    const { pusher, events } = push({ intervalMs: Infinity, closeMs: 2_000 });
    await pusher.close();
    expect(events.length).toBeGreaterThan(1);
    expect(events.at(-1)).toMatchObject({
      type: 'failed',
      retryInMs: undefined,
      error: { code: 'DEADLINE_EXCEEDED', message: expect.stringContaining('last push within 2000 ms') },
    });
  });

  it('deletes the group instead, where that is wanted', async () => {
    const { pusher, events } = push({ intervalMs: Infinity, deleteOnClose: true });
    await pusher.close();
    expect(pushes.map(({ method, url: asked, body }) => [method, url + asked, body])).toEqual([
      ['DELETE', pusher.url, ''],
    ]);
    expect(events.map(({ type }) => type)).toEqual(['deleted']);
  });

  it('sends the headers that it is given, made anew for each push, and posts where it is told to', async () => {
    let token = 0;
    const { pusher } = push({
      method: 'POST',
      intervalMs: Infinity,
      headers: () => ({ authorization: `Bearer t-${++token}` }),
    });
    await pusher.push();
    await pusher.push();
    expect(pushes.map(({ method, headers }) => [method, headers.authorization])).toEqual([
      ['POST', 'Bearer t-1'],
      ['POST', 'Bearer t-2'],
    ]);
  });

  it('follows no redirect with them', async () => {
    react = (response) => {
      response.setHeader('location', `${url}/elsewhere`);
      answer(302)(response);
    };
    const { pusher } = push({ intervalMs: Infinity, headers: { authorization: 'secret' }, closeMs: 0 });
    await expect(pusher.push()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(pushes).toHaveLength(1);
  });

  it('goes on when those who look on throw, and when the metrics or headers of others do', async () => {
    const { pusher } = push({
      intervalMs: 1_000,
      onEvent: () => {
        throw new Error('no');
      },
    });
    await until('it has pushed twice', () => pushes.length >= 2);
    await pusher.close();
    const { events } = push({
      headers: () => {
        throw new Error('no token');
      },
      closeMs: 0,
    });
    await until('it has failed', () => events.length > 0);
    expect(events[0]).toMatchObject({ type: 'failed', error: { message: 'no token' } });
  });

  it('groups metrics that have a label instance by another', async () => {
    const { pusher } = push({ preset: 'seeds', intervalMs: Infinity, instance: 'p-1' });
    expect(pusher.url).toBe(`${url}/metrics/job/nightly/pusher/p-1`);
  });

  it('refuses senseless options by name, and begins nothing', async () => {
    const cases: [string, Partial<PushPrometheusOptions & PrometheusMetricsOptions>][] = [
      ['url', { url: 'nowhere' }],
      ['url', { url: 'ftp://x' }],
      ['url', { url: 'http://x/?a=b' }],
      ['url', { url: 'http://user:secret@x' }],
      ['url', { url: 'user:secret@x' }],
      ['url', { url: undefined as never }],
      ['job', { job: '' }],
      ['instance', { instance: '' }],
      ['instanceLabel', { instanceLabel: 'a-b' }],
      ['instanceLabel', { instanceLabel: 'job' }],
      ['instanceLabel', { preset: 'seeds', instanceLabel: 'instance' }],
      ['grouping', { grouping: { instance: 'x' } }],
      ['grouping', { grouping: { __x: 'x' } }],
      ['grouping', { grouping: { grpc_method: 'x' } }],
      ['intervalMs', { intervalMs: 0 }],
      ['intervalMs', { intervalMs: NaN }],
      ['intervalMs', { intervalMs: 2 ** 31 }],
      ['method', { method: 'PATCH' as never }],
      ['timeoutMs', { timeoutMs: 0 }],
      ['closeMs', { closeMs: -1 }],
      ['buckets', { buckets: [] }],
    ];
    for (const [field, options] of cases) {
      let error: unknown;
      try {
        push(options);
      } catch (thrown) {
        error = thrown;
      }
      expect(error, JSON.stringify(options)).toMatchObject({ code: 'INVALID_OPTION' });
      expect((error as Error).message).toContain(field);
      expect((error as Error).message).not.toContain('secret');
    }
    expect(pushes).toEqual([]);
  });
});
