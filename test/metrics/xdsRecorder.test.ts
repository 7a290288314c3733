/** What passes between a fleet and its xDS control plane, in the metrics of gRFC A78; the control plane is broken on the way. */

import type { XdsEvent } from '../../src/discovery/xds/xdsEvent.js';
import { createFleet, type Fleet } from '../../src/client/fleet.js';
import { xds, type XdsOptions } from '../../src/discovery/xds.js';
import { openTelemetry } from '../../src/metrics/otel.js';
import { prometheusMetrics } from '../../src/metrics/prometheus.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { until } from '../support/until.js';
import { startXdsControlPlane, type XdsControlPlane } from '../support/xdsControlPlane.js';
import { badCluster, cluster, endpoints, garbage, listener, routes, routeTo } from '../support/xdsResources.js';
import { collected } from './otel/collected.js';
import { valueOf } from './prometheus/scriptedFleet.js';

let plane: XdsControlPlane;
let fleet: Fleet | undefined;
let seen: XdsEvent[] = [];

beforeAll(async () => void (plane = await startXdsControlPlane()));
afterAll(() => plane.close());
afterEach(async () => {
  await fleet?.close({ drainMs: 0 });
  fleet = undefined;
  await until('the client has left', () => plane.connections === 0);
  plane.clear();
});

const prefix = 'envoy.config';
const [lds, rds, cds, eds] = [
  ...[`${prefix}.listener.v3.Listener`, `${prefix}.route.v3.RouteConfiguration`],
  ...[`${prefix}.cluster.v3.Cluster`, `${prefix}.endpoint.v3.ClusterLoadAssignment`],
];
const shop = () =>
  plane.put(
    ['lds', 'shop', listener('shop', 'r')],
    ['rds', 'r', routes('r', [routeTo({ c: 1, d: 1 })])],
    ['cds', 'c', cluster('c')],
    ['cds', 'd', cluster('d')],
    ['eds', 'c', endpoints('c', [{ endpoints: [{ id: 'a', port: 1 }] }])],
    ['eds', 'd', endpoints('d', [{ endpoints: [{ id: 'b', port: 2 }] }])],
  );

function follow(options: XdsOptions = {}, service = 'shop') {
  const server = options.bootstrap ? {} : { server: plane.address };
  fleet = createFleet({
    service,
    discovery: xds({ ...server, backoff: { initialBackoffMs: 20, maxBackoffMs: 50 }, ...options }),
    transport: grpcTransport(),
  });
  seen = [];
  fleet.events$.subscribe((event) => event.type === 'xds' && seen.push(event.event));
  return fleet;
}
const bootstrap = (...features: string[]) => ({
  xds_servers: [{ server_uri: plane.address, channel_creds: [{ type: 'insecure' }], server_features: features }],
  node: { id: 'me' },
});
const state = () => seen.filter((event) => event.type === 'state').at(-1);
const stands = (kind: string, cacheState: string) =>
  state()?.resources.find((each) => each.resourceType === kind && each.cacheState === cacheState)?.count ?? 0;
const connected = () => state()?.servers.map((each) => each.connected);

