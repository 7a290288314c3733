/** `transport/grpc` against a server on gRPC's C core (python3-grpcio): the one that counts pings, and ends who sends too many. */

import { once } from 'node:events';
import { filter, firstValueFrom } from 'rxjs';
import type { Channel } from '../../src/core/channel.js';
import { createNode } from '../../src/core/node.js';
import { methodOf } from '../../src/core/method.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { RecordedCall } from '../../src/testing/testTransport/recordedCall.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { resolveTransportOptions, type TransportOptions } from '../../src/transport/transportOptions.js';
import { noCCore, startCCore, type CCoreServer } from '../support/cCore.js';

/** Bytes in, bytes out: a request's payload has the number of a reply's. */
const server = `
import grpc, sys, time
from concurrent import futures
def say_hello(request, context):
    return request
def lots(request, context):
    for _ in range(1000):
        yield request
def hang(request, context):
    print('hanging', flush=True)
    while context.is_active():
        time.sleep(0.01)
    print('cancelled', flush=True)
    return request
class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method.endswith('/SayHello'): return grpc.unary_unary_rpc_method_handler(say_hello)
        if details.method.endswith('/LotsOfReplies'): return grpc.unary_stream_rpc_method_handler(lots)
        if details.method.endswith('/Count'): return grpc.unary_unary_rpc_method_handler(hang)
s = grpc.server(futures.ThreadPoolExecutor(4))
s.add_generic_rpc_handlers((Handler(),))
print(s.add_insecure_port('127.0.0.1:0'), flush=True)
s.start()
sys.stdin.read()
`;

describe.skipIf(noCCore)('grpcTransport and a server on the C core', () => {
  const sayHello = methodOf(Greeter.method.sayHello);
  let child: CCoreServer['child'];
  let address: string;
  const lines: string[] = [];
  const channels: Channel[] = [];

  beforeAll(async () => {
    const started = await startCCore(server);
    child = started.child;
    child.stdout.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trim().split('\n')));
    address = `127.0.0.1:${started.words[0]}`;
  });
  afterEach(() => {
    for (const channel of channels.splice(0)) channel.close();
  });
  afterAll(() => child?.kill());

  const printed = async (line: string) => {
    while (!lines.includes(line)) await once(child.stdout, 'data');
  };
  const open = (options?: TransportOptions) => {
    const channel = grpcTransport(options).open(createNode({ address }));
    channels.push(channel);
    return channel;
  };
  const call = (channel: Channel, method: typeof sayHello) => {
    const recorded = new RecordedCall(channel, method);
    recorded.call.request(Infinity);
    recorded.call.send(method.message({ payload: Uint8Array.of(1, 2, 3) }));
    recorded.call.halfClose();
    return recorded;
  };

  it('unary calls, streams and cancellation work', async () => {
    const channel = open();
    const hello = call(channel, sayHello);
    expect(await hello.ended).toMatchObject({ code: 'OK' });
    expect([...hello.messages[0]!.payload]).toEqual([1, 2, 3]);
    const lots = call(channel, methodOf(Greeter.method.lotsOfReplies));
    expect(await lots.ended).toMatchObject({ code: 'OK' });
    expect(lots.messages).toHaveLength(1_000);
    const hanging = call(channel, methodOf(Greeter.method.count));
    await printed('hanging');
    hanging.call.cancel();
    await printed('cancelled');
  });

  it('the default keepalive pings less often than the C core allows, which is once in five minutes', () => {
    expect(resolveTransportOptions().keepaliveMs).toBeGreaterThan(300_000);
  });

  it('a client that pings too often is sent away, and comes back with the next call', async () => {
    const channel = open({ keepaliveMs: 20, keepaliveWithoutCalls: true });
    await call(channel, sayHello).ended;
    await firstValueFrom(channel.state$.pipe(filter((state) => state === 'IDLE')));
    expect(await call(channel, sayHello).ended).toMatchObject({ code: 'OK' });
  });
});
