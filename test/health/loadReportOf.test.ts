import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { createClient } from '../../src/client/client.js';
import { createFleet } from '../../src/client/fleet.js';
import type { Transport } from '../../src/core/channel.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { OrcaLoadReportSchema } from '../../src/gen/xds/orca_load_report_pb.js';
import { loadReportOf } from '../../src/health/loadReportOf.js';
import { connectTransport } from '../../src/transport/connect.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startLoadReporter, type LoadReporter } from '../support/loadReporter.js';

const key = 'endpoint-load-metrics-bin';
const bytesOf = (init: MessageInitShape<typeof OrcaLoadReportSchema>) =>
  toBinary(OrcaLoadReportSchema, create(OrcaLoadReportSchema, init));
const nothing = {
  ...{ cpuUtilization: 0, memoryUtilization: 0, applicationUtilization: 0, requestsPerSecond: 0, errorsPerSecond: 0 },
  ...{ utilization: {}, requestCost: {}, named: {} },
};

describe('loadReportOf', () => {
  it('reads every field of a report', () => {
    const bytes = bytesOf({
      ...{ cpuUtilization: 0.5, memUtilization: 0.25, applicationUtilization: 1.5, rpsFractional: 99.5, eps: 0.5 },
      ...{ utilization: { gpu: 0.75 }, requestCost: { tokens: 42 }, namedMetrics: { queue: 7 } },
    });
    expect(loadReportOf({ [key]: bytes })).toEqual({
      ...{ cpuUtilization: 0.5, memoryUtilization: 0.25, applicationUtilization: 1.5 },
      ...{ requestsPerSecond: 99.5, errorsPerSecond: 0.5 },
      ...{ utilization: { gpu: 0.75 }, requestCost: { tokens: 42 }, named: { queue: 7 } },
    });
  });

  it('takes the bytes as they stand on the wire, by the numbers of the published proto', () => {
    // Fields 1 (double 0.5), 6 (double 100) and 9 (double 0.25).
    const wire = Buffer.from('09000000000000e03f' + '310000000000005940' + '49000000000000d03f', 'hex');
    expect(loadReportOf({ [key]: new Uint8Array(wire) })).toEqual({
      ...nothing,
      ...{ cpuUtilization: 0.5, requestsPerSecond: 100, applicationUtilization: 0.25 },
    });
  });

  it('takes whole requests of nodes that know no others', () => {
    expect(loadReportOf({ [key]: bytesOf({ rps: 30n }) })?.requestsPerSecond).toBe(30);
    expect(loadReportOf({ [key]: bytesOf({ rps: 30n, rpsFractional: 30.5 }) })?.requestsPerSecond).toBe(30.5);
  });

  it('takes figures that make no sense as not said', () => {
    const bytes = bytesOf({ cpuUtilization: Number.NaN, memUtilization: -1, rpsFractional: Infinity, eps: -Infinity });
    expect(loadReportOf({ [key]: bytes })).toEqual(nothing);
  });

  it('sees no report where there is none, and never fails on anything', () => {
    expect(loadReportOf({})).toBeUndefined();
    expect(loadReportOf({ other: 'x' })).toBeUndefined();
    expect(loadReportOf({ [key]: 'text' })).toBeUndefined();
    expect(loadReportOf({ [key]: new Uint8Array() })).toBeUndefined();
    expect(loadReportOf({ [key]: [] })).toBeUndefined();
    expect(loadReportOf({ [key]: Uint8Array.of(0x09, 0x00) })).toBeUndefined();
    expect(loadReportOf({ [key]: [bytesOf({ cpuUtilization: 1 }), bytesOf({})] })?.cpuUtilization).toBe(1);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const report = loadReportOf({ [key]: bytes });
        if (!report) return;
        expect(report.cpuUtilization).toBeGreaterThanOrEqual(0);
        expect(report.requestsPerSecond).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe.each<[string, () => Transport]>([
  ['grpcTransport', () => grpcTransport()],
  ['connectTransport', () => connectTransport()],
])('a fleet over %s', (_, transport) => {
  let node: LoadReporter;
  beforeEach(async () => (node = await startLoadReporter()));
  afterEach(() => node.close());
  const fleetOf = () =>
    createFleet({ discovery: staticNodes([{ id: 'node', address: node.address }]), transport: transport() });

  it('hears what a node on grpc-js reports with each answer', async () => {
    node.report = (recorder) => {
      recorder.recordCPUUtilizationMetric(0.5);
      recorder.recordApplicationUtilizationMetric(0.75);
      recorder.recordQpsMetric(120);
      recorder.recordEpsMetric(3);
      recorder.recordRequestCostMetric('tokens', 42);
    };
    await using fleet = fleetOf();
    const ended = firstValueFrom(fleet.outcomes$);
    await lastValueFrom(createClient(fleet, Greeter).sayHello({ name: 'Ada' }));
    const { outcome } = await ended;
    expect(outcome.load).toEqual({
      ...{ ...nothing, cpuUtilization: 0.5, applicationUtilization: 0.75, requestsPerSecond: 120, errorsPerSecond: 3 },
      requestCost: { tokens: 42 },
    });
    const { stats } = fleet.nodes$.value.get('node')!;
    expect(stats.report).toBe(outcome.load);
    expect(stats.reportedAt).toBe(outcome.at);
  });

  it('hears it with a failure, too', async () => {
    node.failing = true;
    node.report = (recorder) => recorder.recordQpsMetric(7);
    await using fleet = fleetOf();
    await expect(
      lastValueFrom(createClient(fleet, Greeter).sayHello({ name: 'Ada' }, { retry: false })),
    ).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(fleet.nodes$.value.get('node')!.stats.report?.requestsPerSecond).toBe(7);
  });

  it('goes on with a node that reports nothing', async () => {
    await using fleet = fleetOf();
    await lastValueFrom(createClient(fleet, Greeter).sayHello({ name: 'Ada' }));
    expect(fleet.nodes$.value.get('node')!.stats.report).toBeUndefined();
  });
});