describe.each([
  ['increments', true],
  ['the state of the world', false],
])('the metrics of an xDS client over %s', (_form, incremental) => {
  it('count what is taken and refused, say what is kept, and follow the control plane down and up', async () => {
    shop();
    const watched = follow({ incremental });
    const otel = collected();
    openTelemetry(watched, {
      ...{ meterProvider: otel.meterProvider, tracerProvider: false },
      ...{ enableMetrics: ['grpc.xds_client.*'], optionalAttributes: ['grpc.lb.locality'] },
    });
    const { registry } = prometheusMetrics(watched);
    const server = { 'grpc.target': 'shop', 'grpc.xds.server': plane.address };
    const value = async (name: string, attributes: Readonly<Record<string, string>> = server) => {
      const labels = Object.entries(attributes).map(([key, text]) => [key.replaceAll('.', '_'), text]);
      const kinds = name.startsWith('resource_') || name === 'server_failure' ? '_total' : '';
      const seen = await valueOf(registry, `grpc_xds_client_${name}${kinds}`, Object.fromEntries(labels));
      expect(await otel.value(`grpc.xds_client.${name}`, attributes)).toBe(seen);
      return seen;
    };
    const updates = (kind: 'valid' | 'invalid', type: string) =>
      value(`resource_updates_${kind}`, { ...server, 'grpc.xds.resource_type': type });
    const resources = (type: string, cacheState: string) =>
      value('resources', {
        ...{ 'grpc.target': 'shop', 'grpc.xds.authority': '#old' },
        ...{ 'grpc.xds.resource_type': type, 'grpc.xds.cache_state': cacheState },
      });

    await until('all is known', () => stands(eds!, 'acked') === 2);
    expect(await value('connected')).toBe(1);
    for (const [type, count] of [
      [lds, 1],
      [rds, 1],
      [cds, 2],
      [eds, 2],
    ] as const) {
      expect(await updates('valid', type!)).toBe(count);
      expect(await updates('invalid', type!)).toBe(0);
      expect(await resources(type!, 'acked')).toBe(count);
      expect(await resources(type!, 'requested')).toBe(0);
    }

    plane.put(['cds', 'c', badCluster('c')]);
    await until('it is refused', () => stands(cds!, 'nacked_but_cached') === 1);
    expect(await updates('invalid', cds!)).toBe(1);
    expect(await resources(cds!, 'nacked_but_cached')).toBe(1);
    expect(await resources(cds!, 'acked')).toBe(1);
    plane.put(['cds', 'c', cluster('c')]);
    await until('it is good again', () => stands(cds!, 'acked') === 2);
    expect(await resources(cds!, 'nacked_but_cached')).toBe(0);

    // A stream that ends after an answer is no failure (gRFC A57).
    const { opened } = plane;
    await plane.breakStreams();
    await until('it is opened again', () => plane.opened > opened);
    await until('all is known again', () => plane.requests.at(-1)?.kind === 'ack');
    expect(await value('connected')).toBe(1);
    expect(await value('server_failure')).toBe(0);

    plane.kill();
    await until('it is missed', () => connected()?.join() === 'false');
    expect(await value('connected')).toBe(0);
    expect(await value('server_failure')).toBe(1);
    expect(await resources(eds!, 'acked')).toBe(2);
    await plane.restart();
    await until('it is back', () => connected()?.join() === 'true');
    expect(await value('connected')).toBe(1);
    expect(await value('server_failure')).toBe(1);

    await watched.close({ drainMs: 0 });
    expect(await otel.value('grpc.xds_client.connected')).toBe(0);
    expect(await otel.value('grpc.xds_client.resources')).toBe(0);
  });

  it('say at once where a client stands to those who begin late', async () => {
    shop();
    const watched = follow({ incremental });
    await until('all is known', () => stands(eds!, 'acked') === 2);
    const otel = collected();
    openTelemetry(watched, {
      ...{ meterProvider: otel.meterProvider, tracerProvider: false, enableMetrics: ['grpc.xds_client.*'] },
    });
    expect(await otel.value('grpc.xds_client.connected')).toBe(1);
    expect(await otel.value('grpc.xds_client.resources')).toBe(6);
    expect(await otel.value('grpc.xds_client.resource_updates_valid')).toBe(0);
  });

  it('tell what is asked for, missing, illegible, and of which authority', async () => {
    plane.put(['lds', 'xdstp://east/l/shop', listener('xdstp://east/l/shop', 'r')], ['rds', 'r', garbage()]);
    const authorities = { east: { client_listener_resource_name_template: 'xdstp://east/l/%s' } };
    follow({ bootstrap: { ...bootstrap(), authorities }, incremental }, 'xds://east/shop');
    await until('it is refused', () => seen.some((event) => event.type === 'update' && event.invalid > 0));
    const resource = { cacheState: 'acked', count: 1 };
    expect(state()!.resources).toEqual([
      { ...resource, resourceType: lds, authority: 'east' },
      { ...resource, resourceType: rds, authority: '#old', cacheState: 'requested' },
    ]);
    expect(seen.find((event) => event.type === 'update' && event.invalid > 0)).toMatchObject({
      ...{ type: 'update', server: plane.address, resourceType: rds, valid: 0, invalid: 1 },
    });
  });
});

describe('the metrics of an xDS client', () => {
  it('end with it, also where somebody ends the client amid what it is told', async () => {
    shop();
    const told: XdsEvent[] = [];
    const life = xds({ server: plane.address })({
      service: 'shop',
      onXdsEvent(event) {
        told.push(event);
        if (event.type === 'update') life.unsubscribe();
      },
    }).subscribe();
    await until('it has ended', () => life.closed && plane.connections === 0);
    expect(told.map(({ type }) => type)).toEqual(['state', 'state', 'update', 'state']);
    expect(told.at(-1)).toMatchObject({ servers: [], resources: [] });
  });

  it('tell silence from absence, as the bootstrap wants it', async () => {
    plane.put(['lds', 'shop', listener('shop', 'r')]);
    const options = { incremental: false, resourceTimeoutMs: 100 };
    follow({ bootstrap: bootstrap(), ...options });
    await until('it does not exist', () => stands(rds!, 'does_not_exist') === 1);
    await fleet!.close({ drainMs: 0 });
    follow({ bootstrap: bootstrap('resource_timer_is_transient_error'), ...options });
    await until('it is late', () => stands(rds!, 'timeout') === 1);
  });

  it('say what was deleted and is kept', async () => {
    shop();
    follow({ bootstrap: bootstrap('ignore_resource_deletion') });
    await until('all is known', () => stands(eds!, 'acked') === 2);
    plane.put(['lds', 'shop', undefined]);
    await until('it is kept', () => stands(lds!, 'does_not_exist_but_cached') === 1);
    shop();
    await until('it is there again', () => stands(lds!, 'acked') === 1);
  });

  it('have a server that was never reached as failed, and the next as connected', async () => {
    shop();
    const dead = await startXdsControlPlane();
    dead.kill();
    const servers = [dead.address, plane.address].map((server_uri) => ({
      ...{ server_uri, channel_creds: [{ type: 'insecure' }] },
    }));
    const watched = follow({ bootstrap: { ...bootstrap(), xds_servers: servers } });
    const { registry } = prometheusMetrics(watched);
    const value = (name: string, { address }: XdsControlPlane) =>
      valueOf(registry, `grpc_xds_client_${name}`, { grpc_xds_server: address });
    await until('all is known', () => stands(eds!, 'acked') === 2);
    expect([await value('connected', dead), await value('server_failure_total', dead)]).toEqual([0, 1]);
    expect([await value('connected', plane), await value('server_failure_total', plane)]).toEqual([1, 0]);
  });
});
