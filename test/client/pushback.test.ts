/** What real servers say of another try, and of their health: on grpc-js, on connect-node, and on gRPC's C core (python3-grpcio). */

import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Metadata, Server as GrpcServer, ServerCredentials, status, type ServerUnaryCall } from '@grpc/grpc-js';
import { filter, firstValueFrom, map } from 'rxjs';
import {
  activeHealth,
  createClient,
  createFleet,
  grpcHealth,
  isRoutable,
  staticNodes,
  type FleetError,
  type FleetEvent,
  type Transport,
} from '../../src/index.js';
import {
  Greeter,
  HelloReplySchema,
  HelloRequestSchema,
  type HelloReply,
  type HelloRequest,
} from '../../src/gen/demo/greeter_pb.js';
import { connectTransport } from '../../src/transport/connect.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { noCCore, startCCore } from '../support/cCore.js';

/**
 * A server that fails the first call of each name with `UNAVAILABLE` and the number in the name as its pushback; what comes
 * after it is answered with the number of attempts before, as the header says.
 */
interface Server {
  readonly address: string;
  stop(): unknown;
}

/** Whose health, as `grpc.health.v1` has it, is what the last line on its input says; the second server has no such service. */
const script = `
import grpc, sys, threading
from concurrent import futures
serving = {'now': 1}
changed = threading.Condition()
seen = set()
def say_hello(request, context):
    name = bytes(request[2:2 + request[1]]).decode()
    if name not in seen:
        seen.add(name)
        context.set_trailing_metadata((('grpc-retry-pushback-ms', name),))
        context.abort(grpc.StatusCode.UNAVAILABLE, 'not now')
    before = dict(context.invocation_metadata()).get('grpc-previous-rpc-attempts', '0').encode()
    return b'\\x0a' + bytes([len(before)]) + before
def watch(request, context):
    told = None
    while context.is_active():
        with changed:
            changed.wait_for(lambda: serving['now'] != told, 0.05)
            if serving['now'] == told: continue
            told = serving['now']
        yield bytes([8, told])
class Handler(grpc.GenericRpcHandler):
    def __init__(self, knows): self.knows = knows
    def service(self, details):
        if details.method == '/demo.Greeter/SayHello': return grpc.unary_unary_rpc_method_handler(say_hello)
        if details.method == '/grpc.health.v1.Health/Watch' and self.knows:
            return grpc.unary_stream_rpc_method_handler(watch)
servers = [grpc.server(futures.ThreadPoolExecutor(4)) for _ in range(2)]
ports = []
for s, knows in zip(servers, (True, False)):
    s.add_generic_rpc_handlers((Handler(knows),))
    ports.append(str(s.add_insecure_port('127.0.0.1:0')))
    s.start()
print(' '.join(ports), flush=True)
for line in sys.stdin:
    with changed:
        serving['now'] = int(line)
        changed.notify_all()
`;

async function startPython(): Promise<Server & { readonly unwatched: string; say(status: 1 | 2): void }> {
  const { child, words } = await startCCore(script);
  const [address, unwatched] = words.map((port) => `127.0.0.1:${port}`) as [string, string];
  return { address, unwatched, say: (status) => child.stdin.write(`${status}\n`), stop: () => child.kill() };
}

