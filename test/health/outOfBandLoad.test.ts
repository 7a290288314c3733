/** Reports of load beside the calls, over real sockets: of grpc-js's own ORCA service, and of one that misbehaves. */

import { create } from '@bufbuild/protobuf';
import { lastValueFrom } from 'rxjs';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { createClient } from '../../src/client/client.js';
import { createFleet, type Fleet, type FleetOptions } from '../../src/client/fleet.js';
import type { Transport } from '../../src/core/channel.js';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { methodOf } from '../../src/core/method.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { OrcaLoadReportSchema } from '../../src/gen/xds/orca_load_report_pb.js';
import { OpenRcaService } from '../../src/gen/xds/orca_pb.js';
import { outOfBandLoad } from '../../src/health/outOfBandLoad.js';
import { openGrpcServer, serve, type GrpcServer } from '../../src/testing/grpcServer.js';
import type { ServerCall } from '../../src/testing/serverCall.js';
import { connectTransport } from '../../src/transport/connect.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startLoadReporter, type LoadReporter } from '../support/loadReporter.js';
import { until } from '../support/until.js';

let fleet: Fleet | undefined;
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  await fleet?.close({ drainMs: 0 });
  fleet = undefined;
  for (const each of cleanUp.splice(0)) await each();
});

const fleetOf = (addresses: Readonly<Record<string, string>>, options: Partial<FleetOptions> = {}): Fleet =>
  (fleet = createFleet({
    discovery: staticNodes(Object.entries(addresses).map(([id, address]) => ({ id, address }))),
    transport: grpcTransport({ maxReconnectMs: 50 }),
    loadReports: outOfBandLoad({ intervalMs: 20, backoff: { initialBackoffMs: 10 } }),
    ...options,
  }));
const statsOf = (id: string) => fleet!.nodes$.value.get(id)!.stats;

/** Serves streams of reports in the hands of the test. */
async function scriptedNode(port = 0, known = true) {
  const streams: ServerCall[] = [];
  let open = 0;
  const asked: number[] = [];
  const streamCoreMetrics = methodOf(OpenRcaService.method.streamCoreMetrics);
  const streaming = serve(streamCoreMetrics, async (call) => {
    streams.push(call as ServerCall);
    open++;
    call.signal.addEventListener('abort', () => open--);
    for await (const { reportInterval } of call.requests) asked.push(durationMs(reportInterval!));
    await call.send(create(OrcaLoadReportSchema, { rpsFractional: streams.length }));
    await new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve()));
  });
  const sayHello = serve(methodOf(Greeter.method.sayHello), (call) => call.end('UNAVAILABLE', 'not today'));
  const server: GrpcServer = await openGrpcServer({ port, methods: known ? [streaming, sayHello] : [sayHello] });
  cleanUp.push(() => server.close(0));
  return {
    ...{ server, streams, asked, address: `127.0.0.1:${server.port}` },
    open: () => open,
  };
}

async function reporters(...names: string[]): Promise<LoadReporter[]> {
  const started = await Promise.all(names.map((name) => startLoadReporter(name)));
  for (const { close } of started) cleanUp.push(close);
  return started;
}

describe.each<[string, () => Transport]>([
  ['grpcTransport', () => grpcTransport()],
  ['connectTransport', () => connectTransport()],
])('over %s', (_, transport) => {
  it('a node on grpc-js is heard, also while nobody calls it', async () => {
    const [node] = await reporters('a');
    node!.outOfBand.setCpuUtilizationMetric(0.25);
    node!.outOfBand.setQpsMetric(50);
    fleetOf({ a: node!.address }, { transport: transport() });
    await until('the first report', () => statsOf('a').report?.requestsPerSecond === 50);
    expect(statsOf('a').report).toMatchObject({ cpuUtilization: 0.25, requestsPerSecond: 50 });
    node!.outOfBand.setApplicationUtilizationMetric(0.5);
    await until('the next report', () => statsOf('a').report?.applicationUtilization === 0.5);
    expect(node!.calls).toBe(0);
  });
});

