/** The metrics over HTTP, asked for by hand. */

import { createServer, get, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { createConnection, type AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { Gauge } from 'prom-client';
import {
  prometheusMetrics,
  Registry,
  servePrometheus,
  type PrometheusMetricsOptions,
  type PrometheusServer,
  type ServePrometheusOptions,
} from '../../../src/metrics/prometheus.js';
import { scriptedFleet } from './scriptedFleet.js';

const servers: PrometheusServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(options: ServePrometheusOptions & PrometheusMetricsOptions = {}, service = 'greeter') {
  const world = scriptedFleet(service);
  const server = await servePrometheus(world.fleet, { port: 0, ...options });
  servers.push(server);
  return { world, server };
}

/** Below fetch, which unpacks and follows by itself. */
async function ask(url: string, headers: Record<string, string> = {}, method = 'GET') {
  const request = get(url, { headers, method, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) };
}

describe('servePrometheus', () => {
  it('serves the metrics where it says, on this machine alone', async () => {
    const { world, server } = await serve();
    world.end(world.begin());
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/metrics`);
    expect(server.host).toBe('127.0.0.1');
    const { status, headers, body } = await ask(server.url);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body.toString()).toContain('grpc_client_call_duration_seconds_count{');
    expect(Number(headers['content-length'])).toBe(body.length);
  });

  it('serves OpenMetrics to who prefers it, and the older format again to the next', async () => {
    const { server } = await serve();
    const plain = await ask(server.url);
    const open = await ask(server.url, { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' });
    expect(open.headers['content-type']).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.body.toString()).toMatch(/# EOF\n$/);
    expect(open.body.toString()).toContain('# TYPE grpc_subchannel_disconnections counter');
    expect((await ask(server.url)).body.toString()).toBe(plain.body.toString());
    expect(plain.headers.vary).toBe('accept, accept-encoding');
  });

  it('compresses where it may', async () => {
    const { server } = await serve();
    const plain = await ask(server.url);
    const small = await ask(server.url, { 'accept-encoding': 'deflate, gzip' });
    expect(small.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(small.body).toString()).toBe(plain.body.toString());
    expect(small.body.length).toBeLessThan(plain.body.length / 3);
    for (const refused of ['gzip;q=0', 'x-gzip', 'identity']) {
      expect(
        (await ask(server.url, { 'accept-encoding': refused })).headers['content-encoding'],
        refused,
      ).toBeUndefined();
    }
  });

  it('answers HEAD without a body, and other methods not at all', async () => {
    const { server } = await serve();
    const head = await ask(server.url, {}, 'HEAD');
    expect(head).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    expect(Number(head.headers['content-length'])).toBeGreaterThan(1_000);
    const post = await ask(server.url, {}, 'POST');
    expect(post).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  });

  it('says at other paths where the metrics are', async () => {
    const { server } = await serve({ path: '/probe/metrics' });
    const { status, body } = await ask(`http://127.0.0.1:${server.port}/`);
    expect(status).toBe(404);
    expect(body.toString()).toBe('The metrics are at /probe/metrics.\n');
    expect((await ask(`${server.url}?debug=1`)).status).toBe(200);
  });

  it('tells of a port that is taken, and what to do; the metrics are gone again', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const registry = new Registry();
    const error = await servePrometheus(scriptedFleet().fleet, { port, registry }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/has the port: choose another port/),
    });
    expect(registry.getMetricsAsArray()).toEqual([]);
    other.close();
  });

  it('tells of a host that is not of this machine', async () => {
    const error = await serve({ host: '192.0.2.1' }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(/no address of this machine/) });
  });

  it('refuses senseless options by name', async () => {
    for (const options of [
      { port: -1 },
      { port: 65_536 },
      { port: NaN },
      { port: 1.5 },
      { host: '' },
      { path: 'metrics' },
      { path: '/a?b' },
    ]) {
      await expect(serve(options), JSON.stringify(options)).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining(Object.keys(options)[0]!),
      });
    }
  });

  it('closes with the client, and ends the metrics that it began', async () => {
    const { world, server } = await serve();
    const { registry } = server.metrics;
    world.close();
    await server.metrics.ended;
    await server.close();
    await expect(ask(server.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(registry.getMetricsAsArray()).toEqual([]);
    await server.close();
  });

  it('serves metrics that somebody keeps, and leaves them alone', async () => {
    const world = scriptedFleet();
    const metrics = prometheusMetrics(world.fleet, { preset: 'seeds' });
    {
      await using server = await servePrometheus(metrics, { port: 0 });
      expect((await ask(server.url)).body.toString()).toContain('# TYPE rpc_requests_total counter');
    }
    expect(metrics.registry.getMetricsAsArray().length).toBeGreaterThan(0);
    await metrics.close();
  });

  it('serves several clients and what else is in a registry, together', async () => {
    const registry = new Registry();
    new Gauge({ name: 'temperature', help: 'Theirs.', registers: [registry] }).set(21);
    const second = prometheusMetrics(scriptedFleet('two').fleet, { registry });
    const { server } = await serve({ registry }, 'one');
    const text = (await ask(server.url)).body.toString();
    expect(text).toContain('rxfleet_panic{grpc_target="one"} 0');
    expect(text).toContain('rxfleet_panic{grpc_target="two"} 0');
    expect(text).toContain('temperature 21');
    await second.close();
  });

  it('answers 500 and goes on when a metric of somebody else cannot be read', async () => {
    const registry = new Registry();
    new Gauge({
      ...{ name: 'broken', help: 'Theirs.', registers: [registry] },
      collect: () => {
        throw new Error('the sensor is gone');
      },
    });
    const { server } = await serve({ registry });
    const { status, body } = await ask(server.url);
    expect(status).toBe(500);
    expect(body.toString()).toContain('the sensor is gone');
    registry.removeSingleMetric('broken');
    expect((await ask(server.url)).status).toBe(200);
  });

  it('is not held open by a connection that says nothing', async () => {
    const { server } = await serve();
    const silent = createConnection(server.port, '127.0.0.1');
    await once(silent, 'connect');
    const closed = once(silent, 'close');
    await server.close();
    await closed;
  });

  it('survives those who leave amid an answer, and what is no HTTP', async () => {
    const { server } = await serve();
    const rude = createConnection(server.port, '127.0.0.1');
    await once(rude, 'connect');
    rude.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
    rude.resetAndDestroy();
    const odd = createConnection(server.port, '127.0.0.1');
    odd.on('error', () => undefined).resume();
    odd.write('\x16\x03\x01 no HTTP\r\n\r\n');
    await once(odd, 'close');
    expect((await ask(server.url)).status).toBe(200);
  });
});