async function startGrpcJs(): Promise<Server> {
  const seen = new Set<string>();
  const server = new GrpcServer();
  const handler = (
    { request: { name }, metadata }: ServerUnaryCall<HelloRequest, HelloReply>,
    reply: (error: object | null, answer?: HelloReply) => void,
  ) => {
    if (seen.has(name)) {
      const message = metadata.get('grpc-previous-rpc-attempts')[0]?.toString() ?? '0';
      return reply(null, create(HelloReplySchema, { message }));
    }
    seen.add(name);
    const trailers = new Metadata();
    trailers.set('grpc-retry-pushback-ms', name);
    reply({ code: status.UNAVAILABLE, details: 'not now', metadata: trailers });
  };
  server.register(
    '/demo.Greeter/SayHello',
    handler as never,
    (reply: HelloReply) => Buffer.from(toBinary(HelloReplySchema, reply)),
    (bytes: Buffer) => fromBinary(HelloRequestSchema, bytes),
    'unary',
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { address: `127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}

async function startConnect(): Promise<Server> {
  const seen = new Set<string>();
  const handler = connectNodeAdapter({
    routes: (router) =>
      router.rpc(Greeter.method.sayHello, ({ name }, { requestHeader }) => {
        if (seen.has(name)) return { message: requestHeader.get('grpc-previous-rpc-attempts') ?? '0' };
        seen.add(name);
        throw new ConnectError('not now', Code.Unavailable, { 'grpc-retry-pushback-ms': name });
      }),
  });
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, stop: () => server.close() };
}

interface Kind {
  readonly name: string;
  readonly start: () => Promise<Server>;
  readonly transport: Transport;
  readonly skip?: boolean;
}

const kinds: readonly Kind[] = [
  { name: 'grpc-js', start: startGrpcJs, transport: grpcTransport() },
  { name: 'grpc-js, by way of connect', start: startGrpcJs, transport: connectTransport({ protocol: 'grpc' }) },
  { name: 'connect-node', start: startConnect, transport: grpcTransport() },
  {
    name: 'connect-node, by its own protocol',
    start: startConnect,
    transport: connectTransport({ protocol: 'connect' }),
  },
  { name: 'the C core', start: startPython, transport: grpcTransport(), skip: noCCore !== undefined },
];

describe.each(kinds)('a server on $name', ({ start, transport, skip = false }) => {
  it.skipIf(skip)('is asked again when it says so, and told how many attempts came before', async () => {
    const server = await start();
    await using fleet = createFleet({ discovery: staticNodes([server.address]), transport });
    const told: FleetEvent[] = [];
    fleet.events$.subscribe((event) => told.push(event));
    const { message } = await firstValueFrom(createClient(fleet, Greeter).sayHello({ name: '7' }));
    expect(message).toBe('1');
    expect(told.filter(({ type }) => type === 'retryScheduled')).toMatchObject([
      { reason: 'retry', delayMs: 7, pushback: true, after: 'UNAVAILABLE' },
    ]);
    await server.stop();
  });

  it.skipIf(skip)('that wants no more is not asked again', async () => {
    const server = await start();
    await using fleet = createFleet({ discovery: staticNodes([server.address]), transport });
    const told: FleetEvent[] = [];
    fleet.events$.subscribe((event) => told.push(event));
    const answer = firstValueFrom(createClient(fleet, Greeter).sayHello({ name: '-1' }));
    const error = await answer.catch((thrown: FleetError) => thrown);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', attempts: [{ code: 'UNAVAILABLE' }] });
    expect(told.filter(({ type }) => type === 'retryRefused')).toMatchObject([{ reason: 'pushback' }]);
    await server.stop();
  });
});

describe.skipIf(noCCore)('the health of servers on the C core', () => {
  it('is what they say of themselves; one that knows no such service counts as healthy', async () => {
    const server = await startPython();
    await using fleet = createFleet({
      discovery: staticNodes([
        { id: 'watched', address: server.address },
        { id: 'unwatched', address: server.unwatched },
      ]),
      transport: grpcTransport(),
      health: activeHealth(grpcHealth()),
      awaitHealth: true,
    });
    const healthOf = (id: string, wanted: string) =>
      firstValueFrom(
        fleet.node$(id).pipe(
          map(({ health }) => health),
          filter((health) => health === wanted),
        ),
      );
    await Promise.all([healthOf('watched', 'serving'), healthOf('unwatched', 'serving')]);
    expect(fleet.nodes$.value.nodes.every(isRoutable)).toBe(true);
    server.say(2);
    await healthOf('watched', 'notServing');
    expect(fleet.nodes$.value.nodes.filter(isRoutable).map(({ id }) => id)).toEqual(['unwatched']);
    server.say(1);
    await healthOf('watched', 'serving');
    server.stop();
  });
});