describe('outOfBandLoad in a fleet', () => {
  it('opens one stream a node, with the interval, and ends it with the node', async () => {
    const node = await scriptedNode();
    fleetOf({ a: node.address }, { loadReports: outOfBandLoad({ intervalMs: 12_345 }) });
    await until('the report', () => statsOf('a').report !== undefined);
    expect([node.streams.length, node.asked]).toEqual([1, [12_345]]);
    await fleet!.close({ drainMs: 0 });
    await until('the stream has ended', () => node.open() === 0);
  });

  it('opens the stream again when it breaks, and when the node comes back', async () => {
    const node = await scriptedNode();
    fleetOf({ a: node.address });
    await until('the first stream', () => statsOf('a').report?.requestsPerSecond === 1);
    node.streams[0]!.end('INTERNAL', 'a bug');
    await until('the second stream', () => statsOf('a').report?.requestsPerSecond === 2);
    const open = node.open();
    node.streams[1]!.breakConnection();
    await until('the third stream', () => statsOf('a').report?.requestsPerSecond === 3);
    await until('the second has gone', () => node.open() === open);
  });

  it('does not ask again where the service is not known, until the node has come back with it', async () => {
    const old = await scriptedNode(0, false);
    const { port } = old.server;
    fleetOf({ a: old.address }, { connections: { eager: true } });
    await until('connected', () => fleet!.nodes$.value.get('a')!.availability === 'ready');
    const call = lastValueFrom(createClient(fleet!, Greeter).sayHello({}, { retry: false }));
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(statsOf('a').report).toBeUndefined();
    await old.server.close(0);
    const next = await scriptedNode(port);
    await until('the report of the new one', () => statsOf('a').report !== undefined);
    expect(next.streams).toHaveLength(1);
  });

  it('does not mix with the reports in trailers', async () => {
    const [node] = await reporters('a');
    node!.report = (recorder) => recorder.recordQpsMetric(999);
    node!.outOfBand.setQpsMetric(50);
    fleetOf({ a: node!.address });
    await until('the first report', () => statsOf('a').report !== undefined);
    await lastValueFrom(createClient(fleet!, Greeter).sayHello({ name: 'Ada' }));
    expect(statsOf('a').report?.requestsPerSecond).toBe(50);
  });
});

describe('weightedRoundRobin by what real nodes report', () => {
  const counted = async (calls: number, all: readonly LoadReporter[]) => {
    const before = all.map((node) => node.calls);
    const greeter = createClient(fleet!, Greeter);
    for (let i = 0; i < calls; i++) await lastValueFrom(greeter.sayHello({ name: 'Ada' }));
    return all.map((node, i) => node.calls - before[i]!);
  };
  const loadReports = { blackoutPeriodMs: 0, weightUpdateMs: 100 };
  const balancer = () => weightedRoundRobin({ loadReports });
  const ready = (size: number) =>
    until(
      'all are connected',
      () => fleet!.nodes$.value.nodes.filter(({ availability }) => availability === 'ready').length === size,
    );

  it('out of band: the idle node gets twice the calls of the busy one', async () => {
    const all = await reporters('busy', 'idle');
    all.forEach(({ outOfBand }, i) => {
      outOfBand.setQpsMetric(100);
      outOfBand.setCpuUtilizationMetric(i === 0 ? 0.8 : 0.4);
    });
    fleetOf(Object.fromEntries(all.map(({ name, address }) => [name, address])), { balancer: balancer() });
    await ready(2);
    await until(
      'both have reported',
      () => statsOf('busy').report !== undefined && statsOf('idle').report !== undefined,
    );
    const decided = { scores: [] as number[] };
    fleet!.decisions$.subscribe(({ candidates }) => (decided.scores = candidates.map(({ score }) => score!)));
    for (let shares = [0, 0]; shares[1] !== 40;) {
      // The next look at the reports may be up to an update away; vitest ends what never comes.
      shares = await counted(60, all);
    }
    expect(decided.scores).toEqual([125, 250]);
  });

  it('in trailers: a node that fails its calls loses its share, though it fails fast', async () => {
    const all = await reporters('good', 'bad');
    all[0]!.report = (recorder) => {
      recorder.recordQpsMetric(100);
      recorder.recordCPUUtilizationMetric(0.5);
    };
    all[1]!.failing = true;
    all[1]!.report = (recorder) => {
      recorder.recordQpsMetric(100);
      recorder.recordEpsMetric(100);
      recorder.recordCPUUtilizationMetric(0.01);
    };
    fleetOf(Object.fromEntries(all.map(({ name, address }) => [name, address])), {
      ...{
        balancer: balancer(),
        loadReports: undefined,
        calls: { retry: { maxAttempts: 2, initialBackoffMs: 1 } },
        retryBudget: { ratio: 1 },
      },
    });
    await ready(2);
    // Shares are those of attempts: each call that met the bad one goes to the good one, too.
    for (let ratio = 1; ratio > 0.52;) {
      const [good, bad] = await counted(60, all);
      ratio = bad! / good!;
    }
    expect(statsOf('bad').failures).toBeGreaterThan(0);
  });
});
