/** Load reports of servers on gRPC's C core (python3-grpcio). */

import { create, toBinary } from '@bufbuild/protobuf';
import { lastValueFrom } from 'rxjs';
import { createClient } from '../../src/client/client.js';
import { createFleet } from '../../src/client/fleet.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { OrcaLoadReportSchema } from '../../src/gen/xds/orca_load_report_pb.js';
import { outOfBandLoad } from '../../src/health/outOfBandLoad.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { noCCore, startCCore, type CCoreServer } from '../support/cCore.js';
import { until } from '../support/until.js';

/** Its Python has no ORCA, so that it says the bytes which it is given; the service of node `old` it does not know. */
const server = `
import grpc, sys, time
from concurrent import futures
report = bytes.fromhex(sys.argv[1])
def say_hello(request, context):
    context.set_trailing_metadata((('endpoint-load-metrics-bin', report),))
    return b''
def stream(request, context):
    while context.is_active():
        yield report
        time.sleep(0.02)
class Handler(grpc.GenericRpcHandler):
    def __init__(self, knows): self.knows = knows
    def service(self, details):
        if details.method == '/demo.Greeter/SayHello': return grpc.unary_unary_rpc_method_handler(say_hello)
        if details.method == '/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics' and self.knows:
            return grpc.unary_stream_rpc_method_handler(stream)
servers = [grpc.server(futures.ThreadPoolExecutor(4)) for _ in range(2)]
ports = []
for s, knows in zip(servers, (True, False)):
    s.add_generic_rpc_handlers((Handler(knows),))
    ports.append(str(s.add_insecure_port('127.0.0.1:0')))
    s.start()
print(' '.join(ports), flush=True)
sys.stdin.read()
`;

describe.skipIf(noCCore)('load reports of servers on the C core', () => {
  let child: CCoreServer['child'];
  let ports: readonly string[];
  beforeAll(async () => {
    const report = create(OrcaLoadReportSchema, { cpuUtilization: 0.5, rpsFractional: 70 });
    const hex = Buffer.from(toBinary(OrcaLoadReportSchema, report)).toString('hex');
    ({ child, words: ports } = await startCCore(server, hex));
  });
  afterAll(() => child?.kill());
  const nodes = () =>
    staticNodes(ports.map((port, i) => ({ id: i === 0 ? 'new' : 'old', address: `127.0.0.1:${port}` })));

  it('come in the trailers of calls', async () => {
    await using fleet = createFleet({ discovery: nodes(), transport: grpcTransport() });
    const reports = () => fleet.nodes$.value.nodes.map(({ stats }) => stats.report?.requestsPerSecond);
    // The first calls may all go to the node that is connected first; vitest ends what never comes.
    while (reports().join() !== '70,70') await lastValueFrom(createClient(fleet, Greeter).sayHello({}));
  });

  it('come out of band, and a server without the service is left in peace', async () => {
    await using fleet = createFleet({
      ...{ discovery: nodes(), transport: grpcTransport() },
      loadReports: outOfBandLoad({ intervalMs: 20 }),
    });
    const statsOf = (id: string) => fleet.nodes$.value.get(id)!.stats;
    await until('a report', () => statsOf('new').report !== undefined);
    const { reportedAt } = statsOf('new');
    await until('another report', () => statsOf('new').reportedAt > reportedAt);
    expect(statsOf('old').report).toBeUndefined();
    expect(fleet.nodes$.value.get('old')).toMatchObject({ availability: 'ready', health: 'unknown' });
  });
});
