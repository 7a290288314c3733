/** `transport/connect` holds the contract of transports over gRPC, and speaks Connect and gRPC-Web over both HTTP versions. */

import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { createNode } from '../../src/core/node.js';
import { methodOf } from '../../src/core/method.js';
import type { CallContext, Channel } from '../../src/core/channel.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { testTransport } from '../../src/testing/testTransport.js';
import { RecordedCall } from '../../src/testing/testTransport/recordedCall.js';
import { until } from '../../src/testing/testTransport/until.js';
import { connectTransport } from '../../src/transport/connect.js';

testTransport('connect (grpc)', (options) => connectTransport(options));

describe.each([
  { protocol: 'connect', httpVersion: '2' },
  { protocol: 'connect', httpVersion: '1.1' },
  { protocol: 'grpc-web', httpVersion: '2' },
  { protocol: 'grpc-web', httpVersion: '1.1' },
] as const)('connectTransport, $protocol over HTTP/$httpVersion', (options) => {
  const sayHello = methodOf(Greeter.method.sayHello);
  const lotsOfReplies = methodOf(Greeter.method.lotsOfReplies);
  const lotsOfGreetings = methodOf(Greeter.method.lotsOfGreetings);
  let server: http.Server | http2.Http2Server;
  let channel: Channel;
  let cancelled = 0;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    const handler = connectNodeAdapter({
      routes: (router) => {
        router.service(Greeter, {
          sayHello: ({ name, payload }, { requestHeader, responseTrailer, signal }) => {
            if (name === 'fail') throw new ConnectError('asked to', Code.FailedPrecondition, { 'x-why': 'so' });
            if (name === 'hang') {
              return new Promise((_, reject) =>
                signal.addEventListener('abort', () => {
                  cancelled++;
                  reject(signal.reason as Error);
                }),
              );
            }
            responseTrailer.set('x-trailer', requestHeader.get('x-name') ?? '');
            return { message: `hello ${name}`, payload };
          },
          async *lotsOfReplies({ replies }) {
            for (let seq = 0; seq < replies; seq++) yield { seq };
          },
          async lotsOfGreetings(requests) {
            let seq = 0;
            for await (const _ of requests) seq++;
            return { seq };
          },
        });
      },
    });
    server = options.httpVersion === '2' ? http2.createServer(handler) : http.createServer(handler);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    channel = connectTransport(options).open(createNode({ address: `127.0.0.1:${port}` }));
  });
  afterAll(async () => {
    channel.close();
    await until(() => sockets.size === 0, 'the server sees its client go');
    server.close();
  });

  const hello = (name: string, context?: CallContext) => {
    const call = new RecordedCall(channel, sayHello, context);
    call.call.request(1);
    call.call.send(sayHello.message({ name }));
    call.call.halfClose();
    return call;
  };

  it('a unary call gives its answer, with metadata and trailers', async () => {
    const call = hello('Ada', { metadata: { 'x-name': 'Lovelace' } });
    expect(await call.ended).toMatchObject({ code: 'OK', trailers: { 'x-trailer': 'Lovelace' } });
    expect(call.messages[0]!.message).toBe('hello Ada');
    expect(call.synchronous).toBe(false);
  });

  it('a server stream comes complete', async () => {
    const call = new RecordedCall(channel, lotsOfReplies);
    call.call.request(Infinity);
    call.call.send(lotsOfReplies.message({ replies: 50 }));
    call.call.halfClose();
    expect(await call.ended).toMatchObject({ code: 'OK' });
    expect(call.messages.map(({ seq }) => seq)).toEqual([...Array(50).keys()]);
  });

  it('a client stream arrives complete', async () => {
    const call = new RecordedCall(channel, lotsOfGreetings);
    call.call.request(1);
    for (let i = 0; i < 50; i++) call.call.send(lotsOfGreetings.message({ name: `${i}` }));
    call.call.halfClose();
    expect(await call.ended).toMatchObject({ code: 'OK' });
    expect(call.messages[0]!.seq).toBe(50);
  });

  it('an error comes by its name, with its message and trailers', async () => {
    expect(await hello('fail').ended).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'asked to',
      sent: true,
      trailers: { 'x-why': 'so' },
    });
  });

  it('a deadline ends the call, here and at the node', async () => {
    const before = cancelled;
    expect(await hello('hang', { deadline: Date.now() + 100 }).ended).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await until(() => cancelled === before + 1, 'the node learns that the call is over');
  });

  it('cancel reaches the node', async () => {
    const before = cancelled;
    const call = hello('hang');
    await hello('Ada').ended;
    call.call.cancel();
    await until(() => cancelled === before + 1, 'the node sees the cancel');
    expect(call.status).toBeUndefined();
  });

  it('a refused connection is UNAVAILABLE and surely not sent', async () => {
    const closed = http.createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    const nobody = connectTransport(options).open(createNode({ address: `127.0.0.1:${port}` }));
    const call = new RecordedCall(nobody, sayHello);
    expect(await call.ended).toMatchObject({ code: 'UNAVAILABLE', sent: false });
    nobody.close();
  });
});

it('gRPC over HTTP/1.1 is refused by name, since it cannot be', () => {
  expect(() => connectTransport({ protocol: 'grpc', httpVersion: '1.1' })).toThrow(/httpVersion/);
});
