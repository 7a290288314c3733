import { create } from '@bufbuild/protobuf';
import { map, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode } from '../../src/core/node.js';
import { OrcaLoadReportSchema } from '../../src/gen/xds/orca_load_report_pb.js';
import type { OrcaLoadReportRequest } from '../../src/gen/xds/orca_pb.js';
import { outOfBandLoad } from '../../src/health/outOfBandLoad.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { fakeChannel, type WireEvent } from '../../test/core/fakeChannel.js';

const node = createNode({ address: '10.0.0.1:50051' });
const message = create(OrcaLoadReportSchema, { rpsFractional: 7 });
/** r: a report; |: ends well; u: UNAVAILABLE; n: UNIMPLEMENTED. */
const events: Record<string, WireEvent> = {
  r: { message },
  e: { end: { code: 'OK' } },
  u: { end: { code: 'UNAVAILABLE', message: 'restarting' } },
  n: { end: { code: 'UNIMPLEMENTED' } },
};

/** Each stream that is opened gives the next of these diagrams. */
function bed(m: MarbleHelpers, ...streams: readonly string[]) {
  let opened = 0;
  const channel = fakeChannel(() => m.cold(streams[opened++] ?? '-', events));
  const watch = outOfBandLoad({
    ...{ intervalMs: 2_500, scheduler: m.scheduler, random: () => 0.5 },
    backoff: { initialBackoffMs: 3, maxBackoffMs: 6, backoffMultiplier: 2 },
  });
  const report$: Observable<string> = watch({ node, channel }).pipe(map((each) => `${each.requestsPerSecond}`));
  return { channel, report$ };
}
const told = { r: '7' };

describe('outOfBandLoad', () => {
  marble('each report is told as it comes', (m) => {
    const { report$, channel } = bed(m, '-r--r-r');
    m.expectObservable(report$, '^-------!').toBe('-r--r-r', told);
    m.flush();
    expect(channel.calls).toHaveLength(1);
    const [request] = channel.calls[0]!.sent as OrcaLoadReportRequest[];
    expect(request!.reportInterval).toMatchObject({ seconds: 2n, nanos: 500_000_000 });
    expect(channel.calls[0]!.method.path).toBe('/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics');
  });

  marble('a stream that breaks is opened again, with growing waits while it says nothing', (m) => {
    // Waits of 3, 6 and 6 ms; the fourth stream reports, so that the fifth comes after 3.
    const { report$, channel } = bed(m, '-u', 'u', 'u', '-r-u', '-r');
    m.expectObservable(report$, '50ms !').toBe('17ms r 5ms r', told);
    m.flush();
    expect(channel.calls).toHaveLength(5);
  });

  marble('a stream that ends well has ended, too', (m) => {
    const { report$ } = bed(m, 're', 'r');
    m.expectObservable(report$, '20ms !').toBe('r---r', told);
  });

  marble('a node that does not know the service is not asked again', (m) => {
    const { report$, channel } = bed(m, '--n', 'r');
    m.expectObservable(report$, '50ms !').toBe('--|', told);
    m.flush();
    expect(channel.calls).toHaveLength(1);
  });

  marble('unsubscribing ends the stream on the wire, or the wait for the next', (m) => {
    const { report$, channel } = bed(m, '-r');
    m.expectObservable(report$, '^--!').toBe('-r', told);
    const waiting = bed(m, 'u', 'r');
    m.expectObservable(waiting.report$, '^-!').toBe('--');
    m.flush();
    expect(channel.calls[0]!.cancelled).toBe(true);
    expect(waiting.channel.calls).toHaveLength(1);
  });

  it('refuses an interval that makes no sense', () => {
    for (const intervalMs of [0, -1, Number.NaN, Infinity]) {
      expect(() => outOfBandLoad({ intervalMs })).toThrow(FleetError);
      expect(() => outOfBandLoad({ intervalMs })).toThrow(/intervalMs/);
    }
  });
});
