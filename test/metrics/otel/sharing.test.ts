/** Clients that share a meter and their attributes: one after the other, and side by side. */

import { firstValueFrom, NEVER } from 'rxjs';
import { circuitBreaker } from '../../../src/call/circuitBreaker.js';
import { createFleet } from '../../../src/client/fleet.js';
import { createPool, type PoolOptions } from '../../../src/client/pool.js';
import { openTelemetry } from '../../../src/metrics/otel.js';
import { connectTransport } from '../../../src/transport/connect.js';
import { scriptedFleet } from '../prometheus/scriptedFleet.js';
import { collected } from './collected.js';

const { meterProvider, ...seen } = collected();
const watch = (client: Parameters<typeof openTelemetry>[0]) =>
  openTelemetry(client, { meterProvider, tracerProvider: false, enableMetrics: ['grpc.xds_client.*'] });

function poolOf(ids: readonly string[], options: Partial<PoolOptions<object>> = {}) {
  const pool = createPool({ members: ids.map((id) => ({ id, resource: {} })), calls: { retry: false }, ...options });
  watch(pool);
  return pool;
}

it('the nodes and calls of several add up, so that none hides the others', async () => {
  const pools = [poolOf(['a', 'b', 'c']), poolOf(['d'])];
  for (const pool of pools) pool.use(() => NEVER).subscribe({ error: () => undefined });
  const nodes = () => seen.value('rxfleet.client.nodes', { 'rxfleet.node.state': 'routable' });
  expect(await nodes()).toBe(4);
  expect(await seen.value('rxfleet.client.call.active')).toBe(2);
  await pools[0]!.close({ drainMs: 0 });
  expect(await nodes()).toBe(1);
  await pools[1]!.close({ drainMs: 0 });
  expect(await nodes()).toBe(0);
});

it('open breakers go with their client, so that its successor does not seem to have them', async () => {
  const open = () => seen.value('rxfleet.client.breakers', { 'rxfleet.breaker.state': 'open' });
  for (let i = 0; i < 3; i++) {
    const pool = poolOf(['a'], { use: [circuitBreaker({ consecutiveFailures: 1 })] });
    const failing = pool.use(() => Promise.reject(new Error('no')));
    await expect(firstValueFrom(failing)).rejects.toThrow('no');
    expect(await open()).toBe(1);
    await pool.close({ drainMs: 0 });
    expect(await open()).toBe(0);
  }
});

it('work of a pool has no bytes, not even none, since it has no wire', async () => {
  const pool = poolOf(['a']);
  await firstValueFrom(pool.use(() => Promise.resolve(1)));
  await pool.close({ drainMs: 0 });
  expect((await seen.metrics()).has('grpc.client.attempt.sent_total_compressed_message_size')).toBe(false);
});

it('breakers of two policies count for themselves', async () => {
  const twice = [circuitBreaker({ consecutiveFailures: 1 }), circuitBreaker({ consecutiveFailures: 1 })];
  const pool = poolOf(['a'], { use: twice });
  await expect(firstValueFrom(pool.use(() => Promise.reject(new Error('no'))))).rejects.toThrow('no');
  expect(await seen.value('rxfleet.client.breakers', { 'rxfleet.breaker.state': 'open' })).toBe(2);
  await pool.close({ drainMs: 0 });
});

it('everything that is looked up is 0 at the first collection after the last has closed', async () => {
  const fleet = createFleet({ service: 'cut', discovery: () => NEVER, transport: connectTransport() });
  watch(fleet);
  await vi.waitUntil(async () => (await seen.value('rxfleet.client.discovery.staleness')) > 0);
  await fleet.close({ drainMs: 0 });
  const last = await seen.metrics();
  for (const name of ['rxfleet.client.nodes', 'rxfleet.client.discovery.staleness', 'rxfleet.client.panic']) {
    const own = last.get(name)!.dataPoints.filter(({ attributes }) => attributes['grpc.target'] === 'cut');
    expect(own.length, name).toBeGreaterThan(0);
    for (const { value } of own) expect(value, name).toBe(0);
  }
});

it('a control plane that one of them cannot reach is not connected, and their resources add up', async () => {
  const server = 'x:1';
  const resource = { resourceType: 'T', authority: '#old', cacheState: 'acked', count: 2 } as const;
  const worlds = [scriptedFleet('shop'), scriptedFleet('shop')];
  worlds.forEach(({ fleet, tell }, client) => {
    watch(fleet);
    const state = { type: 'state', client, servers: [{ server, connected: true }], resources: [resource] } as const;
    tell('xds', { event: state });
  });
  expect(await seen.value('grpc.xds_client.connected')).toBe(1);
  expect(await seen.value('grpc.xds_client.resources')).toBe(4);
  const lost = { type: 'state', client: 1, servers: [{ server, connected: false }], resources: [resource] } as const;
  worlds[1]!.tell('xds', { event: lost });
  expect(await seen.value('grpc.xds_client.connected')).toBe(0);
  worlds[1]!.close();
  expect(await seen.value('grpc.xds_client.connected')).toBe(1);
  expect(await seen.value('grpc.xds_client.resources')).toBe(2);
});
