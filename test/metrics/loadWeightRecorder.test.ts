/** Load reports of real servers in the metrics of gRFC A78, from the trailers to a registry and a meter. */

import { lastValueFrom } from 'rxjs';
import type { LoadWeightsUpdated } from '../../src/balancer/balancerEvent.js';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { createClient } from '../../src/client/client.js';
import { createFleet } from '../../src/client/fleet.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { openTelemetry } from '../../src/metrics/otel.js';
import { prometheusMetrics } from '../../src/metrics/prometheus.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startLoadReporter } from '../support/loadReporter.js';
import { until } from '../support/until.js';
import { collected } from './otel/collected.js';
import { valueOf } from './prometheus/scriptedFleet.js';

it('weights that are usable, not yet or no more are counted as gRPC counts them, so that its dashboards hold', async () => {
  const servers = await Promise.all(['a', 'b', 'silent'].map(startLoadReporter));
  servers.slice(0, 2).forEach((server, i) => {
    server.report = (recorder) => {
      recorder.recordQpsMetric(30 * (i + 1));
      recorder.recordCPUUtilizationMetric(0.5);
    };
  });
  const fleet = createFleet({
    service: 'greeter',
    discovery: staticNodes(servers.map(({ name, address }, i) => ({ id: name, address, zone: `z${i}`, region: 'r' }))),
    transport: grpcTransport(),
    balancer: weightedRoundRobin({
      loadReports: { blackoutPeriodMs: 0, weightUpdateMs: 100, weightExpirationMs: 600 },
    }),
  });
  const client = createClient(fleet, Greeter);
  const looks: LoadWeightsUpdated[] = [];
  const otel = collected();
  openTelemetry(fleet, {
    ...{ meterProvider: otel.meterProvider, tracerProvider: false },
    ...{ enableMetrics: ['grpc.lb.wrr.*'], optionalAttributes: ['grpc.lb.locality'] },
  });
  const { registry } = prometheusMetrics(fleet);
  fleet.events$.subscribe((event) => event.type === 'loadWeightsUpdated' && looks.push(event));
  const states = (id: string) => looks.map(({ weights }) => weights.find(({ node }) => node.id === id)?.state);
  try {
    await until('a look without weights', () => looks.at(-1)?.plain === true);
    for (let i = 0; i < 6; i++) await lastValueFrom(client.sayHello({ name: 'x' }));
    await until('a look at weights', () => looks.at(-1)?.plain === false);
    expect(looks.at(-1)!.weights.map(({ weight }) => weight)).toEqual([60, 120, 0]);
    // Nobody calls, so nobody reports.
    await until('they are stale', () => states('a').at(-1) === 'stale' && states('b').at(-1) === 'stale');
    await fleet.close({ drainMs: 0 });

    const plain = looks.filter((look) => look.plain).length;
    const usable = (id: string) => states(id).filter((state) => state === 'usable').length;
    const notYet = (id: string) => states(id).filter((state) => state === 'notYetUsable').length;
    const stale = (id: string) => states(id).filter((state) => state === 'stale').length;
    const all = (count: (id: string) => number) => count('a') + count('b') + count('silent');
    const prometheus = (name: string) => valueOf(registry, `grpc_lb_wrr_${name}`, { grpc_target: 'greeter' });
    expect(await prometheus('rr_fallback_total')).toBe(plain);
    expect(await prometheus('endpoint_weight_not_yet_usable_total')).toBe(all(notYet));
    expect(await prometheus('endpoint_weight_stale_total')).toBe(all(stale));
    // A node that is still being dialled is not looked at.
    const seen = (id: string) => states(id).filter((state) => state !== undefined).length;
    expect(await prometheus('endpoint_weights_count')).toBe(all(seen));
    expect(await prometheus('endpoint_weights_sum')).toBe(60 * usable('a') + 120 * usable('b'));

    for (const [i, { name }] of servers.entries()) {
      const own = { 'grpc.target': 'greeter', 'grpc.lb.locality': `{region="r", zone="z${i}", sub_zone=""}` };
      expect(await otel.value('grpc.lb.wrr.endpoint_weight_not_yet_usable', own)).toBe(notYet(name));
      expect(await otel.value('grpc.lb.wrr.endpoint_weight_stale', own)).toBe(stale(name));
      expect(await otel.value('grpc.lb.wrr.endpoint_weights', own)).toBe(seen(name));
      expect(await otel.sum('grpc.lb.wrr.endpoint_weights', own)).toBe([60, 120, 0][i]! * usable(name));
    }
    // A look is at three localities, so that it is of none.
    expect(await otel.value('grpc.lb.wrr.rr_fallback', { 'grpc.lb.locality': '' })).toBe(plain);
    expect(await otel.value('grpc.lb.wrr.rr_fallback')).toBe(plain);
  } finally {
    await fleet.close({ drainMs: 0 });
    for (const server of servers) server.close();
  }
});
